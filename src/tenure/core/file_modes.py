"""Who may read what Tenure writes: by default its owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

# A process has one mask for all of its threads: the first block sets it, the last one puts the former back.
_changing, _former = Lock(), list[int]()


@contextmanager
def owner_only(folders: Iterable[Path]) -> Iterator[None]:
    """Have what a block writes, and the processes it starts, be readable by its owner alone.

    ``folders`` of before are closed to others first, and with them all that lies in them.
    """
    for folder in folders:
        with suppress(FileNotFoundError, PermissionError):  # another user's is not ours to close
            mode = stat.S_IMODE(folder.stat().st_mode)
            if mode & 0o077:
                folder.chmod(mode & 0o700)
    with _changing:
        _former.append(os.umask(0o077))
    try:
        yield
    finally:
        with _changing:
            mask = _former.pop()
            if not _former:  # of all blocks the first one's
                os.umask(mask)

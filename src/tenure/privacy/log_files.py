"""Logs of scheduled commands: the one in use, which a waiting command holds open, and the rotated ones."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from pathlib import Path

from tenure.core.errors import RunError

_LOG = re.compile(r"\.log(?=[.-]|$)")
_PACKED = {".gz": gzip, ".bz2": bz2, ".xz": lzma}
# What is no text comes back as it was.
_HOW = {"encoding": "utf-8", "errors": "surrogateescape"}


def is_log(path: Path) -> bool:
    """Say whether a file is a log, in use or rotated.

    Examples
    --------
    >>> [is_log(Path(name)) for name in ("tenure.log", "tenure.log.1", "tenure.log-20260101.gz", "catalogue.csv")]
    [True, True, True, False]
    """
    return bool(_LOG.search(path.name))


def read_log(path: Path) -> str:
    """Read a log, unpacked.

    Raises
    ------
    RunError : it is packed and cannot be unpacked.
    """
    content = path.read_bytes()
    if path.suffix not in _PACKED:
        return content.decode(**_HOW)
    try:
        return str(_PACKED[path.suffix].decompress(content).decode(**_HOW))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise RunError(
            f"{path}: cannot be unpacked ({error}), so nobody can say whom it names. Expected a rotated log; look at it, or "
            "move it out of the workspace, and run the command again."
        ) from None


def write_log(path: Path, text: str) -> None:
    """Write a log in place: a command that waits for its turn would go on writing to a file that was moved away."""
    content = text.encode(**_HOW)
    with path.open("r+b") as file:
        file.write(_PACKED[path.suffix].compress(content) if path.suffix in _PACKED else content)
        file.truncate()

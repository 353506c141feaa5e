"""One writer per workspace and source: a lock that a crash sets free, and that names its holder."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from filelock import AcquireReturnProxy, FileLock, Timeout

from tenure.core.errors import LockedError
from tenure.core.recovery import bring_back, end_kernels_of_killed
from tenure.core.workspace import Workspace

ASK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Holder:
    """Who writes: ``started`` is UTC, ISO."""

    doing: str
    pid: int
    host: str
    started: str

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read who holds, or held, a lock; None where it was given back, or where a crash cut the line short."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def is_ours(self) -> bool:
        """Whether this process holds the lock, or one that started it: a kernel writes under the lock of its run."""
        return self.is_here and self.pid in {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}


@contextmanager
def sole_writer(
    workspace: Workspace,
    source: str,
    doing: str,
    *,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] = lambda holder: None,
) -> Iterator[bool]:
    """Hold the lock of a source for a block; gives True where the holder before was killed, after cleaning up.

    The lock is the operating system's: it ends with its process, however that ends. A block within the block, in
    the same process or in a kernel that it started, holds it already. Another process is waited for as long as
    ``wait_seconds`` says; ``on_wait`` is called once, with a text that names it. What the block writes is for its
    owner alone, unless the workspace is shared.

    Raises
    ------
    LockedError : another process writes, and wrote all the while; names it.
    """
    with workspace.owner_only(), _held(workspace, source, doing, wait_seconds, on_wait) as was_killed:
        yield was_killed


@contextmanager
def _held(
    workspace: Workspace, source: str, doing: str, wait_seconds: float, on_wait: Callable[[str], None]
) -> Iterator[bool]:
    path = workspace.lock(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, poll_interval=ASK_AGAIN_SECONDS)
    taken = _take(lock, 0)
    if taken is None:
        holder = Holder.read(path)
        if holder and holder.is_ours:
            yield False
            return
        if wait_seconds:
            on_wait(_who(holder))
            taken = _take(lock, wait_seconds)
    if taken is None:
        raise LockedError(
            f"{source} in {workspace.root}: {_who(Holder.read(path))}. Expected one writer per workspace and source; "
            "wait for it (--wait MINUTES, where the command has it), or end that process, and run again."
        )
    with taken:
        former = Holder.read(path)
        if former:
            if former.is_here:
                end_kernels_of_killed(former.pid, former.started)
            bring_back(workspace, source)
        own = Holder(doing, os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
        path.write_text(json.dumps(asdict(own)), encoding="utf-8")
        try:
            yield former is not None
        except BaseException:
            # A kernel that was killed left what it was at, and its run fails of that.
            bring_back(workspace, source)
            raise
        finally:
            # An empty file: given back. Only a killed holder leaves its name behind.
            path.write_text("", encoding="utf-8")


def _take(lock: FileLock, wait_seconds: float) -> AcquireReturnProxy[FileLock] | None:
    try:
        return lock.acquire(timeout=wait_seconds)
    except Timeout:
        return None


def _who(holder: Holder | None) -> str:
    if holder is None:
        return "another process is at work"
    return f"'{holder.doing}' is at work (process {holder.pid} on {holder.host}, since {holder.started})"

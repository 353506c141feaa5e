"""One writer per workspace and source: a lock that a crash sets free, and that names its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import IO

from tenure.core.atomic_files import finish_replacements
from tenure.core.errors import LockedError
from tenure.core.workspace import Workspace

# Jupyter gives each kernel the process that started it.
KERNEL_PARENT = "JPY_PARENT_PID"
# The locks this process, or the one that started it, holds: kernels inherit it, and write under their parent's lock.
HELD = "TENURE_LOCKS_HELD"
LOADED_WITHIN_SECONDS = 5.0
# When a lock was taken is noted in whole seconds.
NOTED_WITHIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05
ASK_AGAIN_SECONDS = 1.0


def _say_nothing(holder: str) -> None:
    """Wait in silence."""


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


@contextmanager
def sole_writer(
    workspace: Workspace,
    source: str,
    doing: str,
    *,
    wait_seconds: float = 0.0,
    on_wait: Callable[[str], None] = _say_nothing,
) -> Iterator[bool]:
    """Hold the lock of a source for a block; gives True where the holder before was killed, and cleans up after it.

    Where another process holds it, it is waited for as long as ``wait_seconds`` says; ``on_wait`` is told once who that is.

    The lock is the operating system's, on an open file: it ends with its process, however that ends. Within a block that
    holds it, in the same process or in a kernel it started, it is held already.

    Raises
    ------
    LockedError : another process writes, and wrote all the while; names it.
    """
    path = workspace.lock(source)
    held = os.environ.get(HELD, "")
    if str(path) in held.split(os.pathsep):
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if not _take(file):
            deadline = time.monotonic() + wait_seconds
            if wait_seconds:
                on_wait(_who(Holder.read(path)))
            while not _take(file):
                if (left := deadline - time.monotonic()) <= 0:
                    raise LockedError(f"{source} in {workspace.root}: {_describe(Holder.read(path))}")
                time.sleep(min(left, ASK_AGAIN_SECONDS))
        former = Holder.read(path)
        if former:
            _end_kernels_of(former)
            _clean_up(workspace, source)
        file.truncate(0)
        own = Holder(doing, os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds"))
        file.write(json.dumps(asdict(own)))
        file.flush()
        os.environ[HELD] = f"{held}{os.pathsep}{path}"
        try:
            yield former is not None
        except BaseException:
            # A kernel that was killed left what it was at, and its run fails of that.
            _clean_up(workspace, source)
            raise
        finally:
            os.environ[HELD] = held
            # An empty file: given back. Only a killed holder leaves its name behind.
            file.truncate(0)


def _take(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _who(holder: Holder | None) -> str:
    if holder is None:
        return "another process is at work"
    return f"'{holder.doing}' is at work (process {holder.pid} on {holder.host}, since {holder.started})"


def _describe(holder: Holder | None) -> str:
    expected = "Expected one writer per workspace and source; wait for it (run, score, backfill and audit do: --wait MINUTES), or end that process, and run again."
    return f"{_who(holder)}. {expected}"


def _end_kernels_of(holder: Holder) -> None:
    """End kernels that outlive the killed process that started them, before they write any more."""
    if holder.host == socket.gethostname() and not _lives(holder):
        end_kernels_of(holder.pid)


def end_kernels_of(parent: int) -> None:
    """End the kernels that a process started, and what forks them."""
    while _end_those_seen(parent):
        time.sleep(LOOK_AGAIN_SECONDS)


def _lives(holder: Holder) -> bool:
    """Say whether a holder is still at work: on another workspace then, of which this one is a copy."""
    import psutil

    try:
        process = psutil.Process(holder.pid)
        # A process that began after the lock was taken has been given the number of one that ended.
        is_another = process.create_time() > datetime.fromisoformat(holder.started).timestamp() + NOTED_WITHIN_SECONDS
        return not is_another and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _end_those_seen(parent: int) -> bool:
    """End the kernels that say they are a process's own; True where a process was too young to say whose it is."""
    import psutil

    too_young = False
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(KERNEL_PARENT) == str(parent):
                process.kill()
                process.wait(5)
            # While a program is being loaded the system shows its file, and no environment yet; its own threads have no file.
            elif not environment and process.exe() and time.time() - process.create_time() < LOADED_WITHIN_SECONDS:
                too_young = True
        except (psutil.Error, OSError):
            continue
    return too_young


def _clean_up(workspace: Workspace, source: str) -> None:
    """Bring back what was moved aside, remove what was never finished."""
    for folder in (workspace.raw(source), workspace.truth(source), workspace.staged(source)):
        finish_replacements(folder.parent, source)
    for folder in (workspace.identities(source), workspace.identity_events(source)):
        finish_replacements(folder)
    for scratch in workspace.data.glob(f"{workspace.scratch_prefix(source)}*"):
        rmtree(scratch, ignore_errors=True)
    for spilled in workspace.snapshots(source).rglob("tenure-*"):
        rmtree(spilled, ignore_errors=True)
    for folder in (workspace.reports_of(source), workspace.snapshots(source), workspace.scores_of(source)):
        for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            finish_replacements(inner)

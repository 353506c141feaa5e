"""What a killed writer leaves, and how the next one cleans up after it before it writes anything itself."""

from __future__ import annotations

import time
from datetime import datetime
from shutil import rmtree

import psutil

from tenure.core.atomic_files import finish_replacements
from tenure.core.workspace import Workspace

# Jupyter gives each kernel the process that started it.
KERNEL_PARENT = "JPY_PARENT_PID"
LOADED_WITHIN_SECONDS = 5.0
# When a lock was taken is noted in whole seconds.
NOTED_WITHIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05


def end_kernels_of_killed(pid: int, started: str) -> None:
    """End kernels that outlive the process that started them, before they write any more.

    A process that still lives, and worked when ``started`` (UTC, ISO) was noted, holds the lock of another workspace,
    of which this one is a copy: its kernels are left alone.
    """
    try:
        process = psutil.Process(pid)
        # A process that began after the lock was taken has been given the number of one that ended.
        is_another = process.create_time() > datetime.fromisoformat(started).timestamp() + NOTED_WITHIN_SECONDS
        lives = not is_another and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        lives = False
    if not lives:
        end_kernels_of(pid)


def end_kernels_of(parent: int) -> None:
    """End the kernels that a process started, and what forks them."""
    while _end_those_seen(parent):
        time.sleep(LOOK_AGAIN_SECONDS)


def _end_those_seen(parent: int) -> bool:
    """End the kernels that say they are a process's own; True where a process was too young to say whose it is."""
    too_young = False
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(KERNEL_PARENT) == str(parent):
                process.kill()
                process.wait(5)
            # While a program is being loaded the system shows its file and no environment yet; its own threads have
            # no file.
            elif not environment and process.exe() and time.time() - process.create_time() < LOADED_WITHIN_SECONDS:
                too_young = True
        except (psutil.Error, OSError):
            continue
    return too_young


def bring_back(workspace: Workspace, source: str) -> None:
    """Bring back what was moved aside, remove what was never finished."""
    for folder in (workspace.raw(source), workspace.truth(source), workspace.staged(source)):
        finish_replacements(folder.parent, source)
    for folder in (workspace.identities(source), workspace.identity_events(source)):
        finish_replacements(folder)
    for scratch in workspace.data.glob(f"{workspace.scratch_prefix(source)}*"):
        rmtree(scratch, ignore_errors=True)
    for spilled in workspace.snapshots(source).rglob("tenure-*"):
        rmtree(spilled, ignore_errors=True)
    ledgers = (workspace.scores_of(source), workspace.decisions_of(source))
    for folder in (workspace.reports_of(source), workspace.snapshots(source), *ledgers):
        for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            finish_replacements(inner)

"""Opening a source as its only writer: staged, matched, cleaned of what a killed one left, and each failure noted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from tenure.errors import TenureError, UsageError, describe_unforeseen
from tenure.flows.progress import Progress, StepEvent, say_nothing
from tenure.identity.resolve import resolve
from tenure.lock import sole_writer
from tenure.privacy.retention import apply_retention
from tenure.review.failures import note_failure
from tenure.sources.source import read_source
from tenure.steps.opening import Run, open_run
from tenure.warm_kernels import prepare
from tenure.workspace import Workspace

RECORDS = "records"


@contextmanager
def writing(
    source: str,
    doing: str,
    *,
    workspace: str = "",
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
    **options: Any,
) -> Iterator[Run]:
    """Open a source as its only writer, staged, its new records matched, with what a killed writer left cleaned up.

    Another writer is waited for as long as ``wait_minutes`` says.

    Raises
    ------
    LockedError : another process writes to it. TenureError : it cannot be opened.
    """
    located = Workspace.locate(workspace or None)
    read_source(located, source)  # an unknown source leaves no lock behind
    kind, asked = options.get("run_kind", "scheduled"), options.get("as_of", "")
    lock = sole_writer(
        located, source, doing, wait_seconds=60 * wait_minutes, on_wait=lambda who: progress(StepEvent(who, "waiting"))
    )
    with lock as was_killed, _noting_failures(located, source, doing, kind, asked):
        # While the source and the registry are opened on one core, what kernels will use is imported on the other.
        prepare()
        started = time.monotonic()
        run = open_run(source, workspace=str(located.root), run_kind=options.pop("run_kind", "scheduled"), **options)
        run.registry.check()
        if was_killed:
            run.registry.end_interrupted(source)
        if expired := apply_retention(located, run.source):
            progress(StepEvent(expired, "expired"))
        progress(StepEvent("stage", "started"))
        what: Literal["done", "reused"] = "reused" if run.staged.reused else "done"
        progress(StepEvent("stage", what, round(time.monotonic() - started, 2)))
        if RECORDS in run.staged.tables:
            started = time.monotonic()
            progress(StepEvent("identity", "started"))
            resolve(located, run.staged)
            progress(StepEvent("identity", "done", round(time.monotonic() - started, 2)))
        yield run


@contextmanager
def _noting_failures(workspace: Workspace, source: str, doing: str, kind: str, as_of: str) -> Iterator[None]:
    """Note what made a scheduled run fail, for the diary of the next one that does not. Wrong usage is no run."""
    try:
        yield
    except Exception as error:
        if kind == "scheduled" and not isinstance(error, UsageError):
            text = str(error) if isinstance(error, TenureError | OSError) else describe_unforeseen(error)
            # Where the disk is full the message itself is all there can be.
            with suppress(OSError):
                note_failure(workspace, source, as_of=as_of, doing=doing, text=text)
        raise

"""Beginning a run as a source's only writer: recorded, staged, and each failure noted."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from shutil import rmtree
from typing import Any

from tenure.core.lock import sole_writer
from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.customers.catalogue import check_attribute_settings
from tenure.decisions.document import check_policy
from tenure.identity.resolve import resolve
from tenure.privacy.retention import apply_retention
from tenure.runs.beginning import SCHEDULED, noting_failures
from tenure.runs.progress import Progress, StepEvent, say_nothing
from tenure.runs.step_cache import Step
from tenure.runs.warm_kernels import prepare
from tenure.runs.work import INGEST, Work
from tenure.snapshots.engine_choice import check_engine
from tenure.sources.contract import RECORDS
from tenure.sources.ingest import current_staging, read_staging
from tenure.sources.source import read_source
from tenure.sources.staged_source import check_as_of
from tenure.steps.opening import QUICK_DEMO_CUSTOMERS, Session, ensure_demo
from tenure.steps.run_record import BUILDING, RunRecord
from tenure.targets.catalogue import check_targets, targets_of

# Where a run is recorded until its as-of is known.
BEGUN = f".begun{BUILDING}"


@contextmanager
def writing(
    source: str,
    doing: str,
    *,
    kind: str = "run",
    as_of: str = "",
    workspace: str = "",
    quick: bool = False,
    engine: str = "",
    run_kind: str = SCHEDULED,
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
    **parameters: Any,
) -> Iterator[Session]:
    """Begin a run of a source as its only writer: recorded, staged, its new records matched.

    Another writer is waited for as long as ``wait_minutes`` says. ``parameters`` are what the command was given, for
    the record.

    Raises
    ------
    LockedError : another process writes to it. TenureError : it cannot be opened.
    """
    located = Workspace.locate(workspace or None)
    # An unknown source or target leaves no lock behind.
    check_targets(parameters.get("targets", ()), read_source(located, source))
    lock = sole_writer(
        located, source, doing, wait_seconds=60 * wait_minutes, on_wait=lambda who: progress(StepEvent(who, "waiting"))
    )
    with lock as was_killed, noting_failures(located, source, doing, run_kind, as_of):
        prepare()
        if source == "demo":
            ensure_demo(located, customers=QUICK_DEMO_CUSTOMERS if quick else None)
        described = read_source(located, source)
        check_attribute_settings(described)
        check_policy(described)
        targets_of(described)  # what is wrong with its targets is said before anything is staged
        given = parse_date(as_of) if as_of else None
        run = Session(located, described, given, quick, check_engine(engine), run_kind)
        if expired := apply_retention(located, described):
            progress(StepEvent(expired, "expired"))
        folder = located.reports_of(source) / BEGUN
        rmtree(folder, ignore_errors=True)
        try:
            with located.temporary_files(source), ThreadPoolExecutor(1) as beside:
                # While the first step stages on one core, the registry is opened on the other.
                opened = beside.submit(_open_registry, run, was_killed=was_killed)
                begun = _ingested(run, RunRecord.begin(folder, run.facts(kind, **parameters)), progress)
                opened.result()
                yield begun
        finally:
            rmtree(folder, ignore_errors=True)


def _open_registry(session: Session, *, was_killed: bool) -> None:
    session.registry.check()
    if was_killed:
        session.registry.end_interrupted(session.source.name)


def _ingested(session: Session, record: RunRecord, progress: Progress) -> Session:
    """Stage what changed, in the first step's kernel; the record then says what on, and as of when."""
    begun = replace(session, record=record, run_id=record.document["run_id"], started_at=record.started_at)
    staged = current_staging(session.workspace, session.source)
    if staged is None:
        Work(begun, record, progress).perform(Step(INGEST, INGEST))
        staged = read_staging(session.workspace, session.source)
    elif RECORDS in staged.tables:
        resolve(session.workspace, staged)
    as_of = check_as_of(staged, session.as_of_given)
    record.extend(staging=staged.fingerprint, as_of=str(as_of))
    return replace(begun, as_of_given=as_of)

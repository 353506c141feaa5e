"""Backfill: each as-of as it would have been on that day, in the order of the days, and nothing of today touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import uuid4

from tenure.core.errors import NotEnoughDataError
from tenure.core.time_windows import parse_date, spaced_dates
from tenure.runs.progress import Progress, StepEvent, say_nothing
from tenure.runs.run import build, promote
from tenure.runs.writer import writing
from tenure.steps.opening import BACKFILL, Session
from tenure.steps.run_record import RunRecord, read_sealed
from tenure.targets.catalogue import all_targets


@dataclass(frozen=True)
class BackfillRow:
    """What became of one target at one as-of; ``status`` as in a run: trained, blocked or refused."""

    as_of: date
    target: str
    status: str
    version: str
    auc: float | None
    was_reused: bool
    reason: str


def backfill_flow(
    source: str,
    *,
    first: str,
    last: str,
    every: str = "1month",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
) -> list[BackfillRow]:
    """Run the flow as of each day from ``first`` to ``last``: one row per as-of and target.

    Facts known later stay unseen, and the champion of a day is the last version promoted on an earlier one. Versions
    are registered as ``<source>-<target>-backfill``, reports lie in ``reports/<source>/backfill/<as_of>``, scores are
    marked in the ledger. A day already done is reused as every repeat is.

    Raises
    ------
    UsageError : dates that are none, or an empty range. TenureError : a step failed; days done are kept.
    """
    days = spaced_dates(parse_date(first, "--from"), parse_date(last, "--to"), every)
    rows: list[BackfillRow] = []
    with writing(
        source, f"tenure backfill {source}", kind="run", run_kind=BACKFILL, as_of=str(days[-1]), workspace=workspace,
        quick=quick, wait_minutes=wait_minutes, progress=progress, targets=list(targets),
    ) as latest:  # fmt: skip
        runs = [_as_of(latest, day) for day in days]
        _build_all_snapshots(runs, targets)
        for run in runs:
            progress(StepEvent(str(run.as_of), "day"))
            rows += _one_day(run, targets, progress)
    return rows


def _as_of(latest: Session, day: date) -> Session:
    """Give the same run as of another day: each day is a run of its own."""
    begun = latest.recorded
    record = RunRecord(begun.folder, begun.document | {"run_id": uuid4().hex[:12], "as_of": str(day)})
    return replace(latest, as_of_given=day, record=record, run_id=record.document["run_id"])


def _build_all_snapshots(runs: Sequence[Session], targets: Sequence[str]) -> None:
    """Build the features of every day's cutoffs in one pass: they depend on the cutoff alone."""
    cutoffs: set[date] = set()
    for run in runs:
        cutoffs.add(run.as_of)
        for name in targets or run.snapshots.targets:
            try:
                cutoffs |= set(run.snapshots.plan(run.target(name)).all)
            except NotEnoughDataError:
                continue  # refused in its own run, with its reason
    runs[-1].snapshots.build_features(cutoffs)


def _one_day(session: Session, targets: Sequence[str], progress: Progress) -> list[BackfillRow]:
    for name in targets or all_targets(session.source):
        session.registry.point_champion(session.model_name(name), _champion_before(session, name))
    try:
        result = build(session, session.workspace.backfill(session.source.name, session.as_of), targets, progress)
    except NotEnoughDataError as error:
        return [BackfillRow(session.as_of, ",".join(targets) or "all", "refused", "", None, False, str(error))]
    promote(session, result)
    return [
        BackfillRow(
            session.as_of, name, found["status"], found["model_version"], found["metrics"].get("auc"),
            not result.performed.executed, found["reason"],
        )
        for name, found in result.run_json["targets"].items()
    ]  # fmt: skip


def _champion_before(session: Session, target: str) -> str | None:
    """Return the version promoted on the last earlier day of the backfill, or None."""
    own = session.workspace.backfill(session.source.name, session.as_of)
    folders = sorted(own.parent.glob("[0-9]*"), reverse=True)
    earlier = (read_sealed(folder) for folder in folders if folder.name < own.name)
    promoted = (document.get("targets", {}).get(target, {}) for document in earlier)
    return next((found["model_version"] for found in promoted if found.get("promoted")), None)

"""Retention: what a source's ``[retention]`` gives up after so many days.

Raw files are the owner's and are never touched.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import rmtree

from tenure.core.workspace import Workspace
from tenure.decisions.ledger import drop_decided_before
from tenure.privacy.export import exported_on
from tenure.scoring.ledger import drop_scored_before
from tenure.scoring.review.failures import drop_failures
from tenure.sources.retention import DECISIONS, REPORTS, SCORES, first_days_kept
from tenure.sources.source import Source
from tenure.steps.run_record import RUN_JSON, RunRecord


def apply_retention(workspace: Workspace, source: Source, today: date | None = None) -> str:
    """Remove scores and run folders that are older than they may be; say so, with what is not staged, in one line.

    The age of scores counts from ``scored_at``, that of a run's folder from when it was finished: a backfill of a past
    day is young.
    """
    today = today or datetime.now(UTC).date()
    removed = [f"{table} before {day} not staged" for table, day in first_days_kept(source.retention, today).items()]
    for what, remove in ((SCORES, drop_scored_before), (DECISIONS, drop_decided_before), (REPORTS, _old_reports)):
        if days := source.retention.get(what):
            oldest = today - timedelta(days=days)
            removed.append(f"{remove(workspace, source.name, oldest)} {what} from before {oldest} removed")
            # A failure is all that is left of a report that never was.
            if what == REPORTS and (failures := drop_failures(workspace, source.name, oldest)):
                removed.append(f"{failures} noted failures too")
            if what == REPORTS and (exports := _old_exports(workspace, source.name, oldest)):
                removed.append(f"{exports} exports too")
    return f"retention: {', '.join(removed)}" if removed else ""


def _old_reports(workspace: Workspace, source: str, oldest: date) -> int:
    old = [path.parent for path in workspace.reports_of(source).rglob(RUN_JSON) if _finished_on(path) < oldest]
    for folder in old:
        rmtree(folder)
    return len(old)


def _old_exports(workspace: Workspace, source: str, oldest: date) -> int:
    """Remove copies of reports, which may hold the real ids, by when they were written."""
    old = [path for path in workspace.exports(source).glob("[0-9]*") if exported_on(path) < oldest]
    for folder in old:
        rmtree(folder)
    return len(old)


def _finished_on(path: Path) -> date:
    document = RunRecord.open(path.parent).document
    return datetime.fromisoformat(document.get("finished_at") or document["started_at"]).date()

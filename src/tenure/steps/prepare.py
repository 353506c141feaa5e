"""Raw files to snapshots: what 01_ingest and 02_features call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.features.catalogue import describe
from tenure.snapshots.rows import count_funnel
from tenure.steps.opening import Run


def staged_tables(run: Run) -> pd.DataFrame:
    """Show what staging came to. => table, read, unreadable, staged, rejected, customers, first_day, last_day"""
    columns = ("read", "unreadable", "staged", "rejected", "customers", "first_day", "last_day")
    return pd.DataFrame(
        [{"table": name, **{c: getattr(table, c) for c in columns}} for name, table in run.staged.tables.items()]
    )


def rejected_rules(run: Run) -> pd.DataFrame:
    """Show the rules that rejected rows broke. => table, rule, rows"""
    rows = [(name, rule, count) for name, table in run.staged.tables.items() for rule, count in table.rules.items()]
    return pd.DataFrame(rows, columns=["table", "rule", "rows"])


def feature_catalogue(run: Run) -> pd.DataFrame:
    """Show the data dictionary of the features this source can answer, one row per column."""
    return pd.DataFrame([describe(column) for column in run.snapshots.columns])


def build_snapshots(run: Run, targets: Iterable[str] = ()) -> pd.DataFrame:
    """Build, or reuse, every snapshot the targets need. => target, status, test_cutoff, fitting_cutoffs, built, reused"""
    rows: list[dict[str, Any]] = []
    wanted = list(targets) or list(run.snapshots.targets)
    cutoffs: set[date] = {run.as_of}
    plans = {}
    for name in wanted:
        try:
            plans[name] = run.snapshots.plan(run.target(name))
            cutoffs |= set(plans[name].all)
        except NotEnoughDataError as error:
            rows.append({"target": name, "status": "refused", "why": str(error)})
    # All cutoffs in one pass: the engine reads each table once per window, not once per cutoff.
    counts = run.snapshots.build_features(cutoffs)
    for name, plan in plans.items():
        run.snapshots.build_labels(run.target(name), plan.all)
        rows.append({"target": name, "status": "ready", "test_cutoff": plan.test, "fitting_cutoffs": len(plan.fitting)})
    table = pd.DataFrame(rows)
    table["snapshots_built"], table["snapshots_reused"] = counts["built"], counts["reused"]
    return table


def base_rates(run: Run, target: str) -> pd.DataFrame:
    """Show a target's funnel at each matured cutoff. => cutoff, known, eligible, positives, base_rate"""
    asked = run.target(target)
    plan = run.snapshots.plan(asked)
    run.snapshots.build_labels(asked, plan.all)
    return count_funnel(run.snapshots, asked, plan.all)

"""Raw files to snapshots: what 01_ingest and 02_features call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.features.catalogue import describe
from tenure.snapshots.asked_cutoffs import plan_asked
from tenure.snapshots.rows import count_funnel
from tenure.steps.opening import Session


def staged_tables(session: Session) -> pd.DataFrame:
    """Show what staging came to. => table, read, unreadable, staged, rejected, customers, first_day, last_day"""
    columns = ("read", "unreadable", "staged", "rejected", "customers", "first_day", "last_day")
    return pd.DataFrame(
        [{"table": name, **{c: getattr(table, c) for c in columns}} for name, table in session.staged.tables.items()]
    )


def rejected_rules(session: Session) -> pd.DataFrame:
    """Show the rules that rejected rows broke. => table, rule, rows"""
    rows = [(name, rule, count) for name, table in session.staged.tables.items() for rule, count in table.rules.items()]
    return pd.DataFrame(rows, columns=["table", "rule", "rows"])


def feature_catalogue(session: Session) -> pd.DataFrame:
    """Show the data dictionary of the features this source can answer, one row per column."""
    return pd.DataFrame([describe(column) for column in session.snapshots.columns])


def build_snapshots(session: Session, targets: Iterable[str] = ()) -> pd.DataFrame:
    """Build, or reuse, every snapshot the targets need.

    => target, status, why, test_cutoff, fitting_cutoffs, snapshots_built, snapshots_reused
    """
    rows: list[dict[str, Any]] = []
    wanted = list(targets) or list(session.snapshots.targets)
    cutoffs: set[date] = {session.as_of}
    plans = {}
    for name in wanted:
        try:
            plans[name] = session.snapshots.plan(session.target(name))
            cutoffs |= set(plans[name].all)
        except NotEnoughDataError as error:
            rows.append({"target": name, "status": "refused", "why": str(error)})
    # All cutoffs in one pass: the engine reads each table once per window, not once per cutoff.
    # Where no target can be asked, there may be no customers either.
    counts = session.snapshots.build_features(cutoffs) if plans else {"built": 0, "reused": 0}
    for name in plans:
        plan = plan_asked(session.snapshots, session.target(name))
        session.snapshots.build_labels(session.target(name), plan.all)
        rows.append({"target": name, "status": "ready", "test_cutoff": plan.test, "fitting_cutoffs": len(plan.fitting)})
    table = pd.DataFrame(rows)
    table["snapshots_built"], table["snapshots_reused"] = counts["built"], counts["reused"]
    return table


def base_rates(session: Session, target: str) -> pd.DataFrame:
    """Show a target's funnel at each matured cutoff. => cutoff, known, eligible, positives, base_rate"""
    asked = session.target(target)
    plan = plan_asked(session.snapshots, asked)
    session.snapshots.build_labels(asked, plan.all)
    return count_funnel(session.snapshots, asked, plan.all)

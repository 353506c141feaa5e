"""Time travel for customer attributes: value, dates, phases as of an old day, from the raw files as they stood then."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tenure.audit.comparison import DIFFERING, compare_snapshots
from tenure.audit.problem import Kind
from tenure.audit.replay import Replay, staged_then
from tenure.core.workspace import Workspace
from tenure.customers.view import CustomerView, customer_view
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import known_customers


def replay_customers(snapshots: Snapshots, cutoff: date) -> Replay:
    """Build the attributes of the customers known at a cutoff twice, and compare them.

    Once from the raw files cut at the cutoff, once from today's facts.
    """
    with snapshots.scratch() as scratch:
        staged, left_out = staged_then(snapshots, cutoff, Workspace(Path(scratch)))
        everyone = known_customers(staged, cutoff)
        then = customer_view(staged, cutoff, everyone)
        now = customer_view(snapshots.staged, cutoff, everyone)
        differing = pd.concat([_columns(then, now, Path(scratch)), _tables(then, now)], ignore_index=True)
    return Replay("customer replay", cutoff, len(everyone), len(now.columns), left_out, differing)


def _columns(then: CustomerView, now: CustomerView, scratch: Path) -> pd.DataFrame:
    """Compare column by column; an attribute on one side alone is a difference."""
    kinds: dict[str, Kind] = {column.name: "column" for view in (now, then) for column in view.columns}
    paths = [scratch / "then.parquet", scratch / "now.parquet"]
    for view, path in zip((then, now), paths, strict=True):
        view.customers.reindex(columns=["customer_id", *kinds]).to_parquet(path, index=False)
    return compare_snapshots(paths[1], paths[0], kinds)


def _tables(then: CustomerView, now: CustomerView) -> pd.DataFrame:
    rows = []
    for name in sorted({*then.tables, *now.tables}):
        old, new = then.tables.get(name), now.tables.get(name)
        if old is None or new is None or not old.reset_index(drop=True).equals(new.reset_index(drop=True)):
            sizes = ("none" if table is None else f"{len(table):,} rows" for table in (new, old))
            rows.append((f"{name}.csv", len(now.customers), "a row of the table", *sizes, "table"))
    return pd.DataFrame(rows, columns=list(DIFFERING))

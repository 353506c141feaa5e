"""Time travel for KPIs: the months and weeks before an old day, from the raw files as they stood then."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tenure.audit.comparison import compare_snapshots
from tenure.audit.problem import Kind
from tenure.audit.replay import Replay, staged_then
from tenure.core.workspace import Workspace
from tenure.identity.events import identity_before
from tenure.measure.kpi_tree import KpiTree, kpi_tree
from tenure.snapshots.build import Snapshots


def replay_kpis(snapshots: Snapshots, cutoff: date) -> Replay:
    """Measure all KPIs as of a cutoff twice, and compare every month and week to the bit.

    Once from the raw files cut at the cutoff, once from today's facts. And what leads must be the same as of today: no
    later fact changes a week, unless two customers were found to be one since. Scores are the ledger's each time.
    """
    with snapshots.scratch() as scratch:
        staged, left_out = staged_then(snapshots, cutoff, Workspace(Path(scratch)))
        today = kpi_tree(snapshots.staged, snapshots.workspace, snapshots.as_of)
        now, then = (kpi_tree(each, snapshots.workspace, cutoff) for each in (snapshots.staged, staged))
        told = [_periods(now), _periods(then)]
        if identity_before(staged.identity_events, cutoff) == identity_before(staged.identity_events, snapshots.as_of):
            weeks = [tree.weeks.reindex(then.weeks.index, columns=then.leading) for tree in (today, then)]
            seen = f"week of %Y-%m-%d, seen on {snapshots.as_of}"
            told = [pd.concat([own, _texts(more, seen)]) for own, more in zip(told, weeks, strict=True)]
        kinds: dict[str, Kind] = {name: "column" for each in told for name in each}
        paths = Path(scratch) / "now.parquet", Path(scratch) / "then.parquet"
        for each, path in zip(told, paths, strict=True):
            each.reindex(columns=list(kinds)).rename_axis("customer_id").reset_index().to_parquet(path, index=False)
        check = f"KPI replay ({len(corrected(then, today))} values of earlier months were corrected since)"
        return Replay(check, cutoff, len(told[0]), len(kinds), left_out, compare_snapshots(paths[0], paths[1], kinds))


def corrected(then: KpiTree, now: KpiTree) -> pd.DataFrame:
    """List the whole months that were told otherwise on an earlier day, before facts came that belong to them.

    => month, kpi, value (now), value_then
    """
    key = ["month", "kpi"]
    both = now.months.merge(then.months[~then.months["is_partial"]], on=key, suffixes=("", "_then"))
    is_other = (both["value"] != both["value_then"]) & ~(both["value"].isna() & both["value_then"].isna())
    return both.loc[is_other, [*key, "value", "value_then"]].reset_index(drop=True)


def _periods(tree: KpiTree) -> pd.DataFrame:
    months = tree.months.pivot(index="month", columns="kpi", values="value")
    return pd.concat([_texts(months, "%Y-%m"), _texts(tree.weeks, "week of %Y-%m-%d")])


def _texts(table: pd.DataFrame, form: str) -> pd.DataFrame:
    texts = table.map(lambda value: None if value is None or value != value else str(value))
    return texts.set_axis([day.strftime(form) for day in table.index])

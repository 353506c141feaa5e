"""The KPI tree as of a day: each month of what lags and what changed it, each week of what leads, and what links them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.sql import parquet
from tenure.core.time_windows import Grid, grid_dates, next_month
from tenure.core.workspace import Workspace
from tenure.measure.kpis.catalogue import all_kpis
from tenure.measure.kpis.kpi import Kpi
from tenure.measure.links import links
from tenure.scoring.ledger import BACKFILL, MANUAL, SCHEDULED, entries, of_each_day
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.sources.staged_source import StagedSource

WHOLE = "is_whole"
# A table whose last fact is older has ended: what follows is unknown, not nothing.
ENDED_DAYS = 14
HELD = """
SELECT
    customer_id, state, monthly_price, day,
    CASE WHEN ends_on < next_day OR next_day IS NULL THEN ends_on ELSE next_day END AS until
FROM ({lives})
WHERE state IN ('paid', 'paused') AND (ends_on IS NULL OR ends_on > day)"""


@dataclass(frozen=True)
class KpiTree:
    """What was measured as of a day. ``kpis``: those the source can answer; ``unavailable``: why not the others.

    ``months``: month, kpi, value, is_partial (the facts begin or end in it); exact numbers. Of a leading KPI it is the
    mean of the weeks that ended in the month. ``changes``: month, kpi, part, amount, of whole months: the amounts add
    up to the KPI's change exactly. ``weeks``: by Monday, whole ones alone, a column per value.
    """

    kpis: Mapping[str, Kpi]
    months: pd.DataFrame
    changes: pd.DataFrame
    weeks: pd.DataFrame
    unavailable: Mapping[str, str]

    @property
    def leading(self) -> list[str]:
        return [name for name, kpi in self.kpis.items() if kpi.is_leading]

    @property
    def lagging(self) -> list[str]:
        """What may be foretold: each lagging KPI, and the parts of its change."""
        return [*(name for name in self.kpis if name not in self.leading), *self.changes["part"].unique()]

    @cached_property
    def links(self) -> pd.DataFrame:
        """The links from each leading KPI to each lagging one; as ``measure.links.links``."""
        return links(self.weeks, self.leading, self.lagging)


def kpi_tree(staged: StagedSource, workspace: Workspace, as_of: date) -> KpiTree:
    """Measure every KPI that a source's facts, as known before a day, suffice for."""
    kpis, months, changes, weeks, unavailable = {}, [], [], {}, {}
    with facts_at(staged, as_of) as facts:
        tables = _tables(facts, workspace)
        for name, kpi in all_kpis(staged.source).items():
            try:
                by_week = _measured(kpi, facts, tables, "week")
                by_month = _of_weeks(by_week) if kpi.is_leading else _measured(kpi, facts, tables, "month")
            except NotEnoughDataError as error:
                unavailable[name] = str(error)
                continue
            kpis[name] = kpi
            for own in (value.name for value in kpi.values):
                weeks[own] = by_week.loc[by_week[WHOLE], own].astype(float)
                months.append(pd.DataFrame({"kpi": own, "value": by_month[own], "is_partial": ~by_month[WHOLE]}))
            changes += _changes(kpi, by_month[by_month[WHOLE]]) if kpi.change else []
    told = pd.concat(months) if months else pd.DataFrame(columns=["kpi", "value", "is_partial"])
    return KpiTree(
        kpis,
        told.rename_axis("month").reset_index(),
        pd.DataFrame(changes, columns=["month", "kpi", "part", "amount"]),
        pd.DataFrame(weeks).sort_index(),
        unavailable,
    )


def _tables(facts: FactsAt, workspace: Workspace) -> set[str]:
    """Make ``held`` and ``scores`` where there are any; name all tables there are."""
    tables = set(facts.tables)
    if "subscription_events" in tables:
        facts.connection.execute(f"CREATE TEMP TABLE held AS {HELD.format(lives=facts.staged.lives(facts.as_of))}")
    given = of_each_day(entries(workspace, facts.source.name), (SCHEDULED, BACKFILL, MANUAL))
    # Scores as of a day know the facts before it: they stand on the day before.
    scores = [
        f"SELECT DATE '{one.as_of}' - 1 AS occurred_at, occurred_at AS known_at, '{one.target}' AS target, customer_id, "
        f"propensity FROM {parquet(one.path)}"
        for one in given
        if one.as_of <= facts.as_of
    ]
    if scores:
        facts.connection.execute(f"CREATE TEMP VIEW scores AS {' UNION ALL '.join(scores)}")
    return tables | ({"scores"} if scores else set())


def _measured(kpi: Kpi, facts: FactsAt, there: set[str], grain: Grid) -> pd.DataFrame:
    """Measure one KPI by period. => by the period's first day, its values just as the engine has them, and is_whole"""
    if lacking := [table for table in kpi.tables if table not in there]:
        raise NotEnoughDataError(f"needs {', '.join(lacking)}, which the source does not have as of {facts.as_of}")
    tables = [*kpi.tables, *(table for table in kpi.any_of if table in there)]
    if not tables:
        raise NotEnoughDataError(f"needs {' or '.join(kpi.any_of)}, and the source has none of them")
    day = "greatest(occurred_at, known_at)" if kpi.is_leading else "occurred_at"
    period = f"CAST(date_trunc('{grain}', {day}) AS DATE)"
    acts = [f"SELECT customer_id, {period} AS period, {day} AS day FROM {table}" for table in tables]
    first, last = facts.connection.execute(
        f"SELECT min(CAST(day AS DATE)), max(CAST(day AS DATE)) FROM ({' UNION ALL '.join(acts)})"
    ).fetchall()[0]
    end = facts.as_of if (facts.as_of - last).days <= ENDED_DAYS else last + timedelta(days=1)
    begin = first.replace(day=1) if grain == "month" else first - timedelta(days=first.weekday())
    periods = grid_dates(begin, end - timedelta(days=1), grain)
    until = [next_month(one) if grain == "month" else one + timedelta(weeks=1) for one in periods]
    rows = ", ".join(
        f"({n}, DATE '{one}', DATE '{after}')" for n, (one, after) in enumerate(zip(periods, until, strict=True))
    )
    facts.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE periods AS FROM (VALUES {rows}) AS p (place, period, until)"
    )
    found = facts.connection.execute(kpi.sql.format(period=period, day=day, grain=grain, acts=" UNION ALL ".join(acts)))
    names = [column[0] for column in found.description or ()]
    table = pd.DataFrame(found.fetchall(), columns=names, dtype=object).set_index("period").reindex(periods)
    if not table[kpi.name].fillna(0).any():
        raise NotEnoughDataError("the source has no facts that tell of it")
    for value in kpi.values:
        if value.unit in ("count", "currency"):
            table[value.name] = table[value.name].where(table[value.name].notna(), 0)
    table[WHOLE] = [one > periods[0] and after <= end for one, after in zip(periods, until, strict=True)]
    return table


def _of_weeks(weeks: pd.DataFrame) -> pd.DataFrame:
    """Give the means of the whole weeks that ended in each month; of the first and the last month some may be missing."""
    whole = weeks.loc[weeks[WHOLE]].drop(columns=WHOLE)
    if whole.empty:
        raise NotEnoughDataError("no whole week of it is known yet")
    months = whole.astype(float).groupby([(day + timedelta(days=6)).replace(day=1) for day in whole.index]).mean()
    months[WHOLE] = [months.index[0] < month < months.index[-1] for month in months.index]
    return months


def _changes(kpi: Kpi, whole: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Split each whole month's change against the month before it."""
    rows = zip(whole.index, whole.to_dict("records"), strict=True)
    return [
        (month, kpi.name, part, amount)
        for (_, before), (month, after) in pairwise(rows)
        for part, amount in (kpi.change(before, after) if kpi.change else {}).items()
    ]

"""The KPI tree as of a day: every month of what lags, what changed it, and every week of what leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.measure.kpis.catalogue import all_kpis
from tenure.measure.kpis.kpi import Asked, Kpi
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.sources.staged_source import StagedSource


@dataclass(frozen=True)
class KpiTree:
    """What was measured as of a day; ``kpis``: what the source can answer, ``unavailable``: why it cannot, in a line.

    ``months``: month, kpi, value, is_partial (the facts begin or end in it); exact numbers, a leading measure's the mean
    of the weeks that ended in the month. ``changes``: month, kpi, part, amount, of whole months: the amounts of a
    month add up to the KPI's change exactly. ``weeks``: by Monday, a column per value; whole weeks alone.
    """

    kpis: Mapping[str, Kpi]
    months: pd.DataFrame
    changes: pd.DataFrame
    weeks: pd.DataFrame
    unavailable: Mapping[str, str]

    @property
    def leading(self) -> list[str]:
        return [kpi.values[0].name for kpi in self.kpis.values() if kpi.is_leading]

    @property
    def lagging(self) -> list[str]:
        """What may be foretold: each lagging measure, and the parts of its change."""
        own = [kpi.values[0].name for kpi in self.kpis.values() if not kpi.is_leading]
        return [*own, *self.changes["part"].unique()]


def kpi_tree(staged: StagedSource, workspace: Workspace, as_of: date) -> KpiTree:
    """Measure every KPI that a source's facts, as known before a day, suffice for."""
    kpis, months, changes, weeks, unavailable = {}, [], [], {}, {}
    with facts_at(staged, as_of) as facts:
        for name, kpi in all_kpis(staged.source).items():
            try:
                by_week, whole_weeks = _measured(kpi, facts, workspace, "week")
                if kpi.is_leading:
                    by_month, whole = _of_weeks(by_week[whole_weeks])
                else:
                    by_month, whole = _measured(kpi, facts, workspace, "month")
                if not by_month[kpi.values[0].name].fillna(0).any():
                    raise NotEnoughDataError("needs facts that tell of it, and the source has none")
            except NotEnoughDataError as error:
                unavailable[name] = str(error)
                continue
            kpis[name] = kpi
            for own in (value.name for value in kpi.values):
                weeks[own] = by_week.loc[whole_weeks, own].astype(float)
                months.append(pd.DataFrame({"kpi": own, "value": by_month[own], "is_partial": ~whole}))
            changes += _changes(kpi, by_month[whole])
    return KpiTree(
        kpis, pd.concat(months).rename_axis("month").reset_index(),
        pd.DataFrame(changes, columns=["month", "kpi", "part", "amount"]), pd.DataFrame(weeks).sort_index(), unavailable,
    )  # fmt: skip


def _measured(kpi: Kpi, facts: FactsAt, workspace: Workspace, grain: Any) -> tuple[pd.DataFrame, pd.Series]:
    asked: Asked = kpi.asked(facts, workspace, grain)
    table = kpi.measure(asked)
    return table, pd.Series([asked.is_whole(day) for day in table.index], table.index)


def _of_weeks(weeks: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Give the means over the weeks that ended in a month; of the first and the last month some may be missing."""
    ended = [(day + pd.Timedelta(days=6)).replace(day=1) for day in weeks.index]
    months = weeks.astype(float).groupby(ended).mean()
    return months, pd.Series([months.index[0] < day < months.index[-1] for day in months.index], months.index)


def _changes(kpi: Kpi, whole: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Split each whole month's change against the month before it."""
    if kpi.change is None:
        return []
    rows = list(zip(whole.index, whole.to_dict("records"), strict=True))
    return [
        (month, kpi.name, part, amount)
        for (_, before), (month, after) in zip(rows, rows[1:], strict=False)
        for part, amount in kpi.change(before, after).items()
    ]

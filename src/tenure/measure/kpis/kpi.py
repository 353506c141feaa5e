"""What a KPI is: a measure of the company by month or week, what it is made of, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.time_windows import grid_dates, next_month
from tenure.core.workspace import Workspace
from tenure.features.expression import check_columns, parse_expression, to_duckdb
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.contract import staged_table

Grain = Literal["month", "week"]
# A lagging fact counts when it happened; a leading one when it could be known, so that no week changes afterwards.
HAPPENED, KNOWN = "occurred_at", "greatest(occurred_at, known_at)"
# A table whose last fact is older has ended: what follows is unknown, not nothing.
ENDED_DAYS = 14


@dataclass(frozen=True)
class Value:
    """One column of what a KPI measures."""

    name: str
    unit: Literal["currency", "count", "share", "ratio"]
    words: str


@dataclass(frozen=True, eq=False)
class Asked:
    """What a KPI is measured from: the facts known at an as-of, and the periods of a grain, the first and last partial.

    ``day``: SQL of the moment by which a fact counts. ``workspace`` holds the ledger of scores.
    """

    facts: FactsAt
    workspace: Workspace
    grain: Grain
    day: str
    tables: tuple[str, ...]

    @cached_property
    def end(self) -> date:
        """First day of which nothing is known: the as-of, or the day after a table ended."""
        last: date = self._edge("max") + timedelta(days=1)
        return last if (self.facts.as_of - last).days > ENDED_DAYS else self.facts.as_of

    @cached_property
    def periods(self) -> list[date]:
        """The first day of each period, oldest first: firsts of months, or Mondays."""
        first = self._edge("min")
        begins = first.replace(day=1) if self.grain == "month" else first - timedelta(days=first.weekday())
        return grid_dates(begins, self.end - timedelta(days=1), self.grain)

    def until(self, period: date) -> date:
        """First day after a period."""
        return next_month(period) if self.grain == "month" else period + timedelta(weeks=1)

    def is_whole(self, period: date) -> bool:
        """Say whether the facts cover a period: neither do they begin in it, nor end before it does."""
        return period > self.periods[0] and self.until(period) <= self.end

    @property
    def period(self) -> str:
        """SQL of the period in which a fact counts."""
        return f"CAST(date_trunc('{self.grain}', {self.day}) AS DATE)"

    def rows(self, sql: str, when_no_rows: object = None) -> pd.DataFrame:
        """Ask SQL whose first column is the period; numbers come exactly as the engine has them.

        => by period, each of which has a row
        """
        found = self.facts.connection.execute(sql)
        names = [column[0] for column in found.description or ()]
        table = pd.DataFrame(found.fetchall(), columns=names, dtype=object).set_index(names[0])
        return table.reindex(self.periods, fill_value=when_no_rows)

    def _edge(self, which: str) -> date:
        edges = [f"SELECT {which}(CAST({self.day} AS DATE)) AS day FROM {table}" for table in self.tables]
        found = self.facts.connection.execute(f"SELECT {which}(day) FROM ({' UNION ALL '.join(edges)})").fetchall()[0]
        edge: date = found[0]
        return edge


Measure = Callable[[Asked], pd.DataFrame]
Change = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Decimal]]


@dataclass(frozen=True)
class Kpi:
    """One measure; its file holds it as ``KPI``.

    ``values``: its columns, the KPI's own first. It needs all of ``tables``, and one of ``any_of``. ``measure`` gives the
    columns by period. ``change`` splits the own column's change between two periods into parts that add up to it
    exactly; ``identity`` says how in words. A leading one counts facts by when they were known. ``moved_by``: outcomes
    and targets whose measured effect is an effect on it.
    """

    name: str
    meaning: str
    values: tuple[Value, ...]
    tables: tuple[str, ...]
    measure: Measure
    any_of: tuple[str, ...] = ()
    is_leading: bool = False
    change: Change | None = None
    identity: str = ""
    moved_by: tuple[str, ...] = ()

    def asked(self, facts: FactsAt, workspace: Workspace, grain: Grain) -> Asked:
        """Say what it is measured from.

        Raises
        ------
        NotEnoughDataError : the source lacks a table.
        """
        if lacking := [table for table in self.tables if table not in facts.tables]:
            raise NotEnoughDataError(f"needs {', '.join(lacking)}, which the source does not have as of {facts.as_of}")
        there = tuple(table for table in self.any_of if table in facts.tables)
        if self.any_of and not there:
            raise NotEnoughDataError(f"needs {' or '.join(self.any_of)}, and the source has none of them")
        return Asked(facts, workspace, grain, KNOWN if self.is_leading else HAPPENED, self.tables + there)


def aggregated(name: str, table: str, expression: str, when_no_rows: int | None = None) -> Measure:
    """Measure one SQL aggregate over a table's rows of each period; it names no date, so it cannot look past its period.

    Raises
    ------
    DefinitionError, UnknownNameError, LeakageError : as for a feature's expression.
    """
    parsed = parse_expression(expression, f"KPI {name}")
    check_columns(parsed, (*staged_table(table).column_names, "customer_id"), f"KPI {name}")

    def measure(asked: Asked) -> pd.DataFrame:
        sql = f"SELECT {asked.period} AS period, {to_duckdb(parsed)} AS {name} FROM {table} GROUP BY period"
        return asked.rows(sql, when_no_rows)

    return measure

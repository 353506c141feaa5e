"""What a KPI is: a measure of the company by month or week, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Unit = Literal["currency", "count", "share", "ratio"]
Change = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Decimal]]


class Value(NamedTuple):
    """One column of what a KPI measures: its name, how it is called, its unit."""

    name: str
    words: str
    unit: Unit


@dataclass(frozen=True)
class Kpi:
    """One measure; its file holds it as ``KPI``.

    ``sql`` gives ``period``, a column of the KPI's name, and one of each part, over the source's tables as known at the
    as-of: all of ``tables``, and those of ``any_of`` that there are, at least one. Besides these there are ``held``
    (subscriptions: customer_id, state paid or paused, monthly_price, day, until), ``scores`` (target, customer_id, propensity) and
    ``periods`` (place, period, until). Its words in braces: period and day (when a row counts), grain (month, week),
    acts (customer_id and period of all rows). A lagging KPI's row counts when it happened; a leading one's when it
    was known, so that no later fact changes a week. Where a period has no row, a count or an amount is 0.

    ``change`` splits the KPI's change between two periods into parts that add up to it exactly, as ``identity`` says.
    ``moved_by``: outcomes and targets whose measured effect is one on it.
    """

    name: str
    words: str
    unit: Unit
    meaning: str
    sql: str
    tables: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    parts: tuple[Value, ...] = ()
    identity: str = ""
    change: Change | None = None
    is_leading: bool = False
    moved_by: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[Value, ...]:
        """All its columns, its own first."""
        return (Value(self.name, self.words, self.unit), *self.parts)


def per_period(table: str, name: str, aggregate: str) -> str:
    """Give the SQL of one aggregate over a table's rows of each period."""
    return f"SELECT {{period}} AS period, {aggregate} AS {name} FROM {table} GROUP BY period"

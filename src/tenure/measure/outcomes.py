"""What a campaign may change: outcomes, one entry each. Not what was sent or opened: orders, payments and visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from tenure.core.errors import DefinitionError
from tenure.features.expression import check_columns, is_aggregate, parse_expression
from tenure.features.order_lines import ORDERED
from tenure.features.payments import NET_AMOUNT
from tenure.sources.contract import staged_table


@dataclass(frozen=True)
class Outcome:
    """One SQL aggregate over a customer's rows of a staged table in the days after the assignment; never a date.

    Raises
    ------
    DefinitionError : an expression that is not readable, calls what is not allowed or does not aggregate.
    UnknownNameError : a column that the table does not have. LeakageError : a date.
    """

    name: str
    table: str
    expression: str
    _: KW_ONLY
    unit: Literal["share", "currency", "count"]
    words: str  # how a difference reads: "+1.4 points ordered"
    when_no_rows: float = 0.0

    def __post_init__(self) -> None:
        parsed = parse_expression(self.expression, f"Outcome {self.name}")
        check_columns(parsed, staged_table(self.table).column_names, f"Outcome {self.name}")
        if not is_aggregate(parsed):
            raise DefinitionError(f"Outcome {self.name}: {self.expression!r} does not aggregate.")

    @property
    def is_money(self) -> bool:
        return self.unit == "currency"


# The first that a source has is what a campaign's sentence speaks of; the first in money is what it brought.
OUTCOMES = (
    Outcome("ordered", "order_lines", f"count(*) {ORDERED} > 0", unit="share", words="ordered"),
    Outcome("order_amount", "order_lines", "sum(amount)", unit="currency", words="ordered, returns deducted"),
    Outcome("paid_amount", "payments", f"sum({NET_AMOUNT})", unit="currency", words="paid, refunds deducted"),
    Outcome("visited", "engagement", "count(*) filter (where kind = 'visit') > 0", unit="share", words="visited"),
)


def outcomes_in(tables: Iterable[str]) -> tuple[Outcome, ...]:
    """Give the outcomes of the staged tables that a source has.

    >>> [outcome.name for outcome in outcomes_in(["payments", "contacts"])]
    ['paid_amount']
    """
    return tuple(outcome for outcome in OUTCOMES if outcome.table in set(tables))

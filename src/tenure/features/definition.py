"""What a feature is: one entry, checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Literal

from tenure.core.errors import DefinitionError
from tenure.features.derived import DERIVED, table_columns
from tenure.features.expression import (
    OBSERVED_COLUMNS,
    check_columns,
    columns_of,
    is_aggregate,
    parse_expression,
)

Unit = Literal["count", "days", "currency", "share", "ratio", "number", "category"]

# Columns of `products` that an order line gains by its product.
PRODUCT_COLUMNS = ("category", "product_brand")
# The whole history known at the cutoff: for states (plan, tenure), not for totals.
EVER: None = None


def column_name(name: str, window_days: int | None) -> str:
    """Name a feature's column by rule: ``count_orders`` over 90 days is ``count_orders_90d``."""
    return name if window_days is None else f"{name}_{window_days}d"


@dataclass(frozen=True)
class Feature:
    """One SQL aggregate over a customer's rows in an observation window.

    Parameters
    ----------
    expression : over the table's columns and ``age_days`` (1 = yesterday), ``weekday`` (1 = Monday), ``hour``;
        never a date.
    windows_days : one column per window ``[cutoff - n, cutoff)``; ``EVER`` for a state.
    when_no_rows : what absence means; None is unknown.
    noun : how a reason reads it: "failed payment{s}", or "categor{ies|y}"; empty where no sentence would help a reader.
    driver : what it counts for; empty for that of its view.

    Raises
    ------
    DefinitionError : no window, or an expression that is not readable, calls what is not allowed or does not aggregate.
    """

    name: str
    expression: str
    _: KW_ONLY
    windows_days: tuple[int | None, ...] = (EVER,)
    when_no_rows: float | str | None = None
    unit: Unit
    meaning: str
    noun: str = ""
    driver: str = ""

    def __post_init__(self) -> None:
        if not self.windows_days:
            raise DefinitionError(f"Feature {self.name}: no window. Expected days, or EVER for a state.")
        if not is_aggregate(parse_expression(self.expression, f"Feature {self.name}")):
            raise DefinitionError(
                f"Feature {self.name}: {self.expression!r} does not aggregate. Expected one value per customer."
            )


@dataclass(frozen=True)
class FeatureView:
    """The features of one staged table."""

    table: str
    driver: str
    features: tuple[Feature, ...]
    extra_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        allowed = self.allowed_columns
        for feature in self.features:
            check_columns(
                parse_expression(feature.expression, feature.name), allowed, f"Feature {feature.name} of {self.table}"
            )

    @property
    def allowed_columns(self) -> tuple[str, ...]:
        joined = PRODUCT_COLUMNS if self.table == "order_lines" else ()
        supplied = ("age_days",) if self.table in DERIVED else OBSERVED_COLUMNS
        return (*table_columns(self.table), *supplied, *joined, *self.extra_columns)


@dataclass(frozen=True)
class FeatureColumn:
    """One column of a snapshot: a feature over one window, with all that a reader needs to know of it."""

    name: str
    table: str
    expression: str
    window_days: int | None
    when_no_rows: float | str | None
    unit: Unit
    meaning: str
    noun: str
    driver: str
    inputs: tuple[str, ...] = ()  # of a row-wise formula: the columns it is made of

    @property
    def is_row_wise(self) -> bool:
        return bool(self.inputs)

    @property
    def is_category(self) -> bool:
        return self.unit == "category"

    @property
    def absent_number(self) -> float | None:
        """What absence means for a feature that is a number.

        Raises
        ------
        DefinitionError : it is given as a text, or as no finite number.
        """
        if self.when_no_rows is None:
            return None
        try:
            number = float(self.when_no_rows)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DefinitionError(
                f"Feature {self.name}: when_no_rows is {self.when_no_rows!r}. "
                "Expected a number, as the feature is one; leave it out for unknown."
            )
        return number


def columns_of_view(view: FeatureView) -> Iterator[FeatureColumn]:
    """Give the columns of a view's features, one per window.

    Examples
    --------
    >>> orders = Feature("count_orders", "count(*)", windows_days=(30, 90), unit="count", meaning="Orders.")
    >>> [column.name for column in columns_of_view(FeatureView("order_lines", "orders", (orders,)))]
    ['count_orders_30d', 'count_orders_90d']
    """
    for feature in view.features:
        for window in feature.windows_days:
            # Next to windows the whole history is a total, and says so.
            total = " in all" if feature.noun and window is EVER and len(feature.windows_days) > 1 else ""
            yield FeatureColumn(
                name=column_name(feature.name, window),
                table=view.table,
                expression=feature.expression,
                window_days=window,
                when_no_rows=feature.when_no_rows,
                unit=feature.unit,
                meaning=feature.meaning,
                noun=feature.noun + total,
                driver=feature.driver or view.driver,
            )


def row_feature(
    name: str,
    expression: str,
    *,
    unit: Unit,
    meaning: str,
    driver: str,
    noun: str = "",
    when_no_rows: float | None = None,
) -> FeatureColumn:
    """Define a ratio, trend or other formula over a customer's other features; null where an input is.

    ``expression`` names feature columns (``count_orders_90d``); divide through ``nullif``, zero is no number to divide
    by.

    Raises
    ------
    DefinitionError : the expression is not readable, calls what is not allowed, or aggregates.
    """
    parsed = parse_expression(expression, f"Feature {name}")
    if is_aggregate(parsed):
        raise DefinitionError(f"Feature {name}: aggregates. Expected a formula over other features.")
    return FeatureColumn(
        name=name,
        table="",
        expression=expression,
        window_days=None,
        when_no_rows=when_no_rows,
        unit=unit,
        meaning=meaning,
        noun=noun,
        driver=driver,
        inputs=columns_of(parsed),
    )

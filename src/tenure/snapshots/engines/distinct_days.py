"""Aggregates over a customer's distinct days, in two steps: rows to days, then days to numbers.

An engine that takes ``sum(distinct f(age_days))`` keeps a set of values per customer, cutoff and column, and that is
what takes the time. One grouping by day serves all of a window's columns; where different days have different values,
nothing is left to tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from tenure.core.sql import quoted
from tenure.features.expression import to_duckdb

Rewrite = Callable[[exp.Expression], exp.Expression]
DAY = "age_days"
# exp(-days / n) differs from day to day in its first digits for such n; beyond, floats may not tell days apart.
DECAYS = (1.0, 1e6)


def is_over_days(parsed: exp.Expression) -> bool:
    """Tell whether an expression aggregates nothing but distinct functions of a row's day."""
    aggregates = list(parsed.find_all(exp.AggFunc))
    return (
        bool(aggregates)
        and all(
            isinstance(found.this, exp.Distinct) and {column.name for column in found.find_all(exp.Column)} == {DAY}
            for found in aggregates
        )
        and all(column.find_ancestor(exp.AggFunc, exp.Where) for column in parsed.find_all(exp.Column))
        and next(parsed.find_all(exp.Anonymous), None) is None
    )


def over_days(columns: Mapping[str, exp.Expression], rows: str, exact: Rewrite) -> str:
    """Give the SQL of customer_id, cutoff and the columns from the SQL of rows; each as over the rows themselves.

    ``exact`` writes an expression so that it knows no order of rows.
    """
    conditions: dict[str, str] = {}

    def by_day(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Filter):
            condition = to_duckdb(node.expression.this)
            name = conditions.setdefault(condition, f"is_{len(conditions)}")
            return exp.Filter(this=by_day(node.this), expression=exp.Where(this=exp.column(name)))
        if isinstance(node, exp.AggFunc) and _differs_by_day(node.this.expressions[0]):
            plain = node.copy()
            plain.set("this", node.this.expressions[0].copy())
            return plain
        return node

    selected = ", ".join(
        f"{to_duckdb(exact(parsed.transform(by_day)))} AS {quoted(name)}" for name, parsed in columns.items()
    )
    asked = "".join(f", bool_or({condition}) AS {name}" for condition, name in conditions.items())
    return f"""
        SELECT customer_id, cutoff, {selected}
        FROM (
            SELECT customer_id, cutoff, {DAY} {asked}
            FROM ({rows})
            GROUP BY customer_id, cutoff, {DAY}
        )
        GROUP BY customer_id, cutoff
    """


def _differs_by_day(value: exp.Expression) -> bool:
    """Tell whether a function of the day has another value on every day: the day itself, or its decay."""
    plain = value.unnest()
    if not isinstance(plain, exp.Exp):
        return isinstance(plain, exp.Column)
    power = plain.this.unnest()
    return (
        isinstance(power, exp.Div)
        and isinstance(power.left, exp.Neg)
        and isinstance(power.left.this, exp.Column)
        and power.right.is_number
        and DECAYS[0] <= float(power.right.to_py()) <= DECAYS[1]
    )

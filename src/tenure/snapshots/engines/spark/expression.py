"""A definition's expression in Spark's SQL, so that it comes to DuckDB's number; what cannot is refused by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.generator import Generator
from sqlglot.generators.spark import SparkGenerator

from tenure.core.errors import DefinitionError
from tenure.features.expression import DEVIATIONS, STATE_FUNCTIONS

# What means the same on both, as it stands or by one of the rules below. All else is refused, not computed differently.
SAME: tuple[type[exp.Expression], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Star, exp.DataType,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow,
    exp.Greatest, exp.Least,
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In, exp.Between,
    exp.And, exp.Or, exp.Not, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast,
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, *DEVIATIONS, exp.Median, exp.LogicalOr, exp.LogicalAnd,
    exp.Filter, exp.Where, exp.Distinct,
)  # fmt: skip
INSTEAD = {
    "cast": "a cast to DOUBLE, the only one that rounds alike",
    "median": "median(CAST(... AS DOUBLE)): medians of decimals are rounded differently",
}
# What is a double whatever it is made of: its sum needs no exact arithmetic.
DOUBLES = (exp.Exp, exp.Ln, exp.Sqrt, exp.Pow, exp.Div, exp.Floor, exp.Ceil, exp.Cast)
# How Spark aggregates. It does all aggregates of a query in the way that the slowest of them needs, so each way is a
# query of its own: numbers kept in place, values gathered in sets, values that wait for a later row, and distinct ones,
# read once for each.
Way = Literal["plain", "sets", "states", "distinct"]
NUMBER = r"[0-9](_?[0-9])*"
READABLE = rf"(?i)^[+-]?(({NUMBER}\\.?({NUMBER})?|\\.{NUMBER})(e[+-]?[0-9]+)?|inf|infinity)$|^nan$"
# Doubles from here on are whole numbers.
WHOLE_FROM = "9007199254740992D"


def to_spark(parsed: exp.Expression, place: str) -> str:
    """Write an expression in Spark's SQL.

    Raises
    ------
    DefinitionError : it uses what Spark has not, or computes differently; names it.
    """
    for node in parsed.walk():
        _check(node, place)
    return str(parsed.sql(dialect=_SparkLikeDuckDB, identify=True))


def within(parsed: exp.Expression, window_days: int) -> exp.Expression:
    """Limit every aggregate of an expression to the rows of a window: one pass over a table serves all its windows."""
    whole = exp.Paren(this=parsed.copy())
    inside = exp.column("age_days") <= window_days
    for node in list(whole.find_all(exp.AggFunc, exp.Anonymous)):
        if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
            node.parent.expression.set("this", exp.and_(node.parent.expression.this, inside.copy()))
        else:
            node.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=inside.copy())))
    return whole


def way_of(parsed: exp.Expression, text_columns: Collection[str]) -> Way:
    """Say which of its ways Spark aggregates an expression in."""
    if any(not _is_of_a_set(node.parent) for node in parsed.find_all(exp.Distinct)):
        return "distinct"
    texts = (
        column.name in text_columns
        for node in parsed.find_all(exp.Min, exp.Max)
        for column in node.find_all(exp.Column)
    )
    if any(texts) or any(node.name.lower() in STATE_FUNCTIONS for node in parsed.find_all(exp.Anonymous)):
        return "states"
    return "sets" if next(parsed.find_all(exp.Distinct, exp.Median), None) else "plain"


def _is_of_a_set(node: exp.Expr | None) -> bool:
    """Say whether an aggregate of distinct values is worked out from their set.

    All are but exact sums, and the least and the greatest.
    """
    return isinstance(node, (exp.Count, exp.Avg, *DEVIATIONS)) or (
        isinstance(node, exp.Sum)
        and isinstance(node.this, exp.Distinct)
        and isinstance(node.this.expressions[0], DOUBLES)
    )


def _check(node: exp.Expr, place: str) -> None:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else node.key
    is_same = isinstance(node, SAME) or name in STATE_FUNCTIONS
    if isinstance(node, exp.Cast):
        is_same = node.is_type("double")
    if isinstance(node, exp.Median):
        is_same = node.this.is_type("double")
    if isinstance(node, exp.Distinct):
        is_same = len(node.expressions) == 1 and not isinstance(node.parent, exp.Anonymous)
    if isinstance(node, exp.Count):
        is_same = not node.expressions
    if not is_same:
        raise DefinitionError(
            f"{place}: {node.sql(dialect='duckdb')} ({name}) does not mean the same on Spark. "
            f"Expected {INSTEAD.get(name, 'comparisons, arithmetic and the plain aggregates')}; "
            "rewrite it, or run with --engine duckdb."
        )


def _state(generator: Generator, node: exp.Anonymous) -> str:
    """Spell out latest and earliest as DuckDB's arg_min and arg_max.

    Rows without a value do not count; ties break by the value.
    """
    value = generator.sql(node.expressions[0])
    function = "min_by" if node.name.lower() == "latest" else "max_by"
    return f"{function}({value}, CASE WHEN {value} IS NOT NULL THEN struct(age_us, {value}) END)"


def _average(generator: Generator, node: exp.Avg) -> str:
    """Average doubles: Spark's mean of decimals is a decimal of few digits."""
    return f"avg(CAST({generator.sql(node, 'this')} AS DOUBLE))"


def _filter(generator: Generator, node: exp.Filter) -> str:
    """Filter an aggregate; where it is worked out from a set, the filter belongs inside."""
    where = f" FILTER({generator.sql(node, 'expression').strip()})"
    return _over_set(generator, node.this, where) or generator.sql(node, "this") + where


def _aggregated(generator: Generator, node: exp.AggFunc) -> str:
    """Write an aggregate that may be over distinct values."""
    if isinstance(node, exp.Avg) and not isinstance(node.this, exp.Distinct):
        return _average(generator, node)
    return _over_set(generator, node) or str(generator.function_fallback_sql(node))


def _over_set(generator: Generator, node: exp.Expr, where: str = "") -> str:
    """Work an aggregate of distinct values out from their set, if it may be; nothing where it may not.

    Spark itself would read all rows anew for each kind.
    """
    if not isinstance(node.this, exp.Distinct) or not _is_of_a_set(node):
        return ""
    members = f"collect_set({generator.sql(node.this.expressions[0])}){where}"
    if isinstance(node, exp.Count):
        return f"CAST(size({members}) AS BIGINT)"
    # What floats add up to depends on their order, and a set has none.
    members = f"array_sort({members})"
    if isinstance(node, DEVIATIONS):
        return _deviation(members, "a.n" if isinstance(node, exp.StddevPop) else "a.n - 1")
    total = f"aggregate({members}, 0D, (total, value) -> total + CAST(value AS DOUBLE))"
    if isinstance(node, exp.Avg):
        return f"({total} / nullif(size({members}), 0))"
    return f"CASE WHEN size({members}) > 0 THEN {total} END"


def _deviation(members: str, count: str) -> str:
    """Deviate as DuckDB does: mean and squares move on with each value."""
    off, mean = "(CAST(value AS DOUBLE) - a.mean)", "(a.mean + (CAST(value AS DOUBLE) - a.mean) / (a.n + 1D))"
    return f"""
        aggregate(
            {members},
            struct(0D AS n, 0D AS mean, 0D AS squares),
            (a, value) -> struct(
                a.n + 1D AS n,
                {mean} AS mean,
                a.squares + {off} * (CAST(value AS DOUBLE) - {mean}) AS squares
            ),
            a -> CASE WHEN {count} > 0 THEN sqrt(a.squares / ({count})) END
        )
    """


def _to_double(generator: Generator, node: exp.Cast) -> str:
    """Read text as DuckDB does: Spark takes '1d' for a number and '1_000' for none.

    Other types need no look at their text.
    """
    value = generator.sql(node, "this")
    text = f"trim(CAST({value} AS STRING))"
    is_try = isinstance(node, exp.TryCast)
    unreadable = "NULL" if is_try else f"raise_error(concat('cannot read as a number: ', {text}))"
    return f"""
        CASE
            WHEN typeof({value}) <> 'string' OR {value} IS NULL THEN {"TRY_" if is_try else ""}CAST({value} AS DOUBLE)
            WHEN {text} RLIKE '{READABLE}' THEN CAST(replace({text}, '_', '') AS DOUBLE)
            ELSE {unreadable}
        END
    """


def _divide(generator: Generator, node: exp.Div) -> str:
    """Divide doubles as IEEE 754 does, by zero too; Spark would stop."""
    left, right = (f"CAST({generator.sql(node, side)} AS DOUBLE)" for side in ("this", "expression"))
    if isinstance(node.expression, exp.Literal) and float(node.expression.name):
        return f"({left} / {right})"
    return f"coalesce(try_divide({left}, {right}), {left} * power({right}, -1))"


def _logarithm(generator: Generator, node: exp.Ln) -> str:
    """Give the logarithm of zero and of less as IEEE 754 does; Spark's is NULL."""
    value = generator.sql(node, "this")
    return f"""
        CASE
            WHEN {value} = 0 THEN -DOUBLE('Infinity')
            WHEN {value} < 0 THEN DOUBLE('NaN')
            ELSE ln({value})
        END
    """


def _whole(generator: Generator, node: exp.Floor | exp.Ceil) -> str:
    """Round down or up to a double: Spark's is an integer, which infinity and NaN have none of."""
    value = f"CAST({generator.sql(node, 'this')} AS DOUBLE)"
    return f"CASE WHEN abs({value}) < {WHOLE_FROM} THEN CAST({node.key}({value}) AS DOUBLE) ELSE {value} END"


class _SparkLikeDuckDB(Spark):
    class Generator(SparkGenerator):
        TRANSFORMS = {
            **SparkGenerator.TRANSFORMS,
            exp.Anonymous: _state,
            **dict.fromkeys((exp.Avg, exp.Sum, exp.Count, *DEVIATIONS), _aggregated),
            exp.Cast: _to_double,
            exp.TryCast: _to_double,
            exp.Filter: _filter,
            exp.Div: _divide,
            exp.Ln: _logarithm,
            exp.Floor: _whole,
            exp.Ceil: _whole,
        }  # fmt: skip

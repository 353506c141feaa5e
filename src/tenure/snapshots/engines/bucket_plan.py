"""Which features can be built from buckets of time, and of which parts: read off their expressions, never off their names.

All windows of all cutoffs cut a customer's history into disjoint buckets of days. An aggregate that merges is taken once
per bucket, then merged over the buckets of each window: counts, sums, minima, maxima, means (sum and count), any and all,
the first and last day, and distinct counts by the last sighting of each value. What does not merge (medians, deviations,
states, sums of floats, arguments that change with age) is built directly, row by row and window by window.

A snapshot's cutoff must come to the same bits whichever cutoffs are built with it, alone or with twenty others: the audit
compares such snapshots. So only exact arithmetic is bucketed: integers, decimals of up to 18 digits as integers of their
last digit, days. Their merges know no order; the same final expression then runs over the same exact aggregates as on the
direct path. Distinct texts are told apart by 64 bits of hash: four million rows hold a false match with a chance of 4e-7, each time the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from sqlglot import exp

from tenure.features.expression import STATE_FUNCTIONS, columns_of, parse_expression

AGE = "age_days"
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN")
How = Literal["count", "sum", "min", "max", "distinct"]


@dataclass(frozen=True)
class Measure:
    """What one row brings: ``argument`` where ``condition`` holds, in DuckDB's SQL; neither: the row itself."""

    argument: str = ""
    condition: str = ""
    kind: str = "BOOLEAN"  # DuckDB's type of the argument; DATE: the row's day


ROW = Measure()


@dataclass(frozen=True)
class Part:
    """One aggregate that merges over disjoint buckets."""

    how: How
    measure: Measure


class Aggregate(Protocol):
    """What is taken over a customer's rows of one window: a feature's column, or a condition of who is asked."""

    @property
    def name(self) -> str: ...
    @property
    def table(self) -> str: ...
    @property
    def expression(self) -> str: ...
    @property
    def window_days(self) -> int | None: ...


@dataclass(frozen=True)
class BucketedColumn:
    """An aggregate as a formula over parts; its placeholders are the numbers of the table's parts."""

    column: Aggregate
    formula: exp.Expression


@dataclass(frozen=True)
class TablePlan:
    """How the aggregates of one staged table are built. ``direct`` maps the names of those built directly to why."""

    table: str
    parts: tuple[Part, ...]
    bucketed: tuple[BucketedColumn, ...]
    direct: Mapping[str, str]

    @property
    def windows(self) -> dict[int, list[int | None]]:
        """The windows each part is asked for, the shortest first, by the part's number; rows are counted in each."""
        asked: dict[int, set[int | None]] = {}
        for entry in self.bucketed:
            for number in (0, *parts_of(entry.formula)):
                asked.setdefault(number, set()).add(entry.column.window_days)
        return {number: sorted(windows, key=lambda w: w or float("inf")) for number, windows in asked.items()}

    @property
    def longest_window(self) -> int | None:
        """Days of history the buckets need; None: all of it."""
        windows = [entry.column.window_days for entry in self.bucketed]
        return None if None in windows else max(w for w in windows if w is not None)


class DoesNotMerge(Exception):
    """An aggregate that must see all rows of its window at once."""


def plan_table(table: str, columns: Sequence[Aggregate], type_of: Callable[[str], str]) -> TablePlan:
    """Split a table's aggregates into those built from buckets and those built directly.

    ``type_of`` gives DuckDB's type of an expression over the table's rows.
    """
    parts: dict[Part, int] = {Part("count", ROW): 0}
    bucketed, direct = [], {}
    for column in columns:
        parsed = parse_expression(column.expression, column.name)
        try:
            needed = dict(parts)
            formula = _formula(parsed, partial(_number, needed), type_of)
        except DoesNotMerge as why:
            direct[column.name] = str(why)
        else:
            parts = needed
            bucketed.append(BucketedColumn(column, formula))
    return TablePlan(table, tuple(parts), tuple(bucketed), direct)


def parts_of(formula: exp.Expression) -> list[int]:
    """List the numbers of the parts a formula is made of."""
    return [int(node.name) for node in formula.find_all(exp.Placeholder)]


def fill(formula: exp.Expression, sql_of: Callable[[int], str]) -> str:
    """Write a formula in DuckDB's SQL, with each part's number replaced by SQL."""

    def put(node: exp.Expression) -> exp.Expression:
        return exp.Var(this=sql_of(int(node.name))) if isinstance(node, exp.Placeholder) else node

    return str(formula.transform(put).sql(dialect="duckdb"))


def _number(parts: dict[Part, int], part: Part) -> int:
    """Return a part's number, the next one if it is new."""
    return parts.setdefault(part, len(parts))


def _formula(node: exp.Expression, number_of: Callable[[Part], int], type_of: Callable[[str], str]) -> exp.Expression:
    """Replace each aggregate by a formula over its parts."""

    def lower(found: exp.Expression) -> exp.Expression:
        if not isinstance(found, exp.Filter | exp.AggFunc | exp.Anonymous):
            return found
        condition = found.expression.this if isinstance(found, exp.Filter) else None
        aggregate = found.this if isinstance(found, exp.Filter) else found
        return _merged(aggregate, condition, number_of, type_of)

    return node.transform(lower)


def _merged(
    aggregate: exp.Expression,
    condition: exp.Expression | None,
    number_of: Callable[[Part], int],
    type_of: Callable[[str], str],
) -> exp.Expression:
    where = condition.sql(dialect="duckdb") if condition is not None else ""
    if condition is not None and AGE in columns_of(condition):
        raise DoesNotMerge("its condition changes with age")
    name = aggregate.sql_name().lower() if isinstance(aggregate, exp.AggFunc) else aggregate.name.lower()
    argument = aggregate.expressions[0] if name in STATE_FUNCTIONS else aggregate.this
    is_distinct = isinstance(argument, exp.Distinct)
    if is_distinct and len(argument.expressions) == 1:
        argument = argument.expressions[0]
    if not isinstance(aggregate, exp.Count | exp.Sum | exp.Avg | exp.Min | exp.Max | exp.LogicalOr | exp.LogicalAnd):
        raise DoesNotMerge(f"{name} does not merge")
    if isinstance(argument, exp.Order | exp.Distinct):
        raise DoesNotMerge(f"{name} of more than plain values does not merge")
    is_extreme = isinstance(aggregate, exp.Min | exp.Max)
    if is_distinct and not (is_extreme or isinstance(aggregate, exp.Count)):
        raise DoesNotMerge(f"{name} of distinct values does not merge")

    def part(how: How, measure: Measure) -> exp.Expression:
        return exp.Placeholder(this=str(number_of(Part(how, measure))))

    if isinstance(argument, exp.Star):
        return part("count", Measure("", where))
    sql = argument.sql(dialect="duckdb")
    if isinstance(argument, exp.Column) and argument.name == AGE:
        day = Measure("", where, "DATE")
        if is_extreme:
            # The oldest row lies on the first day: ages and days run opposite ways.
            return part("max" if isinstance(aggregate, exp.Min) else "min", day)
        if isinstance(aggregate, exp.Count):
            return part("distinct", day) if is_distinct else part("count", Measure("", where))
    if AGE in columns_of(argument):
        raise DoesNotMerge("its argument changes with age")
    measure = Measure(sql, where, type_of(sql))
    if isinstance(aggregate, exp.Count):
        return part("distinct" if is_distinct else "count", measure)
    if not is_exact(measure.kind):
        raise DoesNotMerge(f"{name} of {measure.kind} is not exact")
    if isinstance(aggregate, exp.LogicalOr | exp.LogicalAnd):
        return exp.cast(part("max" if isinstance(aggregate, exp.LogicalOr) else "min", measure), "BOOLEAN")
    if is_extreme:
        return part("min" if isinstance(aggregate, exp.Min) else "max", measure)
    # A sum over no value is unknown, not zero.
    total = exp.case().when(exp.GT(this=part("count", measure), expression=exp.Literal.number(0)), part("sum", measure))
    if isinstance(aggregate, exp.Sum):
        return total
    return exp.paren(exp.Div(this=exp.cast(total, "DOUBLE"), expression=part("count", measure)))


def is_exact(kind: str) -> bool:
    """Tell whether a type's values are 64-bit integers, or decimals that fit into one."""
    return kind in INTEGERS or (kind.startswith("DECIMAL") and digits(kind)[0] <= 18)


def digits(kind: str) -> tuple[int, int]:
    """Return the width and scale of an exact type; integers have scale 0."""
    if not kind.startswith("DECIMAL"):
        return 19, 0
    width, scale = kind.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return int(width), int(scale)


def measures_of(parts: Iterable[Part]) -> tuple[Measure, ...]:
    """List the measures of parts, each once."""
    return tuple(dict.fromkeys(part.measure for part in parts))

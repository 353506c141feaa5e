"""Which features can be built from buckets of time, and of which parts: read off their expressions, not their names.

All windows of all cutoffs cut a customer's history into disjoint buckets of days. An aggregate that merges is taken
once per bucket, then merged over the buckets of each window: counts, sums, minima, maxima, means (sum and count), any
and all, the first and last day, and distinct counts by the last sighting of each value. What does not merge (medians,
deviations, states, sums of floats, arguments that change with age) is built directly, row by row and window by window.

A snapshot's cutoff must come to the same bits whichever cutoffs are built with it, alone or with twenty others: the
audit compares such snapshots. So only exact arithmetic is bucketed: integers, decimals of up to 18 digits as integers
of their last digit, days. Their merges know no order; the same final expression then runs over the same exact
aggregates as on the direct path. Distinct texts are told apart by 64 bits of hash: four million rows hold a false match
with a chance of 4e-7, each time the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlglot import exp

from tenure.features.expression import columns_of, parse_expression

AGE = "age_days"
DAY = "DATE"  # the type of a row's day, which stands for its age
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN")
How = Literal["count", "sum", "min", "max", "distinct"]


@dataclass(frozen=True)
class Measure:
    """What one row brings: ``argument`` where ``condition`` holds, in DuckDB's SQL; neither: the row itself."""

    argument: str = ""
    condition: str = ""
    kind: str = "BOOLEAN"  # DuckDB's type of the argument; DAY: the row's day


ROW = Measure()


@dataclass(frozen=True)
class Part:
    """One aggregate that merges over disjoint buckets."""

    how: How
    measure: Measure

    @property
    def is_count(self) -> bool:
        return self.how in ("count", "distinct")


MakePart = Callable[[How, Measure], exp.Expression]


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
            formula = _formula(parsed, needed, type_of)
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


def _formula(parsed: exp.Expression, parts: dict[Part, int], type_of: Callable[[str], str]) -> exp.Expression:
    """Replace each aggregate by a formula over its parts; a new part gets the next number in ``parts``."""

    def part(how: How, measure: Measure) -> exp.Expression:
        return exp.Placeholder(this=str(parts.setdefault(Part(how, measure), len(parts))))

    def merged(found: exp.Expression) -> exp.Expression:
        if isinstance(found, exp.Filter):
            return _merged(found.this, found.expression.this, part, type_of)
        return _merged(found, None, part, type_of) if isinstance(found, exp.AggFunc | exp.Anonymous) else found

    return parsed.transform(merged)


def _merged(
    aggregate: exp.Expression, condition: exp.Expression | None, part: MakePart, type_of: Callable[[str], str]
) -> exp.Expression:
    argument, is_distinct = aggregate.this, isinstance(aggregate.this, exp.Distinct)
    if is_distinct and len(argument.expressions) == 1:
        argument = argument.expressions[0]
    is_day = isinstance(argument, exp.Column) and argument.name == AGE
    _check_merges(aggregate, argument, condition, is_distinct=is_distinct, is_day=is_day)
    where = condition.sql(dialect="duckdb") if condition is not None else ""
    if isinstance(argument, exp.Star):
        return part("count", Measure("", where))
    sql = argument.sql(dialect="duckdb")
    measure = Measure("", where, DAY) if is_day else Measure(sql, where, type_of(sql))
    if isinstance(aggregate, exp.Count) and is_distinct:
        return part("distinct", measure)
    if not (is_day or isinstance(aggregate, exp.Count) or is_exact(measure.kind)):
        raise DoesNotMerge(f"{_name(aggregate)} of {measure.kind} is not exact")
    return RULES[type(aggregate)](part, measure)


def _check_merges(
    aggregate: exp.Expression,
    argument: exp.Expression,
    condition: exp.Expression | None,
    *,
    is_distinct: bool,
    is_day: bool,
) -> None:
    is_ranking = isinstance(aggregate, exp.Count | exp.Min | exp.Max)
    if condition is not None and AGE in columns_of(condition):
        raise DoesNotMerge("its condition changes with age")
    if type(aggregate) not in RULES:
        raise DoesNotMerge(f"{_name(aggregate)} does not merge")
    if isinstance(argument, exp.Order | exp.Distinct):
        raise DoesNotMerge(f"{_name(aggregate)} of more than plain values does not merge")
    if is_distinct and not is_ranking:
        raise DoesNotMerge(f"{_name(aggregate)} of distinct values does not merge")
    if AGE in columns_of(argument) and not (is_day and is_ranking):
        raise DoesNotMerge("its argument changes with age")


def _name(aggregate: exp.Expression) -> str:
    return (aggregate.sql_name() if isinstance(aggregate, exp.AggFunc) else aggregate.name).lower()


def _count(part: MakePart, measure: Measure) -> exp.Expression:
    # Every row has a day: counting days is counting rows.
    return part("count", Measure("", measure.condition) if measure.kind == DAY else measure)


def _sum(part: MakePart, measure: Measure) -> exp.Expression:
    # A sum over no value is unknown, not zero.
    has_values = exp.GT(this=part("count", measure), expression=exp.Literal.number(0))
    return exp.case().when(has_values, part("sum", measure))


def _mean(part: MakePart, measure: Measure) -> exp.Expression:
    total = exp.cast(_sum(part, measure), "DOUBLE")
    return exp.paren(exp.Div(this=total, expression=part("count", measure)))


def _least(part: MakePart, measure: Measure) -> exp.Expression:
    # The oldest row lies on the first day: ages and days run opposite ways.
    return part("max" if measure.kind == DAY else "min", measure)


def _greatest(part: MakePart, measure: Measure) -> exp.Expression:
    return part("min" if measure.kind == DAY else "max", measure)


# How each aggregate that merges is made of its parts.
RULES: dict[type[exp.Expr], Callable[[MakePart, Measure], exp.Expression]] = {
    exp.Count: _count,
    exp.Sum: _sum,
    exp.Avg: _mean,
    exp.Min: _least,
    exp.Max: _greatest,
    exp.LogicalOr: lambda part, measure: exp.cast(part("max", measure), "BOOLEAN"),
    exp.LogicalAnd: lambda part, measure: exp.cast(part("min", measure), "BOOLEAN"),
}


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

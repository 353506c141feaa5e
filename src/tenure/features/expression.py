"""Reading a feature's or target's SQL expression: which columns it uses, and that it cannot look where it must not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sqlglot
from sqlglot import exp

from tenure.core.errors import DefinitionError, LeakageError, UnknownNameError
from tenure.sources.contract import DATE_COLUMNS

DEVIATIONS = (exp.Stddev, exp.StddevSamp, exp.StddevPop)
# Functions a definition may call. A clock, a random number or a file reader is none of them.
ALLOWED_FUNCTIONS: tuple[type[exp.Func], ...] = (
    exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, *DEVIATIONS, exp.Median, exp.LogicalOr, exp.LogicalAnd,
    exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.Sqrt, exp.Ln, exp.Exp, exp.Pow, exp.Greatest, exp.Least,
    exp.Coalesce, exp.Nullif, exp.Case, exp.If, exp.And, exp.Or, exp.Xor, exp.Lower, exp.Upper, exp.Cast,
)  # fmt: skip
# latest(x) and earliest(x): the value of x in the newest and the oldest row; rows where x is null do not count.
STATE_FUNCTIONS = ("latest", "earliest")
# Columns the engine derives from a row's date and the cutoff, so that no definition needs a date.
OBSERVED_COLUMNS = ("age_days", "weekday", "hour")
OUTCOME_COLUMNS = ("days_ahead",)


@lru_cache(maxsize=4096)  # a run reads each expression some hundred times; who changes a tree copies it first
def parse_expression(expression: str, place: str) -> exp.Expression:
    """Parse one SQL expression.

    Raises
    ------
    DefinitionError : it is not one readable expression, or calls something that is not allowed.
    """
    try:
        statement = sqlglot.parse_one(f"SELECT {expression} AS x", read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise DefinitionError(f"{place}: {expression!r} is not readable SQL ({str(error).splitlines()[0]}).") from None
    if not isinstance(statement, exp.Select) or len(statement.expressions) != 1 or statement.args.get("from_"):
        raise DefinitionError(f"{place}: {expression!r} is not one expression.")
    parsed: exp.Expression = statement.expressions[0].this
    for kind in (exp.Subquery, exp.Select, exp.Window, exp.Parameter, exp.Placeholder):
        if next(parsed.find_all(kind), None) is not None:
            raise DefinitionError(
                f"{place}: {expression!r} holds a {kind.__name__.lower()}. Expected a plain expression."
            )
    for function in parsed.find_all(exp.Func):
        name = function.name.lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower()
        if isinstance(function, exp.Anonymous) and name in STATE_FUNCTIONS:
            continue
        if not isinstance(function, ALLOWED_FUNCTIONS):
            known = [*STATE_FUNCTIONS, *(kind.sql_name().lower() for kind in ALLOWED_FUNCTIONS)]
            raise DefinitionError(f"{place}: {UnknownNameError('Function', name, known)}")
    return parsed


def columns_of(parsed: exp.Expression) -> tuple[str, ...]:
    """List the columns an expression names, in order of their first appearance."""
    return tuple(dict.fromkeys(column.name for column in parsed.find_all(exp.Column)))


def columns_needed(parsed: exp.Expression) -> tuple[str, ...]:
    """List the columns without whose values an expression says nothing: all it names but where it does without them.

    It does so, of one row, in ``x is null``, in ``coalesce``, in a case and beside an ``or``.

    Examples
    --------
    >>> columns_needed(parse_expression("sum(coalesce(discount, 0) * quantity)", "an example"))
    ('quantity',)
    """
    return tuple(dict.fromkeys(column.name for column in parsed.find_all(exp.Column) if not _is_optional(column)))


def _is_optional(column: exp.Column) -> bool:
    test = column.parent
    if isinstance(test, exp.Is) and isinstance(test.expression, exp.Null) and not test.find_ancestor(exp.Not):
        return True
    # What stands around an aggregate speaks of there being no rows.
    around = column.find_ancestor(exp.Coalesce, exp.Case, exp.If, exp.Or, exp.AggFunc, exp.Anonymous, exp.Filter)
    return isinstance(around, exp.Coalesce | exp.Case | exp.If | exp.Or)


def check_columns(parsed: exp.Expression, allowed: Iterable[str], place: str) -> tuple[str, ...]:
    """Return the columns used, refusing dates and columns that the table does not have.

    Raises
    ------
    LeakageError : the expression names a date column; windows belong to the engine.
    UnknownNameError : any other column that is not allowed.
    """
    used = columns_of(parsed)
    for column in used:
        if column in DATE_COLUMNS:
            raise LeakageError(
                f"{place}: the expression names {column}. "
                f"Expected {' or '.join((*OBSERVED_COLUMNS, *OUTCOME_COLUMNS))}: the engine cuts the window, "
                "so that no definition can look past the cutoff."
            )
        if column not in set(allowed):
            raise UnknownNameError(f"{place}: column", column, allowed)
    return used


def is_aggregate(parsed: exp.Expression) -> bool:
    if next(parsed.find_all(exp.AggFunc), None) is not None:
        return True
    return any(f.name.lower() in STATE_FUNCTIONS for f in parsed.find_all(exp.Anonymous))


def to_duckdb(parsed: exp.Expression, *, order_column: str = "age_us") -> str:
    """Write an expression in DuckDB's SQL, with ``latest`` and ``earliest`` spelt out.

    Rows at the same instant are ordered by the value itself, so that ties never depend on the order of reading.
    """

    def spell_out(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.name.lower() in STATE_FUNCTIONS:
            value = node.expressions[0]
            key = exp.Tuple(expressions=[exp.column(order_column), value.copy()])
            newest = (node.name.lower() == "latest") == (order_column == "age_us")
            return exp.Anonymous(this="arg_min" if newest else "arg_max", expressions=[value, key])
        return node

    return str(parsed.transform(spell_out).sql(dialect="duckdb"))


def over_known_columns(expression: str, known: Iterable[str]) -> str:
    """Write a row-wise expression in DuckDB's SQL with NULL for each column a source cannot answer."""
    available = set(known)

    def blank(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and node.name not in available:
            return exp.cast(exp.null(), "DOUBLE")
        return node

    parsed = parse_expression(expression, "heuristic")
    return f"({parsed.transform(blank).sql(dialect='duckdb')})"

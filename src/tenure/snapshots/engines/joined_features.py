"""Aggregates of several tables to rows of features, in DuckDB's SQL.

They are joined, absence is stated, formulas over features are added, and floats are rounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from tenure.core.errors import DefinitionError
from tenure.core.sql import literal, quoted
from tenure.features.definition import FeatureColumn
from tenure.features.expression import parse_expression, to_duckdb
from tenure.targets.definition import Target

# Float features are rounded where they leave the engine: engines differ in the last bits, as do the few aggregates that
# ``exact_aggregates`` cannot write so that the order of threads does not show.
SIGNIFICANT_DIGITS = 9


def joined_features(
    targets: Sequence[Target],
    columns: Sequence[FeatureColumn],
    joins: Mapping[str, Mapping[str, str]],
    cutoffs: Sequence[date],
) -> str:
    """Give the SQL of the features of some cutoffs: customer_id, cutoff, eligible__<target> ..., feature columns.

    It joins the aggregates to the population, says what absence means, then adds the row-wise features in their order.
    ``joins`` maps each table of aggregates to its columns, by name, and their types.

    Raises
    ------
    DefinitionError : row-wise features need each other.
    """
    kinds = {name: kind for table in joins.values() for name, kind in table.items()}
    at = "WHERE cutoff IN (" + ", ".join(f"DATE '{cutoff}'" for cutoff in cutoffs) + ")"
    joined = " ".join(f"LEFT JOIN (SELECT * FROM {name} {at}) USING (customer_id, cutoff)" for name in joins)
    flags = ", ".join(quoted("eligible__" + target.name) for target in targets)
    base = [f"{_outgoing(c, kinds[c.name])} AS {quoted(c.name)}" for c in columns if not c.is_row_wise]
    query = f"""
        SELECT customer_id, cutoff, {", ".join([flags, *base])}
        FROM (SELECT * FROM population {at})
        {joined}
    """
    for level in row_wise_levels(columns):
        query = f"SELECT *, {', '.join(map(_row_wise, level))} FROM ({query})"
    order = ", ".join(["customer_id", "cutoff", flags, *(quoted(column.name) for column in columns)])
    return f"SELECT {order} FROM ({query})"


def row_wise_levels(columns: Sequence[FeatureColumn]) -> Iterator[list[FeatureColumn]]:
    """Group the row-wise columns so that each needs only earlier groups."""
    waiting = [column for column in columns if column.is_row_wise]
    while waiting:
        names = {column.name for column in waiting}
        level = [column for column in waiting if names.isdisjoint(column.inputs)]
        if not level:
            raise DefinitionError(
                f"Features {', '.join(sorted(names))} need each other. Expected formulas without a circle."
            )
        yield level
        waiting = [column for column in waiting if column not in level]


def _row_wise(column: FeatureColumn) -> str:
    value = rounded(f"CAST(({to_duckdb(parse_expression(column.expression, column.name))}) AS DOUBLE)")
    absent = "NULL" if column.absent_number is None else repr(column.absent_number)
    return f"coalesce({value}, {absent}) AS {quoted(column.name)}"


def _outgoing(column: FeatureColumn, kind: str) -> str:
    """Cast a feature as it leaves the engine: text stays text, every number a rounded DOUBLE, absence as stated."""
    name = quoted(column.name)
    if kind == "VARCHAR":
        return name if column.when_no_rows is None else f"coalesce({name}, {literal(str(column.when_no_rows))})"
    value = rounded(f"CAST({name} AS DOUBLE)") if kind in ("DOUBLE", "FLOAT") else f"CAST({name} AS DOUBLE)"
    return value if column.absent_number is None else f"coalesce({value}, {column.absent_number!r})"


def rounded(value: str) -> str:
    digits = f"CAST({SIGNIFICANT_DIGITS - 1} - floor(log10(abs({value}))) AS INTEGER)"
    return f"""
        CASE
            WHEN {value} = 0 OR NOT isfinite({value}) THEN nullif({value}, CAST('nan' AS DOUBLE))
            ELSE round({value}, {digits})
        END
    """

"""Raw texts as what all of their values are: numbers, dates, true or false; the engine's own guesses are not asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import duckdb

from tenure.core.sql import literal, quoted
from tenure.sources.readings.dates import DAY, as_time, plain_instant, plain_time
from tenure.sources.readings.numbers import PLAIN

# Whole numbers of up to 18 digits and no leading zero: the type writes them as the file does.
WHOLE = r"^(0|-?[1-9]\d{0,17})$"
LEADING_ZERO = r"^[+-]?0\d"
# Longer figures are more exact than a DOUBLE.
LONGEST = 24
SAMPLE = 2_000
AT_ONCE = 200  # columns that are looked at in one pass


def typed_sql(connection: duckdb.DuckDBPyConnection, relation: str, asked: Iterable[str], kept: Collection[str]) -> str:
    """Return the SELECT of a relation in which the text columns ``asked`` for have the type of all of their values.

    ``kept``: the columns (in lower case) that stay texts, as the file writes them.
    """
    texts = [name for name in asked if name.lower() not in kept]
    replaced: dict[str, str] = {}
    for start in range(0, len(texts), AT_ONCE):
        for name, kind in _types_of(connection, relation, texts[start : start + AT_ONCE]).items():
            replaced[name] = _read(_value(name), kind)
    casts = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in replaced.items())
    return f"SELECT * REPLACE ({casts}) FROM {relation}" if casts else f"SELECT * FROM {relation}"


def _value(name: str) -> str:
    return f"nullif(trim({quoted(name)}), '')"


def _read(x: str, kind: str) -> str:
    """Return the SQL that reads a text of a type; that it is one is known, and is not asked again."""
    if kind == "TIMESTAMP":
        return as_time(x)
    return plain_instant(x) if kind == "TIMESTAMP WITH TIME ZONE" else f"CAST({x} AS {kind})"


def _types(x: str) -> dict[str, str]:
    """Map each type to the SQL that holds for a text of it; the narrowest comes first."""
    is_number = f"regexp_matches({x}, {literal(PLAIN)}) AND NOT regexp_matches({x}, {literal(LEADING_ZERO)})"
    is_day = f"regexp_matches({x}, {literal(f'^{DAY}$')})"
    return {
        "BIGINT": f"regexp_matches({x}, {literal(WHOLE)})",
        "DOUBLE": f"{is_number} AND strlen({x}) <= {LONGEST}",
        "BOOLEAN": f"lower({x}) IN ('true', 'false')",
        "DATE": f"{is_day} AND {plain_time(x)} IS NOT NULL",
        "TIMESTAMP": f"{plain_time(x)} IS NOT NULL",
        "TIMESTAMP WITH TIME ZONE": f"{plain_instant(x)} IS NOT NULL",
    }


def _types_of(connection: duckdb.DuckDBPyConnection, relation: str, names: list[str]) -> dict[str, str]:
    """Map columns to the first type that all of their values are; columns that are of none, or empty, are left out."""
    every = {name: list(_types("x")) for name in names}
    # Where the first rows are empty, any type is possible.
    possible = _of_all_values(connection, f"(SELECT * FROM {relation} LIMIT {SAMPLE})", every, of_none=True)
    certain = _of_all_values(connection, relation, possible, of_none=False)
    return {name: kinds[0] for name, kinds in certain.items()}


def _of_all_values(
    connection: duckdb.DuckDBPyConnection, relation: str, types: dict[str, list[str]], *, of_none: bool
) -> dict[str, list[str]]:
    """Keep the types that all values of each column are; ``of_none`` says whether no value is of a type."""
    asked = [(name, kind) for name, kinds in types.items() for kind in kinds]
    if not asked:
        return {}
    # An empty cell is of no type.
    tested = ", ".join(
        f"bool_and({_types(_value(name))[kind]}) FILTER ({_value(name)} IS NOT NULL)" for name, kind in asked
    )
    answers = connection.execute(f"SELECT {tested} FROM {relation}").fetchall()[0]
    held: dict[str, list[str]] = {}
    for (name, kind), is_of_all in zip(asked, answers, strict=True):
        if of_none if is_of_all is None else is_of_all:
            held.setdefault(name, []).append(kind)
    return held

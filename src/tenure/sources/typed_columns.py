"""Raw texts as what all of their values are: numbers, dates, true or false; the engine's own guesses are not asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import duckdb

from tenure.core.sql import literal, quoted
from tenure.sources.readings.dates import DAY, plain_instant, plain_time
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
            replaced[name] = _types(_value(name))[kind][1]
    casts = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in replaced.items())
    return f"SELECT * REPLACE ({casts}) FROM {relation}" if casts else f"SELECT * FROM {relation}"


def _value(name: str) -> str:
    return f"nullif(trim({quoted(name)}), '')"


def _types(x: str) -> dict[str, tuple[str, str]]:
    """Map each type to the SQL that holds for a text of it, and the SQL that reads the text; the narrowest comes first."""
    is_number = f"regexp_matches({x}, {literal(PLAIN)}) AND NOT regexp_matches({x}, {literal(LEADING_ZERO)})"
    is_day = f"regexp_matches({x}, {literal(f'^{DAY}$')})"
    return {
        "BIGINT": (f"regexp_matches({x}, {literal(WHOLE)})", f"CAST({x} AS BIGINT)"),
        "DOUBLE": (f"{is_number} AND strlen({x}) <= {LONGEST}", f"CAST({x} AS DOUBLE)"),
        "BOOLEAN": (f"lower({x}) IN ('true', 'false')", f"CAST({x} AS BOOLEAN)"),
        "DATE": (f"{is_day} AND {plain_time(x)} IS NOT NULL", f"CAST({x} AS DATE)"),
        "TIMESTAMP": (f"{plain_time(x)} IS NOT NULL", plain_time(x)),
        "TIMESTAMP WITH TIME ZONE": (f"{plain_instant(x)} IS NOT NULL", plain_instant(x)),
    }


def _types_of(connection: duckdb.DuckDBPyConnection, relation: str, names: list[str]) -> dict[str, str]:
    """Map columns to the first type that all of their values are; columns that are of none, or empty, are left out."""
    every = {name: list(_types("x")) for name in names}
    possible = _of_all_values(connection, f"(SELECT * FROM {relation} LIMIT {SAMPLE})", every)
    certain = _of_all_values(connection, relation, possible)
    return {name: kinds[0] for name, kinds in certain.items()}


def _of_all_values(
    connection: duckdb.DuckDBPyConnection, relation: str, types: dict[str, list[str]]
) -> dict[str, list[str]]:
    asked = [(name, kind) for name, kinds in types.items() for kind in kinds]
    if not asked:
        return {}
    # An empty cell is of no type.
    tested = ", ".join(
        f"bool_and({_types(_value(name))[kind][0]}) FILTER ({_value(name)} IS NOT NULL)" for name, kind in asked
    )
    answers = connection.execute(f"SELECT {tested} FROM {relation}").fetchall()[0]
    held: dict[str, list[str]] = {}
    for (name, kind), is_of_all in zip(asked, answers, strict=True):
        if is_of_all:
            held.setdefault(name, []).append(kind)
    return held

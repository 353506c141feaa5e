"""Counting, over all values of a text column, which readings explain them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from tenure.core.sql import literal
from tenure.sources.readings.evidence import Evidence, Reading

SAMPLE = 300
# Of the readings that a sample does not rule out, so many are tried on every value.
TRIED = 16


def weigh(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    expression: str,
    *,
    is_plain: str,
    readings: Sequence[Reading],
) -> Evidence:
    """Weigh ``readings`` of a text expression over all rows of a relation.

    ``is_plain``: SQL over ``x`` that holds for a text which needs no reading.
    """
    values = f"(SELECT nullif(trim(CAST(({expression}) AS VARCHAR)), '') AS x FROM {relation})"
    filled, plain, example = connection.execute(
        f"SELECT count(x), count(*) FILTER ({is_plain}), min(x) FILTER (NOT ({is_plain})) FROM {values}"
    ).fetchall()[0]
    if plain == filled:
        return Evidence(filled, plain)
    if not readings:
        return Evidence(filled, plain, example=example or "", exception=example or "")
    odd = f"(SELECT x FROM {values} WHERE x IS NOT NULL AND NOT ({is_plain}))"
    candidates = _not_ruled_out(connection, odd, readings)
    if not candidates:
        return Evidence(filled, plain, example=example, exception=example)
    # Plain values that a reading explains as well are no evidence against it.
    counts = _counts(connection, values, candidates)
    odds = _counts(connection, odd, candidates)
    most = max(odds)
    best = [n for n, count in enumerate(odds) if count == most]
    every = max(counts[n] for n in best)
    best = [n for n in best if counts[n] == every]
    chosen = _of_different_values(connection, odd, [candidates[n] for n in best])
    all_explain = " AND ".join(f"({reading.fitting('x')}) IS NOT NULL" for reading in chosen)
    any_explains = " OR ".join(f"({reading.fitting('x')}) IS NOT NULL" for reading in candidates)
    exception, exceptions = connection.execute(
        f"SELECT min(x), count(*) FILTER ({any_explains}) FROM {odd} WHERE NOT ({all_explain})"
    ).fetchall()[0]
    return Evidence(filled, plain, tuple(chosen), most, example, exception or "", exceptions, every - most)


def _of_different_values(
    connection: duckdb.DuckDBPyConnection, values: str, readings: Sequence[Reading]
) -> list[Reading]:
    """Leave out readings that make of every text what an earlier one makes of it."""
    kept = [readings[0]]
    for reading in readings[1:]:
        differs = [f"({reading.of('x')}) IS DISTINCT FROM ({other.of('x')})" for other in kept]
        counted = ", ".join(f"count(*) FILTER ({one})" for one in differs)
        if all(connection.execute(f"SELECT {counted} FROM {values}").fetchall()[0]):
            kept.append(reading)
    return kept


def distinct_sample(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> list[str]:
    """Return some values of a text expression, the same whatever the order of rows and threads, in their order."""
    # By hash; the smallest and the largest are among them.
    values = f"(SELECT nullif(trim(CAST(({expression}) AS VARCHAR)), '') AS x FROM {relation})"
    found = connection.execute(
        f"(SELECT DISTINCT x FROM {values} WHERE x IS NOT NULL ORDER BY hash(x) LIMIT {SAMPLE}) "
        f"UNION (SELECT min(x) FROM {values}) UNION (SELECT max(x) FROM {values}) ORDER BY 1"
    ).fetchall()
    return [text for (text,) in found if text]


def _not_ruled_out(connection: duckdb.DuckDBPyConnection, odd: str, readings: Sequence[Reading]) -> list[Reading]:
    """Keep the readings that explain most of a sample."""
    sample = ", ".join(f"({literal(text)})" for text in distinct_sample(connection, odd, "x"))
    counts = _counts(connection, f"(VALUES {sample}) AS sampled (x)", readings)
    ranked = sorted((-count, n) for n, count in enumerate(counts) if count)
    return [readings[n] for _, n in ranked[:TRIED]]


def _counts(connection: duckdb.DuckDBPyConnection, values: str, readings: Sequence[Reading]) -> list[int]:
    counted = ", ".join(f"count({reading.fitting('x')})" for reading in readings)
    return list(connection.execute(f"SELECT {counted} FROM {values}").fetchall()[0])

"""What a table holds, as digests that know no order of its rows."""

from __future__ import annotations

from typing import Any

import duckdb

from tenure.core.hashing import digest

# What a whole row is called in SQL: a name that no column has.
ROW = '"the whole row"'


def digest_by_day(connection: duckdb.DuckDBPyConnection, relation: str, day: str) -> dict[str, Any]:
    """Give a relation's ``columns`` with their types and its ``days``.

    ``days`` maps each value of ``day`` (SQL) to the number of rows and the sum of their 64-bit hashes.

    A sum knows no order, and unlike an exclusive or it tells identical rows from none.
    """
    columns = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    rows = connection.execute(
        f"SELECT {day}, count(*), sum(hash({ROW})::HUGEINT) FROM {relation} AS {ROW} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    return {
        "columns": [[row[0], str(row[1])] for row in columns],
        "days": {day: [count, hashes] for day, count, hashes in rows},
    }


def content_of(table: dict[str, Any]) -> str:
    """Name all rows of a table that was digested by day: other rows, another text (but for a chance of 2^-64)."""
    rows, hashes = (sum(day[i] for day in table["days"].values()) for i in (0, 1))
    return digest(table["columns"], rows, hashes)

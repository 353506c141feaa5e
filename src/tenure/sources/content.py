"""What a table holds, as digests that know no order of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

from tenure.core.hashing import digest
from tenure.core.sql import quoted

# What a whole row is called in SQL: a name that no column has.
ROW = '"the whole row"'
# Of one part of a table: its number of rows and, beside the sums of its columns, that of its whole rows.
ROWS, HASHES = '"its rows"', '"its hashes"'


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


def digests_by_part_sql(relation: str, part: str, columns: Iterable[str]) -> str:
    """Give the SQL of a relation's digests by part (SQL), of whole rows and of each column.

    => part, the number of rows, the sum of the rows' hashes and, under each column's own name, that of its values'. Sums
    are kept to 64 bits, which Parquet holds.
    """
    sums = {HASHES: f"hash({ROW})"} | {quoted(name): f"hash({quoted(name)})" for name in columns}
    kept = ", ".join(f"(sum({sql}::HUGEINT) % 18446744073709551616)::UBIGINT AS {name}" for name, sql in sums.items())
    return f"SELECT {part} AS part, count(*) AS {ROWS}, {kept} FROM {relation} AS {ROW} GROUP BY 1 ORDER BY 1"


def content_of(table: dict[str, Any]) -> str:
    """Name all rows of a table that was digested by day: other rows, another text (but for a chance of 2^-64)."""
    rows, hashes = (sum(day[i] for day in table["days"].values()) for i in (0, 1))
    return digest(table["columns"], rows, hashes)

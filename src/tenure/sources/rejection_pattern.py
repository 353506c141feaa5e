"""Whether rejected rows are like the others: those of one month, one part of the file or the largest amounts are not."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tenure.core.sql import literal, parquet
from tenure.sources.contract import TOLD_SHARE

# Fewer rejections are not looked into.
FEWEST = 20
# Half of the rejected rows in a fifth of all rows is no chance.
CONCENTRATED, AMONG = 0.5, 0.2
# Column => what a group is called, SQL of the value it is told by, SQL of the group.
GROUPS = {
    "raw_row": ("rows {low:,} to {high:,} of the file", "raw_row", "20 * (raw_row - 1) // {rows}"),
    "amount": ("amounts from {low} to {high}", "abs(amount)", "ntile(10) OVER (ORDER BY abs(amount))"),
    "occurred_at": (
        "{low:%Y-%m}",
        "CAST(date_trunc('month', occurred_at) AS DATE)",
        "date_trunc('month', occurred_at)",
    ),
}


def rejection_pattern(
    connection: duckdb.DuckDBPyConnection,
    judged: str,
    columns: tuple[str, ...],
    rows: int,
    rejected: int,
    scratch: Path,
) -> list[str]:
    """Say where a table's rejected rows gather, one line for each way to group them in which they do.

    ``judged``: SQL of its ``rows`` with ``rule`` (null: staged) and ``raw_row``. ``columns``: the staged ones. Rows
    whose value cannot be read are in no group of it.
    """
    if rejected < FEWEST or rejected <= TOLD_SHARE * rows:
        return []
    lines = []
    groups = {column: group for column, group in GROUPS.items() if column in (*columns, "raw_row")}
    # All are looked at several times: judged once.
    looked_at = scratch / "rejection_pattern.parquet"
    needed = f"SELECT {', '.join(groups)}, rule IS NOT NULL AS is_rejected FROM ({judged})"
    connection.execute(f"COPY ({needed}) TO {literal(str(looked_at))} (FORMAT parquet)")
    for where, value, group in groups.values():
        found = connection.execute(
            f"""
            SELECT min(value), max(value), count(*), count(*) FILTER (is_rejected)
            FROM (
                SELECT {value} AS value, {group.format(rows=rows)} AS part, is_rejected
                FROM {parquet(looked_at)}
                WHERE {value} IS NOT NULL
            )
            GROUP BY part
            ORDER BY count(*) FILTER (is_rejected) DESC, min(value)
            LIMIT 1
            """
        ).fetchall()
        for low, high, among, gathered in found:
            if gathered >= CONCENTRATED * rejected and among <= AMONG * rows:
                place = where.format(low=low, high=high)
                lines.append(
                    f"{gathered:,} of {rejected:,} rejected rows are among the {among:,} of {place}: not by chance"
                )
    looked_at.unlink()
    return lines

"""Whether rejected rows are like the others: those of one month, one part of the file or the largest amounts are not."""

from __future__ import annotations

import duckdb

# Below these, rejections are neither told of nor looked into.
TOLD_SHARE = 0.001
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


def rejection_pattern(connection: duckdb.DuckDBPyConnection, judged: str, columns: tuple[str, ...]) -> list[str]:
    """Say where a table's rejected rows gather, one line for each way to group them in which they do.

    ``judged``: SQL of its rows with ``rule`` (null: staged) and ``raw_row``. ``columns``: the staged ones. Rows whose
    value cannot be read are in no group of it.
    """
    rows, rejected = connection.execute(f"SELECT count(*), count(rule) FROM ({judged})").fetchall()[0]
    if rejected < FEWEST or rejected <= TOLD_SHARE * rows:
        return []
    lines = []
    for column, (where, value, group) in GROUPS.items():
        if column not in (*columns, "raw_row"):
            continue
        found = connection.execute(
            f"""
            SELECT min(value), max(value), count(*), count(rule)
            FROM (
                SELECT {value} AS value, {group.format(rows=rows)} AS part, rule
                FROM ({judged})
                WHERE {value} IS NOT NULL
            )
            GROUP BY part
            ORDER BY count(rule) DESC, min(value)
            LIMIT 1
            """
        ).fetchall()
        for low, high, among, gathered in found:
            if gathered >= CONCENTRATED * rejected and among <= AMONG * rows:
                place = where.format(low=low, high=high)
                lines.append(
                    f"{gathered:,} of {rejected:,} rejected rows are among the {among:,} of {place}: not by chance"
                )
    return lines

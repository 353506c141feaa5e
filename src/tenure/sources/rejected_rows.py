"""What is not staged: kept with the rule it broke, told of, and refused where it is too much."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import literal
from tenure.sources.date_formats import check_date_formats
from tenure.sources.mapping import MappedTable
from tenure.sources.staged_source import TableSummary


def clear_unreadable(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the lines no reader could read so far: each is counted once, where its table is staged."""
    # DuckDB makes the two with the first file it reads.
    present = "SELECT table_name FROM duckdb_tables() WHERE table_name IN ('reject_errors', 'reject_scans')"
    for (table,) in connection.execute(present).fetchall():
        connection.execute(f"DELETE FROM {table}")


def keep_unreadable(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, rejected: Path, *, with_text: bool
) -> int:
    """Add the lines that readers set aside to the rejected rows; return how many.

    Whose line it is cannot be told: without its text it names nobody.

    Raises
    ------
    DataContractError : lines are unreadable because the file is not UTF-8.
    """
    text = "text" if with_text else "NULL"
    set_aside = [
        f"SELECT 'unreadable line' AS rule, line AS raw_row, "
        f"json_object('file', {literal(file)}, 'line', {text}, 'error', error) AS raw "
        f"FROM read_parquet({literal(str(told.unreadable))})"
        for file, told in mapped.raw_told
        if told.unreadable
    ]
    count = _add(connection, rejected, " UNION ALL ".join(set_aside)) if set_aside else 0
    return count + (
        _keep_set_aside_by_engine(connection, mapped, rejected, with_text=with_text) if mapped.keeps_unreadable else 0
    )


def _add(connection: duckdb.DuckDBPyConnection, rejected: Path, lines: str) -> int:
    """Add the rows of a query to the rejected ones; return how many."""
    merged = rejected.with_suffix(".merged.parquet")
    connection.execute(
        f"COPY (SELECT * FROM read_parquet({literal(str(rejected))}) UNION ALL {lines}) "
        f"TO {literal(str(merged))} (FORMAT parquet, COMPRESSION zstd)"
    )
    merged.replace(rejected)
    (count,) = connection.execute(f"SELECT count(*) FROM ({lines})").fetchall()[0]
    return int(count)


def _keep_set_aside_by_engine(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, rejected: Path, *, with_text: bool
) -> int:
    """Add the lines that a plugin's reader had the engine set aside (``store_rejects``)."""
    lines = connection.execute(
        "SELECT line, any_value(csv_line), any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    foreign = connection.execute(
        "SELECT count(DISTINCT line), min(line) "
        "FROM reject_errors "
        "WHERE error_type = 'INVALID ENCODING' "
        "HAVING count(*) > 0"
    ).fetchone()
    clear_unreadable(connection)
    if not lines:
        return 0
    if foreign:
        count, first = foreign
        raise DataContractError(
            f"{mapped.place}: {count:,} lines of {mapped.raw_name} are not UTF-8 (first: line {first}). Expected "
            "UTF-8: save the file so, "
            f'or say [raw."{mapped.raw_name}"] encoding = "latin-1".'
        )
    connection.execute("CREATE OR REPLACE TEMP TABLE unreadable (rule VARCHAR, raw_row BIGINT, raw VARCHAR)")
    connection.executemany(
        "INSERT INTO unreadable VALUES (?, ?, ?)",
        [
            (
                "unreadable line",
                number,
                json.dumps({"line": text if with_text else None, "error": str(why).splitlines()[0]}),
            )
            for number, text, why in lines
        ],
    )
    return _add(connection, rejected, "SELECT * FROM unreadable")


def check_rejected(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, summary: TableSummary, rejected: Path
) -> None:
    """Refuse a table that lost rows, whose dates are dates of another format, or of which more is rejected than may be.

    Raises
    ------
    DataContractError : says which of the three, how many rows and the first of them.
    """
    if summary.read + summary.unreadable != summary.staged + summary.rejected:
        raise DataContractError(
            f"{mapped.place}: {summary.read:,} rows read and {summary.unreadable:,} unreadable, but {summary.staged:,} "
            f"staged and {summary.rejected:,} rejected. Rows would be lost; is {mapped.raw_name} being written to? Run "
            "again."
        )
    if "occurred_at is not a date" in summary.rules:
        check_date_formats(connection, mapped, rejected)
    if (
        not summary.read + summary.unreadable
        or summary.staged
        and summary.rejected <= mapped.max_rejected_share * (summary.read + summary.unreadable)
    ):
        return
    rule, count = next(iter(summary.rules.items()))
    first = connection.execute(
        f"SELECT raw FROM read_parquet({literal(str(rejected))}) WHERE rule = ? ORDER BY raw_row LIMIT 1", [rule]
    ).fetchall()[0][0]
    raise DataContractError(
        f"{mapped.place}: {summary.rejected:,} of {summary.read + summary.unreadable:,} rows of {mapped.raw_name} "
        f"would be rejected, most ({count:,}) because: {rule} (first: {first[:200]}). Expected at most "
        f"{mapped.max_rejected_share:.0%}. Mend the mapping or the file, or allow it with max_rejected_share."
    )

"""What is not staged: kept with the rule it broke, told of, and refused where it is too much."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path
from typing import NoReturn

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import literal, parquet
from tenure.sources.casts import NO_CUSTOMER
from tenure.sources.mapping import MappedTable
from tenure.sources.staged_source import TableSummary

# What the rules of rows say that could not be read; others could be, and are not wanted.
UNREAD = (
    " is not ",
    " is none of ",
    " is missing",
    " is a placeholder",
    " is before ",
    " is smaller than ",
    "unreadable line",
)
# Of a table, at most so much may be unreadable unless its mapping allows another share.
MAX_UNREAD_SHARE = 0.05
FEW = 5


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
        f"FROM {parquet(told.unreadable)}"
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
        f"COPY (SELECT * FROM {parquet(rejected)} UNION ALL {lines}) "
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
    """Refuse a table that lost rows, or of which more is rejected than may be.

    Raises
    ------
    DataContractError : says which of the two, how many rows and the first of them.
    """
    read = summary.read + summary.unreadable
    if read != summary.staged + summary.rejected:
        raise DataContractError(
            f"{mapped.place}: {summary.read:,} rows read and {summary.unreadable:,} unreadable, but {summary.staged:,} "
            f"staged and {summary.rejected:,} rejected. Rows would be lost; is {mapped.raw_name} being written to? Run "
            "again."
        )
    if not read:
        return
    nobody = summary.rules.get(NO_CUSTOMER, 0)
    unread = {rule: count for rule, count in summary.rules.items() if any(words in rule for words in UNREAD)}
    count, share = sum(unread.values()), mapped.max_rejected_share
    # A few rows of a small file, such as its totals, are no share of it.
    allowed = share * read if share is not None else max(MAX_UNREAD_SHARE * read, min(FEW, read / 2))
    if count > allowed or not summary.staged:
        worst = unread or summary.rules
        _refuse(connection, mapped, rejected, read, worst, "max_rejected_share", share or MAX_UNREAD_SHARE)
    if nobody > mapped.max_no_customer_share * read:
        _refuse(
            connection,
            mapped,
            rejected,
            read,
            {NO_CUSTOMER: nobody},
            "max_no_customer_share",
            mapped.max_no_customer_share,
        )


def _refuse(
    connection: duckdb.DuckDBPyConnection,
    mapped: MappedTable,
    rejected: Path,
    read: int,
    rules: dict[str, int],
    setting: str,
    limit: float,
) -> NoReturn:
    rule, most = max(rules.items(), key=lambda item: item[1])
    (first,) = connection.execute(
        f"SELECT raw FROM {parquet(rejected)} WHERE rule = ? ORDER BY raw_row LIMIT 1", [rule]
    ).fetchall()[0]
    count = sum(rules.values())
    allow = "" if count == read else f", or allow it with {setting} = {ceil(count / read * 100) / 100:g}"
    raise DataContractError(
        f"{mapped.place}: {count:,} of {read:,} rows of {mapped.raw_name} would be rejected, most ({most:,}) because: "
        f"{rule} (first: {first[:200]}). Expected at most {limit:.0%}. Mend the mapping or the file{allow}."
    )

"""Telling a date in another format from a date that is none: the first must not be rejected silently."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import literal
from tenure.sources.mapping import MappedTable

FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y%m%d", "%d %b %Y", "%b %d, %Y",
)  # fmt: skip


def check_date_formats(connection: duckdb.DuckDBPyConnection, mapped: MappedTable, rejected: Path) -> None:
    """Refuse a table whose unparseable dates are dates in another format.

    Raises
    ------
    DataContractError : names the format, how many rows have it, and the first of them.
    """
    column = mapped.date_expression.strip('"')
    path = literal(f'$."{column}"')
    rows = (
        f"SELECT json_extract_string(raw, {path}) AS day "
        f"FROM read_parquet({literal(str(rejected))}) "
        "WHERE rule = 'occurred_at is not a date'"
    )
    for style in FORMATS:
        count, first = connection.execute(
            f"SELECT count(*), min(day) FROM ({rows}) WHERE try_strptime(day, {literal(style)}) IS NOT NULL"
        ).fetchall()[0]
        if count:
            raise DataContractError(
                f"{mapped.place} occurred_at: dates in two formats in {mapped.raw_name}: {count:,} rows look like "
                f"'{first}' ({style}), the others like 2026-01-31. Expected one format. Write the file anew, or map "
                f"both: occurred_at = \"coalesce(try_strptime({column}, '%Y-%m-%d'), try_strptime({column}, "
                f"'{style}'))\"."
            )

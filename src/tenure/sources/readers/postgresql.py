"""Tables and views of a PostgreSQL server: copied to Parquet in one query, with the types that the server states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from tenure.core.addresses import is_postgresql
from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.memory import engine_memory
from tenure.core.secrets import without_secrets
from tenure.core.sql import literal, parquet, quoted
from tenure.sources.readers.reader import RawTable, Reader

if TYPE_CHECKING:
    import pyarrow as pa
    from adbc_driver_postgresql.dbapi import Cursor

# Where the address stands unless the source names another variable.
URL_VARIABLE = "TENURE_POSTGRESQL_URL"
BATCH_BYTES = 16 << 20
WIDEST = 38  # digits of a DECIMAL
# Types that come over as what they are; numbers with a point come as text and become decimals, all others stay text.
NATIVE = {
    "bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar", "bpchar", "name", "bytea",
    "date", "time", "timestamp", "timestamptz",
}  # fmt: skip
TABLES = """
    SELECT CASE WHEN pg_table_is_visible(pg_class.oid) THEN relname::text ELSE nspname || '.' || relname END
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
      AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


class PostgresqlReader(Reader):
    """Reads tables of the server whose address stands in an environment variable."""

    def relation(self, raw: RawTable) -> str:
        copy = raw.copy(".parquet", lambda path: copy_postgresql_table(raw.url_env or URL_VARIABLE, raw.part, path))
        return parquet(copy)


def copy_postgresql_table(variable: str, table: str, path: Path) -> None:
    """Copy a table of the server into a Parquet file, batch by batch.

    Raises
    ------
    DataContractError : no address, no answer, no such table, no rows in it, or a date that no calendar has.
    """
    place = f"postgresql#{table}"
    rows = path.with_name(f"rows-{path.name}")
    with connected(variable, place) as cursor:
        columns = _columns(cursor, table)
        _copy_rows(cursor, table, columns, rows)
    _write_exact(rows, columns, place, path)
    rows.unlink()


@contextmanager
def connected(variable: str, place: str) -> Iterator[Cursor]:
    """Connect to the server whose address stands in an environment variable.

    Raises
    ------
    DataContractError : no address, none that PostgreSQL reads, or no answer; it never repeats the address.
    """
    from adbc_driver_postgresql import dbapi

    url = os.environ.get(variable)
    if not url:
        raise DataContractError(
            f"{place}: the environment variable {variable} is not set. Expected a connection address; "
            'set it, or name another variable with [raw."postgresql"] url_env.'
        )
    if not is_postgresql(url):
        raise DataContractError(
            f"{place}: PostgreSQL cannot read the address. Expected postgresql://user:password@host:5432/database with "
            "@ and / of a password written %40 and %2F, or pairs as in host=... user=... password='...'. "
            f"Check {variable}."
        )
    try:
        with dbapi.connect(_with_timeout(url)) as connection, connection.cursor() as cursor:
            yield cursor
    except (dbapi.Error, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's, not the server's
            raise
        raise DataContractError(f"{place}: {_servers_words(error)}. Check {variable} and the table's name.") from None


def _with_timeout(url: str) -> str:
    if "connect_timeout" in url:
        return url
    if url.startswith(("postgresql://", "postgres://")):
        return f"{url}{'&' if '?' in url else '?'}connect_timeout=10"
    return f"{url} connect_timeout=10"


def _servers_words(error: Exception) -> str:
    """Return the first line of what the server, or the way to it, answered; it never repeats the address."""
    words = str(error).split("ERROR:  ")[-1].split("Failed to connect: ")[-1].splitlines()[0]
    if "Failed to connect" in str(error) and not words.startswith("connection to server"):
        words = "PostgreSQL cannot read the address"
    return without_secrets(words)


def _identifier(table: str) -> str:
    return ".".join(quoted(part) for part in table.split("."))


def _columns(cursor: Cursor, table: str) -> list[pa.Field]:
    """Ask for a table's columns; the driver's metadata say which types the server has."""
    from adbc_driver_postgresql import dbapi

    try:
        return list(cursor.adbc_execute_schema(f"SELECT * FROM {_identifier(table)}"))
    except dbapi.ProgrammingError as error:
        if "42P01" not in str(error):  # undefined_table
            raise
        cursor.connection.rollback()
        cursor.execute(TABLES)
        tables = [row[0] for row in cursor.fetchall()]
        raise DataContractError(f"postgresql#{table}: {UnknownNameError('Table', table, tables)}") from None


def _type(column: pa.Field) -> str:
    return str(column.metadata[b"POSTGRESQL:type"].decode())


def _copy_rows(cursor: Cursor, table: str, columns: list[pa.Field], path: Path) -> None:
    import pyarrow.parquet as pq

    def selected(column: pa.Field) -> str:
        name = quoted(column.name)
        # Money comes as a number of cents, whatever the server's currency.
        cast = {"money": "::numeric::text"}.get(_type(column), "" if _type(column) in NATIVE else "::text")
        return f"{name}{cast} AS {name}"

    cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
    cursor.execute(f"SELECT {', '.join(map(selected, columns))} FROM {_identifier(table)}")
    batches = cursor.fetch_record_batch()
    with pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_exact(rows: Path, columns: list[pa.Field], place: str, path: Path) -> None:
    """Write the copied rows with numbers as decimals that hold every digit.

    One that none can hold (more than 38 digits, NaN, infinity) leaves its column text, whose rows staging judges.
    """
    relation = parquet(rows)
    numbers = {column.name: column for column in columns if _type(column) in ("numeric", "money")}
    dates = [column.name for column in columns if _type(column) in ("date", "timestamp", "timestamptz")]
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{engine_memory()}B'")
        connection.execute(f"SET temp_directory = {literal(str(rows.parent))}")
        asked = ["count(*)", *map(_infinite, dates), *map(_width, numbers)]
        count, *found = connection.execute(f"SELECT {', '.join(asked)} FROM {relation}").fetchall()[0]
        if not count:
            raise DataContractError(f"{place}: holds no rows. Expected at least one.")
        if infinite := [name for name, is_infinite in zip(dates, found, strict=False) if is_infinite]:
            raise DataContractError(
                f"{place}: column {infinite[0]!r} holds infinity, or a date before the year 1. Expected dates of the calendar; "
                f"read a view that has nullif({infinite[0]}, 'infinity')."
            )
        widths = zip(numbers.values(), found[len(dates) :], strict=True)
        casts = {column.name: _decimal(column, *width.values()) for column, width in widths}
        exact = ", ".join(f"{quoted(name)}::{kind} AS {quoted(name)}" for name, kind in casts.items())
        selected = f"* REPLACE ({exact})" if exact else "*"
        connection.execute(
            f"COPY (SELECT {selected} FROM {relation}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )


def _infinite(name: str) -> str:
    # The driver turns infinity into a day some 290,000 years ago.
    return f"coalesce(min({quoted(name)}) < '0001-01-01', false)"


def _width(name: str) -> str:
    """Return the SQL of a column's digits before and after the point, and whether all its values are finite."""
    column = quoted(name)
    point = f"strpos({column}, '.')"
    return f"""struct_pack(
        whole := max(coalesce(nullif({point}, 0) - 1, strlen({column})) - starts_with({column}, '-')::INTEGER),
        scale := max(CASE {point} WHEN 0 THEN 0 ELSE strlen({column}) - {point} END),
        is_finite := NOT bool_or(ends_with({column}, 'N') OR ends_with({column}, 'y')))"""


def _decimal(column: pa.Field, whole: int | None, scale: int | None, is_finite: bool | None) -> str:
    """Return the type of a number: as the server states it, else as wide as its values are."""
    precision, stated_scale = divmod(int(column.metadata.get(b"POSTGRESQL:typmod", b"-1")) - 4, 1 << 16)
    if is_finite is False:
        return "VARCHAR"
    if 0 <= stated_scale <= precision <= WIDEST and precision:
        return f"DECIMAL({precision}, {stated_scale})"
    if whole is None or scale is None:
        return "DECIMAL"
    return f"DECIMAL({whole + scale}, {scale})" if whole + scale <= WIDEST else "VARCHAR"

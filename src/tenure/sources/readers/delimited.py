"""Delimited text: its dialect is found from the whole file, then the engine reads with exactly that and guesses nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal
from tenure.sources.readers.dialect import Dialect, find_dialect
from tenure.sources.readers.encodings import blocks
from tenure.sources.readers.mended import Mended, Mender
from tenure.sources.readers.reader import RawTable, Told
from tenure.sources.readers.text_copy import TextReader, Unreadable, repeated_names

LEAST_LINE_SIZE = 2 << 20
MANY_COLUMNS = 1_000


class DelimitedReader(TextReader):
    """Reads CSV, TSV and other delimited text."""

    endings = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")

    def write(self, raw: RawTable, folder: Path) -> Told:
        dialect, rows = find_dialect(raw), folder / "rows.parquet"
        name = raw.reference
        if dialect.is_plain and _read(raw.path, dialect, dialect.until, dialect.longest, rows) == dialect.rows:
            return Told((f"{name}: {dialect.said}",), repeated_names(name, dialect.repeated), dialect.repeated)
        # Some line is no record, or some cell has a line break.
        copy = folder / "mended.csv"
        with Unreadable(folder) as unreadable:
            mended = Mender(dialect, raw.stop, unreadable).write(blocks(raw.path, dialect.encoding, name), copy)
        if _read(copy, dialect, 0, mended.longest, rows) != mended.written:
            raise DataContractError(
                f"{name}: {mended.written:,} records are written anew, and others are read. Report it."
            )
        copy.unlink()
        return Told(
            (f"{name}: {dialect.said}", *_mended(name, mended, raw)),
            repeated_names(name, dialect.repeated),
            dialect.repeated,
        )


def _mended(name: str, mended: Mended, raw: RawTable) -> tuple[str, ...]:
    said = []
    if mended.padded:
        said.append(f"{name}: {mended.padded:,} lines end before the last columns, which are taken as empty there")
    if mended.stopped:
        said.append(f"{name}: read until line {mended.stopped - 1:,}, before {raw.stop!r}")
    elif raw.stop:
        said.append(f"{name}: no line begins with stop = {raw.stop!r}; read to the end")
    return tuple(said)


def _read(path: Path, dialect: Dialect, skip: int, longest: int, rows: Path) -> int:
    """Copy a file's records to Parquet; return how many, or -1 if the engine finds a line that is none."""
    if len(dialect.names) > MANY_COLUMNS:
        return _read_wide(path, dialect, skip, longest, rows)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialect.names)
    quote, size = literal(dialect.quote), max(LEAST_LINE_SIZE, longest + 1024)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{engine_memory()}B'")
        connection.execute(f"SET temp_directory = {literal(str(rows.parent))}")
        try:
            copied = connection.execute(
                f"COPY (FROM read_csv({literal(str(path))}, auto_detect = false, columns = {{{columns}}}, header = false, "
                f"skip = {skip}, delim = {literal(dialect.delimiter)}, quote = {quote}, escape = {quote}, nullstr = '', "
                f"max_line_size = {size}, buffer_size = {max(32 << 20, 4 * size)}, strict_mode = true)) "
                f"TO {literal(str(rows))} (FORMAT parquet)"
            )
        except duckdb.InvalidInputException:
            return -1
        return int(copied.fetchall()[0][0])


def _read_wide(path: Path, dialect: Dialect, skip: int, longest: int, rows: Path) -> int:
    """Do as ``_read`` for thousands of columns, for which the engine needs gigabytes."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    names = list(dialect.names)
    size = max(LEAST_LINE_SIZE, 2 * longest)
    try:
        with pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=skip, block_size=size, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char=dialect.quote or False, newlines_in_values=True
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        ) as batches, pq.ParquetWriter(rows, batches.schema) as writer:  # fmt: skip
            count = 0
            for batch in batches:
                writer.write_batch(batch)
                count += len(batch)
            return count
    except pa.ArrowInvalid:
        return -1


def read_csv(path: Path, text_columns: Iterable[str], *, delimiter: str = "", encoding: str = "") -> str:
    """Return the SQL that reads delimited text which a reader wrote, each type guessed from all of its values."""
    options = ["sample_size = -1", "store_rejects = true", "header = true"]
    if delimiter:
        options.append(f"delim = {literal(delimiter)}")
    if encoding:
        options.append(f"encoding = {literal(encoding)}")
    if types := ", ".join(f"{literal(column)}: 'VARCHAR'" for column in text_columns):
        options.append(f"types = {{{types}}}")
    return f"read_csv({literal(str(path))}, {', '.join(options)})"


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)

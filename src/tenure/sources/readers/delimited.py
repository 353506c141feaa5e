"""Delimited text: its dialect is found from the whole file, then the engine reads with exactly that and guesses nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal, parquet, quoted
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
        is_read = dialect.is_plain and _read(raw.path, dialect, dialect.until, dialect.longest, rows) == dialect.rows
        if is_read and not _repeats_header(rows, dialect):
            return Told((f"{name}: {dialect.said}",), repeated_names(name, dialect.repeated), dialect.repeated)
        # Some line is no record, or some cell has a line break.
        copy = folder / "mended.csv"
        with Unreadable(folder) as unreadable:
            mended = Mender(dialect, raw.stop, unreadable).write(blocks(raw.path, dialect.encoding, name), copy)
        if unreadable.count and not mended.written:
            line, text, error = unreadable.first
            hint = " A quote within a cell is doubled there, not written with a backslash." if '\\"' in text else ""
            raise DataContractError(
                f"{name}: none of its {unreadable.count:,} lines can be read ({dialect.said}). The first, line {line:,}, "
                f"has {error}: {text[:80]!r}. Expected delimited text.{hint} Write the file anew, or say how it is read in "
                f'[raw."{name}"] (delimiter, quote, skip).'
            )
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


def _repeats_header(rows: Path, dialect: Dialect) -> bool:
    """Say whether the header stands among the rows again, as where files were put one below the other."""
    cells = dialect.grammar.cells(dialect.header_line) or []
    alike = [f"{quoted(name)} = {literal(cell)}" for name, cell in zip(dialect.names, cells, strict=False) if cell][:20]
    query = f"SELECT 1 FROM {parquet(rows)} WHERE {' AND '.join(alike) or 'false'} LIMIT 1"
    with duckdb.connect() as connection:
        return bool(connection.execute(query).fetchall())


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
    newline = "'\\r\\n'" if dialect.is_plain and dialect.has_returns and skip else "'\\n'"
    quote, size = literal(dialect.quote), max(LEAST_LINE_SIZE, longest + 1024)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{engine_memory()}B'")
        connection.execute(f"SET temp_directory = {literal(str(rows.parent))}")
        try:
            copied = connection.execute(
                f"COPY (FROM read_csv({literal(str(path))}, auto_detect = false, columns = {{{columns}}}, header = false, "
                f"skip = {skip}, new_line = {newline}, delim = {literal(dialect.delimiter)}, quote = {quote}, escape = {quote}, nullstr = '', "
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

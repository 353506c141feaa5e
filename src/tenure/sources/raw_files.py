"""Reading raw files: each becomes one DuckDB view under its own name. Only the source's own folder can be read."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal, quoted
from tenure.sources.readers.postgresql import URL_VARIABLE, copy_postgresql_table
from tenure.sources.readers.spark import copy_spark_table
from tenure.sources.source import RawFile, Source

PARQUET = (".parquet",)
TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
JSON_LINES = (".jsonl", ".ndjson", ".json")
SHEETS = (".xlsx", ".xls", ".ods")
SQLITE = (".sqlite", ".sqlite3", ".db")
READABLE = PARQUET + TEXT + JSON_LINES + SHEETS + SQLITE
POSTGRESQL, SPARK = "postgresql", "spark"
# Servers: their content has no file and no hash.
SERVERS = frozenset({POSTGRESQL, SPARK})


def open_locked(folder: Path, scratch: Path, *others: Path) -> duckdb.DuckDBPyConnection:
    """Connect to DuckDB with its file access limited to the source's folder, a scratch folder, where it spills, and others."""
    connection = duckdb.connect()
    connection.execute(f"SET temp_directory = {literal(str(scratch / 'spill'))}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute(f"SET memory_limit = '{engine_memory()}B'")
    folders = ", ".join(literal(f"{path.resolve()}/") for path in (folder, scratch, *others))
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def split_reference(reference: str) -> tuple[str, str]:
    """Split ``file#part`` (a sheet or a table inside the file)."""
    file, _, part = reference.partition("#")
    return file, part


def choose_raw_file(folder: Path, alternatives: Iterable[str], place: str) -> str:
    """Return the first alternative that is present.

    Raises
    ------
    DataContractError : none of them is; names what is there instead.
    """
    alternatives = tuple(alternatives)
    for reference in alternatives:
        file = split_reference(reference)[0]
        if file in SERVERS or inside(folder, file, place).is_file():
            return reference
    present = sorted(path.name for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
    raise DataContractError(
        f"{place}: {' or '.join(alternatives)} is missing in {folder}. Present: {', '.join(present) or 'nothing'}. "
        f"Put the file there, or run 'tenure fetch {folder.name} --from FOLDER'."
    )


def inside(folder: Path, file: str, place: str) -> Path:
    """Return the file's path, refusing one that leaves the folder."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataContractError(
            f"{place}: {file!r} lies outside {folder}. A source reads only its own folder; copy the file there."
        )
    return path


def raw_relation(
    source: Source, folder: Path, scratch: Path, reference: str, *, text_columns: Iterable[str] = ()
) -> tuple[str, bool]:
    """Give the SQL that reads a raw file, and whether unreadable lines are set aside while it is read.

    What the engine does not read itself is copied into ``scratch``, once however often it is asked for. ``text_columns`` are read as text even where every value looks like a number: '00017' is an id.

    Raises
    ------
    DataContractError : an ending nobody reads, a sheet or table that is not in the file, an unreadable file.
    """
    file, part = split_reference(reference)
    about = source.raw.get(reference, source.raw.get(file, RawFile()))
    if file in SERVERS:
        copy = _scratch_csv(scratch, file, part).with_suffix("")
        if not copy.is_dir():
            if file == POSTGRESQL:
                copy_postgresql_table(about.url_env or URL_VARIABLE, part, copy)
            else:
                copy_spark_table(part, copy)
        return f"read_parquet({literal(str(copy / '*.parquet'))}, union_by_name = true)", False
    path = inside(folder, file, source.where)
    name = path.name.lower()
    if name.endswith(PARQUET):
        return _parquet(path), False
    if name.endswith(TEXT):
        return _delimited(path, about, text_columns), True
    if name.endswith(JSON_LINES):
        return f"read_json({literal(str(path))}, format = 'newline_delimited', sample_size = -1)", False
    if name.endswith(SHEETS + SQLITE):
        copy = _scratch_csv(scratch, path.name, part)
        if not copy.is_file():
            (_copy_sheet if name.endswith(SHEETS) else _copy_sqlite)(path, part, copy)
        return _delimited(copy, RawFile(), text_columns), False
    raise DataContractError(f"{path}: unknown ending. Expected one of {', '.join(READABLE)}.")


def _parquet(path: Path) -> str:
    return f"read_parquet({literal(str(path))})"


def _delimited(path: Path, about: RawFile, text_columns: Iterable[str]) -> str:
    options = ["sample_size = -1", "store_rejects = true", "header = true"]
    if about.delimiter:
        options.append(f"delim = {literal(about.delimiter)}")
    if about.encoding:
        options.append(f"encoding = {literal(about.encoding)}")
    if columns := list(text_columns):
        options.append("types = {" + ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns) + "}")
    return f"read_csv({literal(str(path))}, {', '.join(options)})"


def _write_rows(path: Path, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _scratch_csv(scratch: Path, *names: str) -> Path:
    return scratch / "converted" / (blake2b("#".join(names).encode(), digest_size=8).hexdigest() + ".csv")


def _copy_sheet(path: Path, sheet: str, copy: Path) -> None:
    from python_calamine import CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
    except Exception as error:  # calamine raises several kinds, all meaning the same to the reader
        raise DataContractError(f"{path}: not a readable workbook ({error}). Save it again as XLSX.") from None
    sheet = sheet or book.sheet_names[0]
    if sheet not in book.sheet_names:
        raise DataContractError(f"{path}: {UnknownNameError('Sheet', sheet, book.sheet_names)}")
    rows: Iterator[list[Any]] = iter(book.get_sheet_by_name(sheet).to_python())
    header = [str(cell) for cell in next(rows, [])]
    _write_rows(copy, header, ([_as_text(cell) for cell in row] for row in rows))


def _as_text(cell: Any) -> Any:
    # A workbook keeps every number as a float: 17850.0 is the id 17850.
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _copy_sqlite(path: Path, table: str, copy: Path) -> None:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        ]
        if table not in tables:
            raise DataContractError(
                f"{path}: {UnknownNameError('Table', table or '(none named)', tables)} Name it as '{path.name}#table'."
            )
        cursor = connection.execute(f"SELECT * FROM {quoted(table)}")
        _write_rows(copy, [d[0] for d in cursor.description], cursor)
    except sqlite3.DatabaseError as error:
        raise DataContractError(f"{path}: not a readable SQLite database ({error}).") from None
    finally:
        connection.close()

"""Looking at raw files: each as a copy of texts, with what its columns are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
from duckdb.sqltypes import DuckDBPyType

from tenure.core.errors import DataContractError
from tenure.core.sql import quoted
from tenure.intake.columns import Column
from tenure.intake.names import date_rank, plain, rank, vocabulary
from tenure.sources.document import RAW
from tenure.sources.raw_files import raw_relation, split_reference
from tenure.sources.raw_mapping import RawFile
from tenure.sources.raw_views import describe_query
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import Source

SAMPLE_ROWS = 200_000
MOST_VALUES = 300
# How a reader's refusal says what to write of a file: [raw."f.csv"] encoding = "latin-1".
ADVICE = r'\b(encoding|quote|delimiter|skip|stop) = ("[^"]*"|\d+)'
# Column of the copy of texts => its name, its SQL in the file, its type there.
Leaves = dict[str, tuple[str, str, str]]


@dataclass
class Raw:
    """Raw files of one layout: their ``references``, the ``relation`` of their texts, their columns."""

    references: list[str]
    relation: str
    columns: list[Column]
    rows: int
    settings: dict[str, dict[str, str | int]] = field(default_factory=dict)
    rows_sql: str = ""  # of rows that are joined with those of another file
    joined: Raw | None = None

    @property
    def name(self) -> str:
        return self.references[0]

    def find(self, role: str, *kinds: str, share: float = 0.0, without: Iterable[Column | None] = ()) -> Column | None:
        """Return the column whose name fits a role best; of the ``kinds``, and filled in more than a ``share``."""
        left_out = {column.name for column in without if column}
        fitting = [
            (fit, column)
            for column in self.columns
            if (fit := rank(column.name, role)) is not None and column.filled and column.share > share
            if (not kinds or column.kind in kinds) and column.name not in left_out
        ]
        return min(fitting, key=lambda one: one[0])[1] if fitting else None

    def date(self, role: str) -> Column | None:
        """Return the date whose name fits a role best; of two alike the finer one, the one that is called a date."""
        fitting = [
            ((fit, not column.has_time, "date" not in column.name.lower()), column)
            for column in self.columns
            if column.filled and (fit := date_rank(column.name, role)) is not None and column.is_date
        ]
        return min(fitting, key=lambda one: one[0])[1] if fitting else None

    def count(self, listed: str) -> int:
        """Count the columns whose names are among the ``words`` of a kind of file."""
        names = {plain(word) for word in vocabulary()["words"][listed]}
        return sum(plain(column.name) in names for column in self.columns)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def parts_of(path: Path) -> list[str]:
    """Name what of a file can be read: itself, each sheet of a workbook, each table of a database."""
    ending = path.suffix.lower()
    if ending in (".xlsx", ".xls", ".ods"):
        from python_calamine import CalamineWorkbook

        sheets = CalamineWorkbook.from_path(str(path)).sheet_names
        return [path.name] if len(sheets) == 1 else [f"{path.name}#{sheet}" for sheet in sheets]
    if ending in (".sqlite", ".sqlite3", ".db"):
        from adbc_driver_sqlite import dbapi

        with dbapi.connect(f"{path.resolve().as_uri()}?mode=ro") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            return [f"{path.name}#{row[0]}" for row in cursor.fetchall()]
    return [path.name]


def tables_of_server(reference: str) -> list[str]:
    """Name the table that a reference names, or every table of the PostgreSQL server."""
    server, table = split_reference(reference)
    if table or server != "postgresql":
        return [reference]
    from tenure.sources.readers.postgresql import TABLES, URL_VARIABLE, connected

    with connected(URL_VARIABLE, server) as cursor:
        cursor.execute(TABLES)
        return [f"{server}#{row[0]}" for row in sorted(cursor.fetchall())]


def look(connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, reference: str, number: int) -> Raw:
    """Open a raw file as texts and describe its columns.

    Raises
    ------
    DataContractError : the file cannot be read.
    """
    relation = f"looked_{number}"
    try:
        settings, leaves = _view_texts(connection, folder, scratch, reference, relation)
        (rows,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0]
        columns = describe(connection, relation, rows, leaves)
    except duckdb.Error as error:
        raise DataContractError(f"{reference}: cannot be read: {str(error).splitlines()[0]}") from None
    return Raw([reference], relation, columns, rows, {reference: settings} if settings else {})


def _view_texts(
    connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, reference: str, view: str
) -> tuple[dict[str, str | int], Leaves]:
    """Make a view of a raw file's texts. => what [raw] has to say of the file, what each column is there"""
    read, settings = _readable(connection, folder, scratch, reference)
    described = connection.execute(f"SELECT * FROM {read} LIMIT 0").description or ()
    leaves = [leaf for name, kind, *_ in described for leaf in _leaves(name, quoted(name), kind)]
    selected = ", ".join(f"nullif(trim(CAST({sql} AS VARCHAR)), '') AS {quoted(name)}" for name, _, sql, _ in leaves)
    (rows,) = connection.execute(f"SELECT count(*) FROM {read}").fetchall()[0]
    kept = "TABLE" if rows < SAMPLE_ROWS else "VIEW"  # of few rows the time goes into opening the file again
    connection.execute(f"CREATE {kept} {view} AS SELECT {selected} FROM {read}")
    return settings, {quoted(name): (last, sql, kind) for name, last, sql, kind in leaves}


def _readable(
    connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, reference: str
) -> tuple[str, dict[str, str | int]]:
    """Give the SQL that reads a file; where its reader refuses it and says what to write, that is written."""
    settings: dict[str, str | int] = {}
    while True:
        about: dict[str, Any] = settings
        place = Path(mkdtemp(dir=scratch))  # a reader that refuses a file may leave something behind
        source = Source(name="draft", where="draft", raw={reference: RawFile(**about)}, folder=folder)
        try:
            read = raw_relation(source, folder, place, reference)
            columns = describe_query(connection, f"SELECT * FROM {read}", reference)
            if find_readers(None).of(split_reference(reference)[0]).guesses_types:
                read = raw_relation(source, folder, place, reference, text_columns=columns)
            return read, settings
        except DataContractError as error:
            said = {key: value for key, value in re.findall(ADVICE, str(error)) if key not in settings and key in RAW}
            if not said:
                raise
            settings |= {key: int(value) if value.isdigit() else value.strip('"') for key, value in said.items()}


def _leaves(name: str, sql: str, kind: object, last: str = "") -> list[tuple[str, str, str, str]]:
    """Give a column, or the fields of a nested one: whole name, last part of it, SQL in the file, type."""
    if isinstance(kind, DuckDBPyType) and kind.id == "struct":
        return [
            leaf
            for field_name, of in kind.children
            for leaf in _leaves(f"{name}.{field_name}", f"{sql}.{quoted(field_name)}", of, field_name)
        ]
    return [(name, last or name, f"({sql} ->> '$')" if str(kind) == "JSON" else sql, str(kind))]


def batched(names: Iterable[str], size: int) -> Iterator[list[str]]:
    listed = list(names)
    return (listed[at : at + size] for at in range(0, len(listed), size))


def describe(connection: duckdb.DuckDBPyConnection, relation: str, rows: int, leaves: Leaves) -> list[Column]:
    """Describe the columns of a copy of texts."""
    figures: list[int] = []
    different = "count(DISTINCT {x})" if rows < SAMPLE_ROWS else "approx_count_distinct({x})"
    for some in batched(leaves, 40):  # of hundreds of columns the counts would not fit into memory at once
        counted = ", ".join(f"count({text}), {different.replace('{x}', text)}" for text in some)
        figures += connection.execute(f"SELECT {counted} FROM {relation}").fetchall()[0]
    columns = []
    for place, (text, (name, sql, kind)) in enumerate(leaves.items()):
        sampled = f"(SELECT {text} AS x FROM {relation} LIMIT {SAMPLE_ROWS})"
        top = connection.execute(
            f"SELECT x, count(*) FROM {sampled} WHERE x IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, hash(x) LIMIT {MOST_VALUES}"
        ).fetchall()
        filled, distinct = figures[2 * place : 2 * place + 2]
        sample = [value for value, _ in top]
        columns.append(Column(name, sql, text, rows, filled, distinct, top, sample, kind, (connection, relation)))
    return columns

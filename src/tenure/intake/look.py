"""Looking at raw files: each as a copy of texts, with what its columns are made of."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import literal, quoted
from tenure.intake.columns import Column
from tenure.intake.names import date_rank, plain, rank, vocabulary
from tenure.sources.document import RAW
from tenure.sources.raw_files import raw_relation, split_reference
from tenure.sources.raw_mapping import RawFile
from tenure.sources.readers.delimited import DelimitedReader
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import Source

SAMPLE_ROWS = 200_000
MOST_VALUES = 300
HEAD_BYTES = 1 << 18
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
        """Return the date whose name fits a role best; of two alike the one that is called a date, else the first."""
        fitting = [
            (fit, "date" not in column.name.lower(), column)
            for column in self.columns
            if column.filled and (fit := date_rank(column.name, role)) is not None and column.is_date
        ]
        return min(fitting, key=lambda one: one[:2])[2] if fitting else None

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


def look(connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, reference: str, number: int) -> Raw:
    """Copy a raw file as texts into the engine and describe its columns.

    Raises
    ------
    DataContractError : the file cannot be read.
    """
    relation = f"looked_{number}"
    try:
        settings, leaves = _copy_texts(connection, folder, scratch, reference, relation)
        (rows,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0]
        columns = describe(connection, relation, rows, leaves)
    except duckdb.Error as error:
        raise DataContractError(f"{reference}: cannot be read: {str(error).splitlines()[0]}") from None
    return Raw([reference], relation, columns, rows, {reference: settings} if settings else {})


def _copy_texts(
    connection: duckdb.DuckDBPyConnection, folder: Path, scratch: Path, reference: str, relation: str
) -> tuple[dict[str, str | int], Leaves]:
    """Make a table of texts. => the [raw] settings, what each column is in the file"""
    path = folder / reference
    reader = find_readers(None).of(split_reference(reference)[0])
    is_text = isinstance(reader, DelimitedReader)
    settings = _dialect(path) if is_text else {}
    source = _source_over(folder, reference, settings)
    # Until the readers know these two settings.
    if is_text and settings.keys() & {"skip", "stop"} - RAW.keys():
        options = f"all_varchar = true, header = true, skip = {settings.get('skip', 0)}, null_padding = true"
        options += "".join(f", {option} = {literal(str(settings[key]))}" for key, option in
                           (("delimiter", "delim"), ("encoding", "encoding")) if key in settings)  # fmt: skip
        read = f"read_csv({literal(str(path))}, {options})"
    else:
        read = raw_relation(source, folder, scratch, reference)
        if reader.guesses_types:
            names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
            read = raw_relation(source, folder, scratch, reference, text_columns=names)
    described = connection.execute(f"SELECT * FROM {read} LIMIT 0")
    leaves = [leaf for name, kind in ((d[0], d[1]) for d in described.description or ()) for leaf in _leaves(name, quoted(name), kind)]
    selected = ", ".join(f"nullif(trim(CAST({sql} AS VARCHAR)), '') AS {quoted(name)}" for name, _, sql, _ in leaves)
    connection.execute(f"CREATE TABLE {relation} AS SELECT {selected} FROM {read}")
    if (stop := settings.get("stop")) and "stop" not in RAW:
        first = quoted(leaves[0][0])
        connection.execute(
            f"DELETE FROM {relation} WHERE rowid >= (SELECT min(rowid) FROM {relation} WHERE starts_with({first}, {literal(str(stop))}))"
        )
    everything = ", ".join(quoted(name) for name, *_ in leaves)
    connection.execute(f"DELETE FROM {relation} WHERE coalesce({everything}, NULL) IS NULL")
    return settings, {quoted(name): (last, sql, kind) for name, last, sql, kind in leaves}


def _source_over(folder: Path, reference: str, settings: dict[str, str | int]) -> Source:
    about: dict[str, Any] = settings_known(settings)
    return Source(name="draft", where="draft", raw={reference: RawFile(**about)}, folder=folder)


def _leaves(name: str, sql: str, kind: object, last: str = "") -> list[tuple[str, str, str, str]]:
    """Give a column, or the fields of a nested one: whole name, last part of it, SQL in the file, type."""
    if getattr(kind, "id", "") == "struct":
        return [
            leaf
            for field_name, of in kind.children  # type: ignore[attr-defined]
            for leaf in _leaves(f"{name}.{field_name}", f"{sql}.{quoted(field_name)}", of, field_name)
        ]
    return [(name, last or name, f"({sql} ->> '$')" if str(kind) == "JSON" else sql, str(kind))]


def describe(connection: duckdb.DuckDBPyConnection, relation: str, rows: int, leaves: Leaves) -> list[Column]:
    """Describe the columns of a copy of texts."""
    counted = ", ".join(f"count({text}), approx_count_distinct({text})" for text in leaves)
    figures = connection.execute(f"SELECT {counted} FROM {relation}").fetchall()[0]
    if rows < SAMPLE_ROWS:
        exact = connection.execute(f"SELECT {', '.join(f'count(DISTINCT {text})' for text in leaves)} FROM {relation}")
        figures = [one for pair in zip(figures[::2], exact.fetchall()[0], strict=True) for one in pair]
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


def _dialect(path: Path) -> dict[str, str | int]:
    """Find what has to be said of a delimited file: encoding, delimiter, lines above the header, footer."""
    head, tail = _ends(path)
    settings: dict[str, str | int] = {}
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        (head[: head.rfind(b"\n") + 1] or head).decode(encoding), tail[tail.find(b"\n") + 1 :].decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    if encoding != "utf-8":
        settings["encoding"] = encoding
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    delimiter = max(",;\t|", key=lambda sign: _regularity(text, sign))
    if delimiter != ",":
        settings["delimiter"] = delimiter
    rows = list(csv.reader(text.splitlines()[:60], delimiter=delimiter))
    width = max((len(row) for row in rows), default=0)
    full = [number for number, row in enumerate(rows) if len([cell for cell in row if cell.strip()]) > max(1, width * 0.6)]
    if full and full[0] and all(sum(map(bool, row)) <= 2 for row in rows[: full[0]]):
        settings["skip"] = full[0]
    last = list(csv.reader(tail.decode(encoding, errors="replace").splitlines()[1:][-12:], delimiter=delimiter))
    for row in last:
        cells = [cell for cell in row if cell.strip()]
        first = re.split(r"[(\d:]", cells[0])[0].strip() if cells else ""
        if cells and len(cells) <= width * 0.4 and any(plain(first).startswith(word) for word in vocabulary()["words"]["totals"]):
            return settings | {"stop": first}
    return settings


def _ends(path: Path) -> tuple[bytes, bytes]:
    if path.suffix == ".gz":
        import gzip

        with gzip.open(path) as file:
            return file.read(HEAD_BYTES), b""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - HEAD_BYTES))
        return head, file.read()


def _regularity(text: str, delimiter: str) -> tuple[int, int]:
    widths = [len(row) for row in csv.reader(text.splitlines()[:60], delimiter=delimiter) if row]
    wide = [width for width in widths if width > 1]
    usual = max(set(wide), key=wide.count) if wide else 0
    return wide.count(usual) if usual else 0, usual


def settings_known(settings: dict[str, str | int]) -> dict[str, str | int]:
    """Keep what a [raw] section may say."""
    return {key: value for key, value in settings.items() if key in RAW}

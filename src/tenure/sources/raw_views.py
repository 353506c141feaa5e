"""A table's raw files, one below the other, or its query over several, as one view of the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.sql import describe, first_line, literal, parquet, quoted
from tenure.sources.column_expressions import column_expressions
from tenure.sources.looks_outside import looks_outside
from tenure.sources.raw_files import files_to_read, raw_relation, raw_table, split_reference
from tenure.sources.raw_mapping import RawFile, TableMapping
from tenure.sources.readers.reader import Reader, Told
from tenure.sources.readers.registry import Readers, find_readers
from tenure.sources.readers.text_copy import TextReader
from tenure.sources.source import Source
from tenure.sources.text_lineage import mentioned_in, read_as_text, text_columns, text_columns_of_query
from tenure.sources.typed_columns import typed_sql
from tenure.sources.unions import FILE, united

MANY_COLUMNS = 1_000


@dataclass(frozen=True)
class RawView:
    """The view that a table is staged from.

    ``raw_name`` is what messages call it. ``keeps_unreadable``: the engine sets unreadable lines aside, as a plugin's
    reader asked it to. ``known_at``: the SQL that says when a row was known, if the source declares it of its files.
    """

    name: str
    raw_name: str
    keeps_unreadable: bool
    told: tuple[tuple[str, Told], ...]
    known_at: str = ""


@dataclass(frozen=True)
class _Opening:
    """What opening one table's view needs everywhere."""

    connection: duckdb.DuckDBPyConnection
    source: Source
    folder: Path
    scratch: Path
    mapping: TableMapping
    readers: Readers  # to find them hashes what plugins bring: once

    @property
    def place(self) -> str:
        return f"{self.source.where} [{self.mapping.table.name}]"

    def reader(self, reference: str) -> Reader:
        return self.readers.of(split_reference(reference)[0])

    def relation(self, reference: str, text_columns: Iterable[str] = ()) -> str:
        return raw_relation(self.source, self.folder, self.scratch, reference, text_columns=text_columns)

    def columns(self, relation: str, reference: str) -> dict[str, str]:
        place = f"{self.place}: {reference} cannot be read"
        return describe_query(self.connection, f"SELECT * FROM {relation}", place)


def open_view(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    mapping: TableMapping,
    files: Iterable[str],
) -> RawView:
    """Make the view that a table is staged from; its query finds ``files`` under their names.

    Raises
    ------
    DataContractError : a missing or unreadable file, a query that is not one SELECT, files that hold the same rows.
    """
    view, readers = quoted(f"raw__{mapping.table.name}"), find_readers(source.folder)
    opening = _Opening(connection, source, folder, scratch, mapping, readers)
    views: dict[str, str] = {}
    differing: tuple[str, ...] = ()
    if mapping.query:
        _check_single_select(connection, mapping.query, opening.place)
        # Any other file is none of this query's, and may be none that can be read.
        read = [file for file in files if file.split(".")[0].lower() in mapping.query.lower()]
        for file in read:
            sql = _of_query(opening, file)
            views |= {quoted(known_as): sql for known_as in (file, file.split(".")[0])}
        views[view], name, known_at = mapping.query.strip().rstrip(";"), "the query", ""
        keeps = False
    else:
        read = list(files_to_read(readers, folder, mapping, opening.place))
        name = split_reference(read[0])[0] if len(read) == 1 else ", ".join(read)
        known_at = _known_at(source, read)
        views[view], differing = _of_files(opening, read, known_at)
        keeps = any(opening.reader(file).sets_aside for file in read)
    told = [(file, readers.told(raw_table(source, folder, scratch, file))) for file in read]
    _check_names_are_single(mapping, told, opening.place)
    if differing:
        told.append(("", Told(warnings=differing)))
    try:
        for known_as, sql in views.items():
            connection.execute(f"CREATE OR REPLACE VIEW {known_as} AS {sql}")
    except duckdb.Error as error:
        raise DataContractError(f"{opening.place}: {name} cannot be read: {first_line(error)}") from None
    return RawView(view, name, keeps, tuple(told), known_at)


def _of_query(opening: _Opening, file: str) -> str:
    """Return the SELECT of a file as a query finds it."""
    query = opening.mapping.query
    kept = text_columns_of_query(query, _texts(opening.mapping))
    return _typed(opening, {file: opening.relation(file, kept)}, file, mentioned_in(query), kept)


def _of_files(opening: _Opening, files: list[str], known_at: str) -> tuple[str, tuple[str, ...]]:
    """Return the SELECT of a table's files, one below the other, and which columns not all of them have."""
    mapping, place = opening.mapping, opening.place
    mentioned = None if mapping.is_as_staged and mapping.table.name == "customers" else _mentioned(mapping, known_at)
    relations = {file: _narrowed(opening.relation(file), mentioned, opening, file) for file in files}
    every = dict[str, str]()
    for file, relation in relations.items():
        every |= opening.columns(relation, file)
    expressions = column_expressions(mapping, every, place, ", ".join(files))
    kept = text_columns(expressions[column] for column in _texts(mapping) & expressions.keys())
    kept |= read_as_text([*expressions.values(), *filter(None, [known_at])])
    for file in files:
        if opening.reader(file).guesses_types:
            relations[file] = opening.relation(file, [name for name in every if name.lower() in kept])
    differing: tuple[str, ...] = ()
    if len(files) > 1:
        sql, differing = united(opening.connection, relations, place)
        # What is a number in one file and a word in another is a text in both, and typed as one column.
        relations = {file: f"({sql})" for file in files}
    return _typed(opening, relations, ", ".join(files), mentioned, kept), differing


def _typed(
    opening: _Opening, relations: dict[str, str], name: str, mentioned: Collection[str] | None, kept: Collection[str]
) -> str:
    """Return the SELECT of one relation whose texts have the types of all their values, where any is ``mentioned``.

    Types that files state hold: texts of a database are texts.
    """
    (relation,) = set(relations.values())
    if not any(opening.reader(file).is_text for file in relations):
        return f"SELECT * FROM {relation}"
    texts = [column for column, kind in opening.columns(relation, name).items() if kind == "VARCHAR" and column != FILE]
    asked = [column for column in texts if mentioned is None or column.lower() in mentioned]
    try:
        return typed_sql(opening.connection, relation, asked, kept)
    except duckdb.Error as error:
        raise DataContractError(f"{opening.place}: {name} cannot be read: {first_line(error)}") from None


def _texts(mapping: TableMapping) -> set[str]:
    """Name the staged columns that are texts by the contract."""
    return {"customer_id", *(column.name for column in mapping.table.columns if column.kind == "text")}


def _known_at(source: Source, files: list[str]) -> str:
    """Return the SQL that says when a row was known, each file's own."""
    declared = {file: source.raw.get(split_reference(file)[0], RawFile()).known_at for file in files}
    if len(set(declared.values())) == 1:
        return declared[files[0]]
    # As texts, for one may be a day where another is a time with its offset.
    cases = " ".join(f"WHEN {literal(file)} THEN CAST(({sql}) AS VARCHAR)" for file, sql in declared.items() if sql)
    return f"CASE {quoted(FILE)} {cases} END"


def _check_single_select(connection: duckdb.DuckDBPyConnection, query: str, place: str) -> None:
    try:
        statements = sqlglot.parse(query, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise DataContractError(f"{place} query: not readable SQL: {first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DataContractError(f"{place} query: expected one SELECT statement over the raw files, and nothing else.")
    if outside := looks_outside(connection, query):
        raise DataContractError(f"{place} query: {outside}. (A column so called is named with its table.)")


def _check_names_are_single(mapping: TableMapping, told: list[tuple[str, Told]], place: str) -> None:
    """Refuse a mapping that names a column of which the header has two."""
    repeated = {name.lower(): file for file, one in told for name in one.repeated}
    if not repeated:
        return
    for name in _mentioned(mapping):
        if name in repeated:
            raise DataContractError(
                f"{place}: the header of {repeated[name]} names {name!r} more than once, and the mapping reads it. Expected "
                f"one column of that name: rename one of them in the file. (The first is read as {name!r}, the next as "
                f"'{name}_1'.)"
            )


def _mentioned(mapping: TableMapping, *known_at: str) -> set[str]:
    """Name the columns, in lower case, that a mapping's SQL mentions; the staged names where it has none."""
    if mapping.is_as_staged:
        return {"customer_id", "occurred_at", "known_at", *mapping.table.column_names}
    texts = [*mapping.columns.values(), *mapping.attributes.values(), *mapping.extra.values(), *filter(None, known_at)]
    mentioned = {sql.strip('" ').lower() for sql in texts}  # a bare name may be a keyword
    for sql in [f"SELECT {sql}" for sql in texts] + [mapping.query]:
        try:
            mentioned |= {
                column.name.lower()
                for column in sqlglot.parse_one(sql or "SELECT 1", read="duckdb").find_all(exp.Column)
            }
        except sqlglot.errors.SqlglotError:
            continue  # refused where it is run
    return mentioned


def _narrowed(relation: str, mentioned: set[str] | None, opening: _Opening, file: str) -> str:
    """Return the SQL of a copy in texts: of thousands of columns only with those that the mapping mentions.

    The engine needs seconds for each look at thousands.
    """
    reader = opening.reader(file)
    if mentioned is None or not isinstance(reader, TextReader):
        return relation
    rows = reader.rows(raw_table(opening.source, opening.folder, opening.scratch, file))
    names = pq.read_schema(rows).names
    if len(names) <= MANY_COLUMNS:
        return relation
    narrow = rows.with_name(f"{opening.mapping.table.name}.parquet")
    pq.write_table(pq.read_table(rows, columns=[name for name in names if name.lower() in mentioned]), narrow)
    return parquet(narrow)


def describe_query(connection: duckdb.DuckDBPyConnection, query: str, place: str) -> dict[str, str]:
    """Map a query's columns to their types.

    Raises
    ------
    DataContractError : the engine cannot read what it asks for; says so for ``place``.
    """
    try:
        return describe(connection, f"({query})")
    except duckdb.Error as error:
        raise DataContractError(f"{place}: {first_line(error)}") from None

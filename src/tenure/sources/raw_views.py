"""A table's raw file, or its query over several, as one view of the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.sql import first_line, quoted
from tenure.sources.column_expressions import column_expressions
from tenure.sources.raw_files import choose_raw_file, raw_relation, split_reference
from tenure.sources.raw_mapping import RawFile, TableMapping
from tenure.sources.readers.reader import Reader
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import Source
from tenure.sources.text_lineage import mentioned_in, text_columns, text_columns_of_query
from tenure.sources.typed_columns import typed_sql


def open_view(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    mapping: TableMapping,
    files: Iterable[str],
) -> tuple[str, str, bool]:
    """Make the view that a table is staged from; its query finds ``files`` under their names.

    => view, raw file's name (for messages), whether unreadable lines are set aside

    Raises
    ------
    DataContractError : a missing or unreadable file, a query that is not one SELECT.
    """
    place = f"{source.where} [{mapping.table.name}]"
    view = quoted(f"raw__{mapping.table.name}")
    readers = find_readers(source.folder)
    views: dict[str, str] = {}
    if mapping.query:
        _check_single_select(mapping.query, place)
        kept = text_columns_of_query(mapping.query, _texts(mapping))
        for file in files:
            relation = raw_relation(source, folder, scratch, file)
            typed = _typed(
                connection, readers.of(file), relation, mentioned_in(mapping.query), kept, f"{place}: {file}"
            )
            views |= {quoted(known_as): typed for known_as in (file, file.split(".")[0])}
        views[view], name, keeps = mapping.query.strip().rstrip(";"), "the query", False
    else:
        reference = choose_raw_file(readers, folder, mapping.raw_files, place)
        name = split_reference(reference)[0]
        reader = readers.of(name)
        relation = raw_relation(source, folder, scratch, reference)
        raw = describe_query(connection, f"SELECT * FROM {relation}", f"{place}: {reference} cannot be read")
        expressions = column_expressions(mapping, raw, place, name)
        kept = text_columns(expressions[column] for column in _texts(mapping) & expressions.keys())
        known_at = source.raw.get(reference, source.raw.get(name, RawFile())).known_at
        mentioned = mentioned_in(f"SELECT {', '.join(filter(None, [*expressions.values(), known_at]))}")
        views[view] = _typed(connection, reader, relation, mentioned, kept, f"{place}: {reference}")
        keeps = reader.sets_aside
    try:
        for known_as, sql in views.items():
            connection.execute(f"CREATE OR REPLACE VIEW {known_as} AS {sql}")
    except duckdb.Error as error:
        raise DataContractError(f"{place}: {name} cannot be read: {first_line(error)}") from None
    return view, name, keeps


def _check_single_select(query: str, place: str) -> None:
    try:
        statements = sqlglot.parse(query, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise DataContractError(f"{place} query: not readable SQL: {first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DataContractError(f"{place} query: expected one SELECT statement over the raw files, and nothing else.")


def _texts(mapping: TableMapping) -> set[str]:
    """Name the staged columns that are texts by the contract."""
    return {"customer_id", *(column.name for column in mapping.table.columns if column.kind == "text")}


def _typed(
    connection: duckdb.DuckDBPyConnection,
    reader: Reader,
    relation: str,
    mentioned: Collection[str] | None,
    kept: Collection[str],
    place: str,
) -> str:
    """Return the SELECT of a raw file whose texts have the types of all their values, where any is ``mentioned``."""
    raw = describe_query(connection, f"SELECT * FROM {relation}", f"{place} cannot be read")
    if not reader.guesses_types:
        return f"SELECT * FROM {relation}"
    asked = [
        name for name, kind in raw.items() if kind == "VARCHAR" and (mentioned is None or name.lower() in mentioned)
    ]
    try:
        return typed_sql(connection, relation, asked, kept)
    except duckdb.Error as error:
        raise DataContractError(f"{place} cannot be read: {first_line(error)}") from None


def describe_query(connection: duckdb.DuckDBPyConnection, query: str, place: str) -> dict[str, str]:
    """Map a query's columns to their types.

    Raises
    ------
    DataContractError : the engine cannot read what it asks for; says so for ``place``.
    """
    try:
        return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall()}
    except duckdb.Error as error:
        hint = ""
        if "utf-8" in str(error).lower() or "unicode" in str(error).lower() or "encod" in str(error).lower():
            hint = ' Expected UTF-8: save it so, or say [raw."<file>"] encoding = "latin-1".'
        raise DataContractError(f"{place}: {first_line(error)}{hint}") from None


def describe_relation(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Map a relation's columns to their types."""
    return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}

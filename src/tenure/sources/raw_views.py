"""A table's raw file, or its query over several, as one view of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.sql import quoted
from tenure.sources.raw_files import choose_raw_file, raw_relation, split_reference
from tenure.sources.raw_mapping import TableMapping
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import Source


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
        for file in files:
            relation = raw_relation(source, folder, scratch, file)
            views |= {quoted(known_as): f"SELECT * FROM {relation}" for known_as in (file, file.split(".")[0])}
        views[view], name, keeps = mapping.query.strip().rstrip(";"), "the query", False
    else:
        reference = choose_raw_file(readers, folder, mapping.raw_files, place)
        name = split_reference(reference)[0]
        reader = readers.of(name)
        texts = _id_columns(connection, source, folder, scratch, reference, mapping) if reader.guesses_types else ()
        relation = raw_relation(source, folder, scratch, reference, text_columns=texts)
        views[view], keeps = f"SELECT * FROM {relation}", reader.sets_aside
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


def _id_columns(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    reference: str,
    mapping: TableMapping,
) -> list[str]:
    """Find the raw columns that are plainly mapped to text: '00017' must not be read as 17."""
    relation = raw_relation(source, folder, scratch, reference)
    raw = describe_query(
        connection, f"SELECT * FROM {relation}", f"{source.where} [{mapping.table.name}]: {reference} cannot be read"
    )
    texts = {"customer_id", *(c.name for c in mapping.table.columns if c.kind == "text")}
    plain = {column if mapping.is_as_staged else mapping.columns.get(column, "").strip('" ') for column in texts}
    return [column for column in raw if column.lower() in {name.lower() for name in plain}]


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


def first_line(error: Exception) -> str:
    """Shorten an engine's message to the line that matters."""
    return str(error).strip().splitlines()[0][:300]

"""A table's raw files, one below the other, or its query over several, as one view of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.sql import literal, quoted
from tenure.sources.raw_files import files_to_read, raw_relation, raw_table, split_reference
from tenure.sources.raw_mapping import RawFile, TableMapping
from tenure.sources.readers.reader import Told
from tenure.sources.readers.registry import find_readers
from tenure.sources.readers.text_copy import TextReader
from tenure.sources.source import Source

# Which of several files a row is from.
FILE = "raw file"
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
    place = f"{source.where} [{mapping.table.name}]"
    view = quoted(f"raw__{mapping.table.name}")
    readers = find_readers(source.folder)
    views: dict[str, str] = {}
    if mapping.query:
        _check_single_select(mapping.query, place)
        # Any other file is none of this query's, and may be none that can be read.
        read = [file for file in files if file.split(".")[0].lower() in mapping.query.lower()]
        for file in read:
            relation = typed_relation(connection, source, folder, scratch, file, mapping)
            views |= {quoted(known_as): f"SELECT * FROM {relation}" for known_as in (file, file.split(".")[0])}
        views[view], name, keeps, known_at = mapping.query.strip().rstrip(";"), "the query", False, ""
    else:
        read = list(files_to_read(readers, folder, mapping, place))
        name = split_reference(read[0])[0] if len(read) == 1 else ", ".join(read)
        relations = {file: typed_relation(connection, source, folder, scratch, file, mapping) for file in read}
        keeps = any(readers.of(split_reference(file)[0]).sets_aside for file in read)
        known_at = _known_at(source, read)
        views[view] = f"SELECT * FROM {relations[read[0]]}"
    told = [(file, readers.told(raw_table(source, folder, scratch, file))) for file in read]
    _check_names_are_single(mapping, told, place)
    if len(read) > 1 and not mapping.query:
        views[view], differing = _united(connection, relations, place)
        told.append(("", Told(warnings=differing)))
    try:
        for known_as, sql in views.items():
            connection.execute(f"CREATE OR REPLACE VIEW {known_as} AS {sql}")
    except duckdb.Error as error:
        raise DataContractError(f"{place}: {name} cannot be read: {first_line(error)}") from None
    return RawView(view, name, keeps, tuple(told), known_at)


def _known_at(source: Source, files: list[str]) -> str:
    """Return the SQL that says when a row was known, each file's own."""
    declared = {file: source.raw.get(split_reference(file)[0], RawFile()).known_at for file in files}
    if len(set(declared.values())) == 1:
        return declared[files[0]]
    cases = " ".join(f"WHEN {literal(file)} THEN ({sql})" for file, sql in declared.items() if sql)
    return f"CASE {quoted(FILE)} {cases} END"


def _united(
    connection: duckdb.DuckDBPyConnection, relations: dict[str, str], place: str
) -> tuple[str, tuple[str, ...]]:
    """Return the SQL of files one below the other, columns matched by name, and which columns not all of them have.

    Raises
    ------
    DataContractError : two of them hold the same rows.
    """
    kinds = {
        file: describe_query(connection, f"SELECT * FROM {relation}", f"{place}: {file} cannot be read")
        for file, relation in relations.items()
    }
    _check_rows_differ(connection, relations, kinds, place)
    found: dict[str, set[str]] = {}
    for columns in kinds.values():
        for name, kind in columns.items():
            found.setdefault(name.lower(), set()).add(kind.split("(")[0])
    selects = []
    for file, columns in kinds.items():
        # One engine type would be made of two, and a text that is none of its values is lost.
        texts = [f"{quoted(name)}::VARCHAR AS {quoted(name)}" for name in columns if len(found[name.lower()]) > 1]
        replaced = f" REPLACE ({', '.join(texts)})" if texts else ""
        selects.append(f"SELECT *{replaced}, {literal(file)} AS {quoted(FILE)} FROM {relations[file]}")
    said = []
    for name in found:
        having = [file for file, columns in kinds.items() if name in {column.lower() for column in columns}]
        if len(having) < len(kinds):
            lacking = [file for file in kinds if file not in having]
            said.append(f"column {name!r} is in {', '.join(having)} and not in {', '.join(lacking)}: empty there")
    return " UNION ALL BY NAME ".join(selects), tuple(said)


def _check_rows_differ(
    connection: duckdb.DuckDBPyConnection, relations: dict[str, str], kinds: dict[str, dict[str, str]], place: str
) -> None:
    seen: dict[tuple[object, ...], str] = {}
    counts = {
        file: connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
        for file, relation in relations.items()
    }
    for file, relation in relations.items():
        alike = [other for other in kinds if counts[other] == counts[file] and len(kinds[other]) == len(kinds[file])]
        if len(alike) == 1 or not counts[file]:
            continue
        texts = ", ".join(_as_one_text(name) for name in sorted(kinds[file], key=str.lower))
        hashed = f"SELECT sum(hash({texts})::HUGEINT) FROM {relation}"
        found = (*sorted(map(str.lower, kinds[file])), connection.execute(hashed).fetchall()[0][0])
        if found in seen:
            raise DataContractError(
                f"{place}: {seen[found]} and {file} hold the same {counts[file]:,} rows, forms of the same data. Expected "
                "files with rows of their own: read one of them, or list alternatives as one_of = "
                f'["{seen[found]}", "{file}"].'
            )
        seen[found] = file


def _as_one_text(name: str) -> str:
    """Return the SQL of a value as one text, however a file writes it: 2 and 2.0, a day and its midnight."""
    text = f"{quoted(name)}::VARCHAR"
    return f"coalesce(TRY_CAST({text} AS DOUBLE)::VARCHAR, TRY_CAST({text} AS TIMESTAMP)::VARCHAR, {text}, '')"


def _check_single_select(query: str, place: str) -> None:
    try:
        statements = sqlglot.parse(query, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise DataContractError(f"{place} query: not readable SQL: {first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DataContractError(f"{place} query: expected one SELECT statement over the raw files, and nothing else.")


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


def typed_relation(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    reference: str,
    mapping: TableMapping,
) -> str:
    """Return the SQL of a raw file with types; texts that are plainly mapped to text stay as they are: '00017' is an id."""
    reader = find_readers(source.folder).of(split_reference(reference)[0])
    relation = raw_relation(source, folder, scratch, reference)
    if not (reader.guesses_types or isinstance(reader, TextReader)):
        return relation
    mentioned = _mentioned(mapping, *(about.known_at for about in source.raw.values()))
    if isinstance(reader, TextReader):
        raw, relation = _narrowed(relation, mentioned, mapping, scratch)
    else:
        place = f"{source.where} [{mapping.table.name}]: {reference} cannot be read"
        raw = list(describe_query(connection, f"SELECT * FROM {relation}", place))
    texts = {"customer_id", *(c.name for c in mapping.table.columns if c.kind == "text")}
    plain = {column if mapping.is_as_staged else mapping.columns.get(column, "").strip('" ') for column in texts}
    kept = [column for column in raw if column.lower() in {name.lower() for name in plain}]
    if not isinstance(reader, TextReader):
        return raw_relation(source, folder, scratch, reference, text_columns=kept)
    guesses_all = mapping.table.name == "customers" or "*" in mapping.query
    guessed = [column for column in raw if column not in kept and (guesses_all or column.lower() in mentioned)]
    return _guessed(connection, relation, guessed)


def _narrowed(relation: str, mentioned: set[str], mapping: TableMapping, scratch: Path) -> tuple[list[str], str]:
    """Return the columns of a copy in texts, and its SQL: of thousands only with those that the mapping mentions.

    The engine needs seconds for each look at thousands.
    """
    copy = relation.removeprefix("read_parquet('").removesuffix("')").replace("''", "'")
    names = pq.read_schema(copy).names
    if len(names) <= MANY_COLUMNS or mapping.is_as_staged or "*" in mapping.query:
        return names, relation
    few = [name for name in names if name.lower() in mentioned]
    narrow = scratch / f"{mapping.table.name}-{Path(copy).parent.name}.parquet"
    pq.write_table(pq.read_table(copy, columns=few), narrow)
    return few, f"read_parquet({literal(str(narrow))})"


def _guessed(connection: duckdb.DuckDBPyConnection, relation: str, columns: list[str]) -> str:
    """Type columns of texts by all of their values: whole numbers, numbers, truths, days, times."""
    if not columns:
        return relation
    tests = {
        "BIGINT": "regexp_full_match({x}, '-?[0-9]{{1,18}}')", "DOUBLE": "TRY_CAST({x} AS DOUBLE) IS NOT NULL",
        "BOOLEAN": "lower({x}) IN ('true', 'false')", "DATE": "regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') AND TRY_CAST({x} AS DATE) IS NOT NULL",
        "TIMESTAMP": "regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([ T][0-9:.]+)?') AND TRY_CAST({x} AS TIMESTAMP) IS NOT NULL",
    }  # fmt: skip
    asked = [
        f"bool_and({test.format(x=quoted(column))}) FILTER ({quoted(column)} IS NOT NULL)"
        for column in columns
        for test in tests.values()
    ]
    found = connection.execute(f"SELECT {', '.join(asked)} FROM {relation}").fetchall()[0]
    casts = []
    for place, column in enumerate(columns):
        fits = dict(zip(tests, found[place * len(tests) : (place + 1) * len(tests)], strict=True))
        if kind := next((kind for kind, is_one in fits.items() if is_one), ""):
            casts.append(f"{quoted(column)}::{kind} AS {quoted(column)}")
    return f"(SELECT * REPLACE ({', '.join(casts)}) FROM {relation})" if casts else relation


def describe_query(connection: duckdb.DuckDBPyConnection, query: str, place: str) -> dict[str, str]:
    """Map a query's columns to their types.

    Raises
    ------
    DataContractError : the engine cannot read what it asks for; says so for ``place``.
    """
    try:
        return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall()}
    except duckdb.Error as error:
        raise DataContractError(f"{place}: {first_line(error)}") from None


def describe_relation(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Map a relation's columns to their types."""
    return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def first_line(error: Exception) -> str:
    """Shorten an engine's message to the line that matters."""
    return str(error).strip().splitlines()[0][:300]

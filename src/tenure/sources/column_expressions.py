"""Which SQL expression gives each staged column, and what it reads of the raw file."""

from __future__ import annotations

import duckdb
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.sql import first_line, quoted
from tenure.sources.looks_outside import looks_outside
from tenure.sources.raw_mapping import TableMapping


def column_expressions(mapping: TableMapping, raw_types: dict[str, str], place: str, raw_name: str) -> dict[str, str]:
    """Give each staged column its SQL expression, from the TOML or, for files that need no mapping, by name.

    Raises
    ------
    DataContractError : a file that needs no mapping lacks a column.
    """
    table = mapping.table
    by_lower = {raw.lower(): raw for raw in raw_types}
    base = ("customer_id", "occurred_at", "known_at") if table.is_dated else ()
    names = (*base, *table.column_names)
    if mapping.columns:
        expressions = dict(mapping.columns)
    else:
        expressions = {name: quoted(by_lower[name]) for name in names if name in by_lower}
        required = {c.name for c in table.columns if c.required} | set(base[:1])
        required |= {"occurred_at"} if table.is_dated and table.name != "customers" else set()
        if missing := sorted(required - expressions.keys()):
            raise DataContractError(
                f"{place}: {raw_name} has no column {', '.join(missing)}. Found: {', '.join(raw_types)}. Rename the "
                "columns, or map them in source.toml."
            )
        if table.name == "customers":
            rest = {raw.lower(): quoted(raw) for raw in raw_types if raw.lower() not in names}
            expressions |= {_attribute_name(name): sql for name, sql in rest.items()}
    expressions |= mapping.attributes | mapping.extra
    # A bare column name may be a keyword or hold blanks: it means the column.
    return {
        name: quoted(by_lower[sql.lower()]) if sql.lower() in by_lower else sql for name, sql in expressions.items()
    }


def _attribute_name(raw: str) -> str:
    cleaned = (
        "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in raw).strip("_") or "attribute"
    )
    return cleaned if cleaned[0].isalpha() else f"a_{cleaned}"


def columns_in(sql: str, raw_types: dict[str, str]) -> tuple[str, ...]:
    """Name the raw columns an expression mentions, as the file writes them."""
    used = {
        column.name.lower() for column in sqlglot.parse_one(f"SELECT {sql or 1}", read="duckdb").find_all(exp.Column)
    }
    return tuple(raw for raw in raw_types if raw.lower() in used)


def type_of(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    raw_name: str,
    raw_types: dict[str, str],
    column: str,
    sql: str,
    problems: list[str],
) -> str:
    """Return the engine's type of a column's expression; a faulty one has none, and is added to ``problems``."""
    place = f"{column} = {sql!r}"
    try:
        parsed = sqlglot.parse_one(f"SELECT {sql} AS x", read="duckdb")
    except sqlglot.errors.SqlglotError:
        problems.append(f"{place}: not readable SQL. Expected one expression over the columns of {raw_name}")
        return ""
    if not isinstance(parsed, exp.Select) or len(parsed.expressions) != 1:
        problems.append(f"{place}: expected one expression, and nothing else")
        return ""
    known = {raw.lower() for raw in raw_types}
    for used in parsed.find_all(exp.Column):
        if used.name.lower() not in known and not parsed.find(exp.Subquery):
            problems.append(f"{place}: {UnknownNameError(f'Column of {raw_name}', used.name, raw_types)}")
            return ""
    if outside := looks_outside(connection, f"SELECT ({sql}) AS x", known):
        problems.append(f"{place}: {outside}")
        return ""
    try:
        return str(connection.execute(f"DESCRIBE SELECT ({sql}) AS x FROM {view}").fetchall()[0][1])
    except duckdb.Error as error:
        problems.append(f"{place}: {_text_for_numbers(connection, view, raw_types, sql) or first_line(error)}")
        return ""


def _text_for_numbers(connection: duckdb.DuckDBPyConnection, view: str, raw_types: dict[str, str], sql: str) -> str:
    """Say which columns would have to be numbers and are text, and for which value.

    Nothing is said where something else is wrong.

    One word in a column of numbers makes all of it text.
    """
    texts = {
        name if name.isidentifier() else quoted(name): quoted(name)
        for name in columns_in(sql, raw_types) if raw_types[name] == "VARCHAR"
    }  # fmt: skip
    if not texts:
        return ""
    numbers = ", ".join(f"TRY_CAST({name} AS DOUBLE) AS {name}" for name in texts.values())
    try:
        connection.execute(f"DESCRIBE SELECT ({sql}) AS x FROM (SELECT * REPLACE ({numbers}) FROM {view})")
    except duckdb.Error:
        return ""
    said = []
    for told, name in texts.items():
        asked = f"SELECT {name} FROM {view} WHERE TRY_CAST({name} AS DOUBLE) IS NULL AND {name} IS NOT NULL LIMIT 1"
        word = connection.execute(asked).fetchone()
        said.append(f"{told} is text" + (f", for it holds {word[0]!r}" if word else ""))
    wrapped = ", ".join(f"TRY_CAST({told} AS DOUBLE)" for told in texts)
    return f"{'; '.join(said)}. Expected numbers: write {wrapped}, and rows without one are kept apart as rejected"

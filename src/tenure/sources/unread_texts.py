"""Refusing columns written in a form that staging does not read by itself, with the expression that reads it."""

from __future__ import annotations

import json

import duckdb

from tenure.core.sql import literal
from tenure.sources.casts import NUMERIC
from tenure.sources.contract import Column
from tenure.sources.readings.dates import date_readings, number_dates
from tenure.sources.readings.evidence import Evidence, Reading
from tenure.sources.readings.numbers import EXACT, currencies, number_readings

ISO = "dates with the year first, as in 2026-01-31"
FIGURES = "figures with at most a point, as in 1234.50"


def problem_of_date(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, expression: str, kind: str, written: str
) -> str:
    """Say how a column's dates are to be read; nothing where they are read as they stand."""
    if kind.split("(")[0] in NUMERIC:
        found = number_dates(connection, relation, expression)
    elif kind == "VARCHAR":
        found = date_readings(connection, relation, expression)
    else:
        return ""
    return _problem(connection, found, column, written, ISO)


def problem_of_number(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, expression: str, written: str
) -> str:
    """Say how a text column's numbers are to be read; nothing where they are read as they stand."""
    found = number_readings(connection, relation, expression)
    signs = currencies(connection, relation, expression) if found.readings else []
    if len(signs) > 1:
        return (
            f"{column} = {_toml(written)}: amounts in {len(signs)} currencies ({', '.join(signs)}). Expected the source's one; "
            "convert the others in a query, or leave their rows out"
        )
    return _problem(connection, found, column, written, FIGURES)


def problem_of(
    connection: duckdb.DuckDBPyConnection, relation: str, column: Column, expression: str, kind: str, written: str
) -> str:
    """Say how a column of the contract is to be read; nothing where it is read as it stands.

    ``written``: the SQL that stands in the mapping, or in its query, and makes ``expression``.
    """
    if column.kind == "date":
        return problem_of_date(connection, relation, column.name, expression, kind, written)
    if column.kind in ("decimal", "integer") and kind == "VARCHAR":
        return problem_of_number(connection, relation, column.name, expression, written)
    return ""


def _problem(
    connection: duckdb.DuckDBPyConnection, found: Evidence, column: str, expression: str, expected: str
) -> str:
    if found.is_plain or not found.readings:
        return ""
    odd = found.filled - found.plain
    place = f"{column} = {_toml(expression)}"
    write = " or ".join(f"{column} = {_toml(reading.of(expression))}" for reading in found.readings)
    if found.exceptions:
        named = " or ".join(reading.name for reading in found.readings)
        return (
            f"{place}: values written in several ways: {found.explained:,} as {named} (first: {found.example!r}), "
            f"{found.exceptions:,} in another way (first: {found.exception!r}), {found.plain:,} plain. No single way reads all. "
            f"Expected {expected}; write the file anew in one form, or tell the rows apart in a query"
        )
    if len(found.readings) > 1:
        read = " but ".join(
            f"{_read_as(connection, reading, found.example)} as {reading.name}" for reading in found.readings
        )
        return (
            f"{place}: all {odd:,} values that are not plain can be read in {len(found.readings)} ways, and nothing in the file tells which "
            f"is right: {found.example!r} is {read}. Expected {expected}. Write the one that is right: {write}"
        )
    (reading,) = found.readings
    if found.plain and expected == ISO:
        both = f"coalesce(TRY_CAST({expression} AS TIMESTAMP), {reading.of(expression)})"
        return (
            f"{place}: dates in two formats: {found.explained:,} rows look like {found.example!r} ({reading.name}), {found.plain:,} are plain. "
            f"Expected {expected}. Write the file anew, or read both: {column} = {_toml(both)}"
        )
    if found.plain_explained < found.plain:
        both = f"coalesce(TRY_CAST({expression} AS {EXACT}), {reading.of(expression)})"
        return (
            f"{place}: numbers in two forms: {found.explained:,} are {reading.name} (first: {found.example!r}), {found.plain:,} "
            f"are plain. Expected {expected}. Write the file anew, or read both: {column} = {_toml(both)}"
        )
    rest = found.filled - found.plain - found.explained
    others = f", the other {rest:,} (first: {found.exception!r}) are none and will be rejected" if rest else ""
    return (
        f"{place}: {found.explained:,} of {found.filled:,} values are written as {reading.name} "
        f"(first: {found.example!r}){others}. Expected {expected}. Write {write}"
    )


def _read_as(connection: duckdb.DuckDBPyConnection, reading: Reading, text: str) -> str:
    (value,) = connection.execute(f"SELECT CAST(({reading.of(literal(text))}) AS VARCHAR)").fetchall()[0]
    return str(value).removesuffix(" 00:00:00").removesuffix("00+00")


def _toml(sql: str) -> str:
    return json.dumps(sql, ensure_ascii=False)

"""Quoting for SQL: the one place where text becomes part of a query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def quoted(name: str) -> str:
    """Quote an identifier for SQL.

    Examples
    --------
    >>> print(quoted("the order"))
    "the order"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL.

    Examples
    --------
    >>> print(literal("O'Brien"))
    'O''Brien'
    """
    return "'" + text.replace("'", "''") + "'"


def parquet(path: Path) -> str:
    """Return the SQL that reads a Parquet file, for a FROM clause."""
    return f"read_parquet({literal(str(path))})"


def describe(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Map a relation's columns to the engine's types."""
    return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def first_line(error: Exception) -> str:
    """Shorten an engine's message to the line that matters."""
    return str(error).strip().splitlines()[0][:300]

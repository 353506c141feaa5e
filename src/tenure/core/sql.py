"""Quoting for SQL: the one place where text becomes part of a query."""

from __future__ import annotations

from pathlib import Path


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


def first_line(error: Exception) -> str:
    """Shorten an engine's message to the line that matters."""
    return str(error).strip().splitlines()[0][:300]

"""Quoting for SQL: the one place where text becomes part of a query."""

from __future__ import annotations


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

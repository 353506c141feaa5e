"""What in a mapping's SQL is no function of the source's files: a clock, chance, settings, the engine's own tables."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import duckdb

# Read without parentheses; of these a column of the same name comes first. (user is always the same text.)
WORDS = {
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "current_catalog", "current_role", "current_schema", "current_user", "session_user",
}  # fmt: skip
# The engine's catalogue calls these consistent, although a clock, chance, a version or who asks decides them.
ALSO_REFUSED = {
    "current_localtime", "current_localtimestamp", "reservoir_quantile", "version", "getenv", "getvariable",
    "current_query",
    "current_role", "current_user", "session_user",
}  # fmt: skip
TABLE_FUNCTIONS = {"unnest", "range", "generate_series", "repeat", "json_each", "json_tree"}
SCHEMAS = {"information_schema", "pg_catalog"}
ADVICE = (
    "Expected a function of the source's files alone. Write a column, a constant as in DATE '2026-01-31', hash(a column) "
    'for chance, and in FROM a file by its name: how it is read stands under [raw."its name"]'
)


def looks_outside(connection: duckdb.DuckDBPyConnection, select: str, columns: Collection[str] = ()) -> str:
    """Say what of a SELECT looks outside the source's files, and what to write instead; nothing where it does not.

    ``columns``: names, in lower case, that stand for a column of the files even where they are words of the engine.
    SQL that the engine cannot parse is refused where it is run.
    """
    (text,) = connection.execute("SELECT json_serialize_sql(?, skip_null := true)", [select]).fetchall()[0]
    parsed = json.loads(text)
    if parsed["error"]:
        return "" if parsed["error_type"] == "parser" else f"no SELECT that a file can be staged by. {ADVICE}"
    found = dict.fromkeys(name for node in _nodes(parsed) if (name := _outside(node, columns)))
    return f"{', '.join(found)} looks outside the source's files. {ADVICE}" if found else ""


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for held in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _nodes(held)


def _outside(node: dict[str, Any], columns: Collection[str]) -> str:
    """Name what a node of the engine's tree asks of the world outside the files."""
    functions, tables = _of_the_engine()
    kind, name = node.get("type"), str(node.get("function_name", "")).lower()
    if node.get("sample") or kind == "SHOW_REF":
        return "a sample" if node.get("sample") else "SHOW, DESCRIBE or SUMMARIZE"
    if kind == "TABLE_FUNCTION":
        name = node["function"]["function_name"].lower()
        return "" if name in TABLE_FUNCTIONS else f"{name}()"
    if kind == "BASE_TABLE":
        name, schema = node["table_name"], node.get("schema_name", "")
        return name if "/" in name or schema.lower() in SCHEMAS or name.lower() in tables else ""
    if kind == "COLUMN_REF":
        word = node["column_names"][0].lower()
        return word if len(node["column_names"]) == 1 and word in WORDS - {*columns} else ""
    # The age of one moment is that of today.
    return f"{name}()" if name in functions or (name == "age" and len(node.get("arguments", ())) == 1) else ""


@cache
def _of_the_engine() -> tuple[frozenset[str], frozenset[str]]:
    """Name the functions whose value not only their arguments decide, macros of them included, and the own tables."""
    with duckdb.connect() as connection:
        listed = connection.execute(
            "SELECT lower(function_name), function_type, stability, lower(macro_definition) FROM duckdb_functions()"
        ).fetchall()
        views = connection.execute("SELECT lower(view_name), schema_name FROM duckdb_views() WHERE internal").fetchall()
    refused = {name for name, _, stability, _ in listed if stability not in (None, "CONSISTENT")} - {"error"}
    refused |= ALSO_REFUSED
    tables = {name for name, kind, *_ in listed if kind == "table"} - TABLE_FUNCTIONS
    macros = [(name, {*re.findall(r"\w+", body)}) for name, kind, _, body in listed if kind == "macro"]
    while further := {name for name, words in macros if words & (refused | tables | WORDS)} - refused:
        refused |= further
    return frozenset(refused), frozenset(name for name, schema in views if schema != "information_schema")

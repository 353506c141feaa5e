"""Several raw files, one below the other."""

from __future__ import annotations

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.sql import describe, literal, quoted

# Which of several files a row is from.
FILE = "raw file"


def united(connection: duckdb.DuckDBPyConnection, relations: dict[str, str], place: str) -> tuple[str, tuple[str, ...]]:
    """Return the SQL of files one below the other, columns matched by name, and which columns not all of them have.

    Raises
    ------
    DataContractError : two of them hold the same rows.
    """
    kinds = {file: describe(connection, relation) for file, relation in relations.items()}
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

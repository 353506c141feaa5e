"""Two snapshots of one cutoff, compared to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from tenure.audit.problem import Kind
from tenure.core.sql import describe, parquet, quoted
from tenure.snapshots.engines.duckdb_session import connect

# Columns compared at a time: of a million customers not all 250 fit into memory.
COLUMNS_AT_A_TIME = 32
# The columns of what differs; the kind is that of an ``AuditProblem``.
DIFFERING = ("feature", "customers", "customer_id", "expected", "found", "kind")
Row = tuple[str, int, str, str, str, Kind]


def compare_snapshots(expected: Path, found: Path, columns: Mapping[str, Kind]) -> pd.DataFrame:
    """List every column that differs between two snapshot files; unknown equals unknown. ``columns``: name => kind.

    => feature, customers (how many differ), customer_id (the first of them), expected, found, kind; a customer who is
       in one snapshot alone counts under the feature ``(eligible)``.
    """
    names = list(columns)
    with connect() as connection:
        for name, path in (("expected", expected), ("found", found)):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {parquet(path)}")
        rows = _strangers(connection)
        differs = _conditions(connection, names)
        for start in range(0, len(names), COLUMNS_AT_A_TIME):
            together = {column: differs[column] for column in names[start : start + COLUMNS_AT_A_TIME]}
            for column, customers in _differing(connection, together).items():
                rows.append((column, customers, *_first(connection, column, differs[column]), columns[column]))
    return pd.DataFrame(rows, columns=list(DIFFERING))


def _strangers(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    customers, first, was_expected = connection.execute(
        "SELECT count(*), min(customer_id), arg_min(e.customer_id IS NOT NULL, customer_id) "
        "FROM expected e FULL JOIN found f USING (customer_id) WHERE e.customer_id IS NULL OR f.customer_id IS NULL"
    ).fetchall()[0]
    found = (str(was_expected), str(not was_expected))
    return [("(eligible)", customers, first, *found, "eligibility")] if customers else []


def _conditions(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> dict[str, str]:
    """Say in SQL when each column differs. A column without any value has a type of its own: it is compared as text."""
    expected, found = (describe(connection, view) for view in ("expected", "found"))

    def differs(column: str) -> str:
        left, right = (f"{view}.{quoted(column)}" for view in ("e", "f"))
        if expected[column] != found[column] and "VARCHAR" in (expected[column], found[column]):
            left, right = (f"CAST({side} AS VARCHAR)" for side in (left, right))
        return f"{left} IS DISTINCT FROM {right}"

    return {column: differs(column) for column in columns}


def _differing(connection: duckdb.DuckDBPyConnection, differs: Mapping[str, str]) -> dict[str, int]:
    """Count the customers of both snapshots for whom each column differs, where it does."""
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in differs.values())
    counts = connection.execute(f"SELECT {counted} FROM expected e JOIN found f USING (customer_id)").fetchall()[0]
    return {column: count for column, count in zip(differs, counts, strict=True) if count}


def _first(connection: duckdb.DuckDBPyConnection, column: str, differs: str) -> tuple[str, str, str]:
    name = quoted(column)
    first, expected, found = connection.execute(
        f"SELECT customer_id, e.{name}, f.{name} FROM expected e JOIN found f USING (customer_id) WHERE {differs} "
        "ORDER BY customer_id LIMIT 1"
    ).fetchall()[0]
    return first, str(expected), str(found)

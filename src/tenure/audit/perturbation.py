"""Change every fact not yet known at a cutoff: no feature may move."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from tenure.audit.copies import with_tables
from tenure.audit.replay import Replay, rebuild
from tenure.core.sql import describe, literal, parquet, quoted
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.contract import STAGED_TABLES


def perturb_future(snapshots: Snapshots, cutoff: date) -> Replay:
    """Build a cutoff's snapshot again from facts whose unknown part was changed in every column, and compare."""
    snapshots.build_features([cutoff])
    with snapshots.scratch() as scratch:
        unknown = f"(known_at >= DATE '{cutoff}' OR occurred_at >= DATE '{cutoff}')"
        with connect() as connection:
            relations = {name: parquet(snapshots.staged.path(name)) for name in tables_with_rows(snapshots.staged)}
            counts = [f"(SELECT count(*) FROM {relation} WHERE {unknown})" for relation in relations.values()]
            changed = connection.execute(f"SELECT {' + '.join(counts) or '0'}").fetchall()[0][0]
            queries = {name: _changed_sql(connection, name, relation, unknown) for name, relation in relations.items()}
            staged = with_tables(connection, snapshots.staged, Path(scratch) / "staged", queries)
        return rebuild("future perturbation", snapshots, staged, cutoff, Path(scratch), changed)


def _changed_sql(connection: duckdb.DuckDBPyConnection, table: str, relation: str, unknown: str) -> str:
    kinds = describe(connection, relation)
    replaced = ", ".join(
        f"CASE WHEN {unknown} THEN {_changed(table, column, kind)} ELSE {quoted(column)} END AS {quoted(column)}"
        for column, kind in kinds.items()
        if column not in ("customer_id", "occurred_at", "known_at")
    )
    return f"SELECT {f'* REPLACE ({replaced})' if replaced else '*'} FROM {relation}"


def _changed(table: str, column: str, kind: str) -> str:
    """Give SQL for another value of the same kind."""
    name = quoted(column)
    if kind.startswith("DECIMAL"):
        return f"CAST(17 - 3 * coalesce({name}, 1) AS {kind})"
    if kind == "BOOLEAN":
        return f"NOT coalesce({name}, false)"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return f"CAST(coalesce({name}, DATE '2000-01-01') + INTERVAL 11 DAY AS {kind})"
    if kind != "VARCHAR":
        return f"CAST(11 + 2 * coalesce({name}, 1) AS {kind})"
    allowed = next((c.allowed for c in STAGED_TABLES[table].columns if c.name == column), ())
    if len(allowed) > 1:
        turns = " ".join(
            f"WHEN {literal(a)} THEN {literal(b)}" for a, b in zip(allowed, (*allowed[1:], allowed[0]), strict=True)
        )
        return f"CASE {name} {turns} ELSE {literal(allowed[0])} END"
    return f"coalesce({name}, '') || '~'"

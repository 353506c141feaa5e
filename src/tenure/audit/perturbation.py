"""Change every fact not yet known at a cutoff: no feature may move."""

from __future__ import annotations

from dataclasses import replace as with_changes
from datetime import date
from pathlib import Path

import duckdb

from tenure.audit.replay import Replay, rebuild
from tenure.core.atomic_files import link_file
from tenure.core.sql import describe, literal, parquet, quoted
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.staged_source import StagedSource


def perturb_future(snapshots: Snapshots, cutoff: date) -> Replay:
    """Build a cutoff's snapshot again from facts whose unknown part was changed in every column, and compare."""
    snapshots.build_features([cutoff])
    with snapshots.scratch() as scratch:
        folder = Path(scratch) / "staged"
        folder.mkdir()
        changed = 0
        with connect() as connection:
            for name in snapshots.staged.tables:
                path = folder / f"{name}.parquet"
                if name in tables_with_rows(snapshots.staged):
                    changed += _write_changed(connection, snapshots.staged, name, cutoff, path)
                else:
                    link_file(snapshots.staged.path(name), path)
        staged = with_changes(snapshots.staged, folder=folder)
        return rebuild("future perturbation", snapshots, staged, cutoff, Path(scratch), changed)


def _write_changed(
    connection: duckdb.DuckDBPyConnection, staged: StagedSource, table: str, cutoff: date, path: Path
) -> int:
    unknown = f"(known_at >= DATE '{cutoff}' OR occurred_at >= DATE '{cutoff}')"
    relation = parquet(staged.path(table))
    kinds = describe(connection, relation)
    replaced = ", ".join(
        f"CASE WHEN {unknown} THEN {_changed(table, column, kind)} ELSE {quoted(column)} END AS {quoted(column)}"
        for column, kind in kinds.items()
        if column not in ("customer_id", "occurred_at", "known_at")
    )
    star = f"* REPLACE ({replaced})" if replaced else "*"
    connection.execute(f"COPY (SELECT {star} FROM {relation}) TO {literal(str(path))} (FORMAT parquet)")
    return int(connection.execute(f"SELECT count(*) FROM {relation} WHERE {unknown}").fetchall()[0][0])


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

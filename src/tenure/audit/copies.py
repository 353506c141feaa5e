"""Staged facts with some tables changed: what checks rebuild snapshots from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from tenure.core.atomic_files import link_file
from tenure.core.sql import literal
from tenure.sources.staged_source import StagedSource


def with_tables(
    connection: duckdb.DuckDBPyConnection, staged: StagedSource, folder: Path, queries: Mapping[str, str]
) -> StagedSource:
    """Write what each table's query gives into a new folder, and link the other tables there."""
    folder.mkdir()
    for table in staged.tables:
        path = folder / f"{table}.parquet"
        if table in queries:
            connection.execute(f"COPY ({queries[table]}) TO {literal(str(path))} (FORMAT parquet)")
        else:
            link_file(staged.path(table), path)
    return replace(staged, folder=folder)

"""Small tables a reader can check by eye, and sources made of them."""

from pathlib import Path

import duckdb

from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.sources.staged_source import StagedSource


def write_csv(path: Path, header: str, *rows: str) -> None:
    """Write a CSV from blank-separated words: a header and rows; '-' is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join("" if word == "-" else word for word in row.split()) for row in rows]
    path.write_text("\n".join([header.replace(" ", ","), *lines]) + "\n", encoding="utf-8")


def staged(root: Path, toml: str = "", name: str = "shop", **tables: tuple[str, ...]) -> StagedSource:
    """Stage a source made of small CSV tables that carry the staged names."""
    workspace = Workspace(root)
    for table, rows in tables.items():
        write_csv(workspace.raw(name) / f"{table}.csv", *rows)
    if toml:
        (workspace.raw(name) / "source.toml").write_text(toml, encoding="utf-8")
    return stage_source(workspace, read_source(workspace, name))


def read(path: Path, columns: str = "*") -> list[tuple]:
    return duckdb.sql(f"SELECT {columns} FROM read_parquet('{path}')").fetchall()

"""Spark against DuckDB on whole sources, cell by cell: every feature, eligibility and label; seconds of each.

Usage: python benchmarks/spark.py [SOURCE ...], the files of each in TENURE_TEST_DATA/SOURCE; writes RESULTS.md.
"""

import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from results import machine, table, write_section

from tenure.core.sql import quoted
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import ENGINES, open_engine
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

SOURCES = ("demo", "cdnow", "365_learning", "online_retail", "complete_journey")
HEAD = (
    "source", "cutoffs", "rows", "features", "cells", "differ in any bit", "by more than 1e-9", "DuckDB, seconds", "Spark, seconds",
)  # fmt: skip
PROTOCOL = """
Every snapshot and every label that a first run of each source builds, by both engines, each once. Spark is a local one on two
cores, started before the clock; what it writes, DuckDB joins, rounds and sorts. A cell is one value of one row; two values
are the same if they have the same bits, or both are unknown.
"""
TOLERANCE = 1e-9


def main(*sources: str) -> None:
    if find_spec("pyspark") is None:
        print("Not compared with Spark, which is not installed here: python -m pip install -e '.[spark]' (Java 17).")
        return
    rows = []
    for source in sources or SOURCES:
        rows.append(row_of(source))
        print(" | ".join(rows[-1]), flush=True)
    if not sources:
        write_section("Spark", f"{PROTOCOL}\n{table(HEAD, rows)}\n\n{machine('duckdb', 'pyspark')}")


def row_of(source: str) -> tuple[str, ...]:
    """Build all of a source with both engines and compare. => one row of the table"""
    with TemporaryDirectory() as root:
        snapshots = staged(Workspace(Path(root)), source)
        plans = {name: snapshots.plan(target).all for name, target in snapshots.targets.items()}
        cutoffs = sorted({snapshots.as_of}.union(*plans.values()))
        seconds = {engine: build(snapshots, engine, Path(root) / engine, cutoffs, plans) for engine in ENGINES}
        rows, cells, bits, beyond = compare(*(Path(root) / engine for engine in ENGINES))
    counts = (len(cutoffs), rows, len(snapshots.columns), cells, bits, beyond)
    return (source, *(f"{count:,}" for count in counts), *(f"{value:.1f}" for value in seconds.values()))


def staged(workspace: Workspace, source: str) -> Snapshots:
    if source == "demo":
        generate_demo(workspace.raw(source), workspace.truth(source))
    else:
        fetch_source(workspace, source, Path(os.environ.get("TENURE_TEST_DATA", "../shared/data")) / source)
    facts = stage_source(workspace, read_source(workspace, source))
    return Snapshots(workspace, facts, facts.default_as_of)


def build(snapshots: Snapshots, engine: str, folder: Path, cutoffs: list, plans: dict) -> float:
    """Build the snapshots and labels with one engine; print what each part took. => seconds"""
    folder.mkdir()
    with open_engine(engine, snapshots.staged, folder) as opened:
        started = time.monotonic()
        paths = {cutoff: folder / f"{cutoff}.parquet" for cutoff in cutoffs}
        opened.build_snapshot(snapshots.targets.values(), snapshots.columns, cutoffs, paths)
        for name, target in snapshots.targets.items():
            for cutoff in plans[name]:
                path = folder / f"{name}-{cutoff}.parquet"
                opened.build_labels(target, cutoff, snapshots.as_of, paths[cutoff], path)
        seconds = time.monotonic() - started
        for cost in opened.costs:
            print(f"  {engine} {cost.way} {cost.table} {cost.columns}: {cost.seconds:.1f} s", flush=True)
    return seconds


def compare(expected: Path, found: Path) -> tuple[int, int, int, int]:
    """Compare the files of two folders by their rows' order. => rows, cells, cells of other bits, cells beyond the tolerance"""
    rows = cells = bits = beyond = 0
    for path in sorted(expected.glob("*.parquet")):
        names = ("expected", "found")
        with duckdb.connect() as connection:
            for name, file in zip(names, (path, found / path.name), strict=True):
                connection.execute(
                    f"CREATE TABLE {name} AS SELECT *, row_number() OVER () AS row FROM read_parquet('{file}')"
                )
            columns, others = (connection.execute(f"DESCRIBE {name}").fetchall() for name in names)
            counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names]
            if columns != others or counts[0] != counts[1]:
                sys.exit(f"{path.name}: {counts} rows, or other columns: {set(columns) ^ set(others)}")
            rows, cells = rows + counts[0], cells + counts[0] * (len(columns) - 1)
            for name, kind, *_ in columns[:-1]:
                left, right = f"expected.{quoted(name)}", f"found.{quoted(name)}"
                far = f"NOT abs({left} - {right}) <= {TOLERANCE} * abs({left})" if kind == "DOUBLE" else "true"
                differs, is_far = connection.execute(
                    f"SELECT count(*), count(*) FILTER (WHERE coalesce({far}, true)) FROM expected JOIN found USING (row) "
                    f"WHERE {left} IS DISTINCT FROM {right}"
                ).fetchall()[0]
                if differs:
                    print(f"  {path.name} {name}: {differs} differ, {is_far} by more than {TOLERANCE}", flush=True)
                bits, beyond = bits + differs, beyond + is_far
    return rows, cells, bits, beyond


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Spark against DuckDB on a real source, cell by cell: every feature, eligibility and label; seconds of each.

Usage: python benchmarks/spark.py [SOURCE [CUTOFFS]], SOURCE's files in TENURE_TEST_DATA/SOURCE; CUTOFFS takes only the first so many.
"""

import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tenure.engines.choice import ENGINES, open_engine
from tenure.snapshots import Snapshots
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.workspace import Workspace


def main(source: str = "complete_journey", most: str = "99") -> None:
    with TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        fetch_source(workspace, source, Path(os.environ.get("TENURE_TEST_DATA", "../shared/data")) / source)
        staged = stage_source(workspace, read_source(workspace, source))
        snapshots = Snapshots(workspace, staged, staged.default_as_of)
        plans = {name: snapshots.plan(target).all for name, target in snapshots.targets.items()}
        cutoffs = sorted({snapshots.as_of}.union(*plans.values()))[: int(most)]
        print(f"{source}: {len(cutoffs)} cutoffs, {len(snapshots.columns)} features", flush=True)
        for engine in ENGINES:
            folder = Path(root) / engine
            folder.mkdir()
            started = time.monotonic()
            with open_engine(engine, staged, folder) as opened:
                paths = {cutoff: folder / f"{cutoff}.parquet" for cutoff in cutoffs}
                opened.build_snapshot(snapshots.targets.values(), snapshots.columns, cutoffs, paths)
                for name, target in snapshots.targets.items():
                    for cutoff in set(plans[name]) & set(cutoffs):
                        path = folder / f"{name}-{cutoff}.parquet"
                        opened.build_labels(target, cutoff, snapshots.as_of, paths[cutoff], path)
            print(f"{engine}: {time.monotonic() - started:.1f} s", flush=True)
        compare(Path(root) / "duckdb", Path(root) / "spark")


def compare(expected: Path, found: Path) -> None:
    cells = bits = beyond = rows = 0
    for path in sorted(expected.glob("*.parquet")):
        left, right = pd.read_parquet(path), pd.read_parquet(found / path.name)
        if not (left.dtypes.equals(right.dtypes) and left["customer_id"].equals(right["customer_id"])):
            print(f"{path.name}: other columns or customers")
            continue
        rows, cells = rows + len(left), cells + left.size
        for name in left.columns:
            differs = ~((left[name] == right[name]) | (left[name].isna() & right[name].isna()))
            if differs.any():
                # Flags and texts that differ are beyond any tolerance: their ratio is unknown.
                ratio = pd.to_numeric(left[name][differs], errors="coerce") / pd.to_numeric(
                    right[name][differs], errors="coerce"
                )
                bits, beyond = bits + int(differs.sum()), beyond + int((~((ratio - 1).abs() <= 1e-9)).sum())
                print(f"  {path.name} {name}: {int(differs.sum())} differ, by {(ratio - 1).abs().max():.1e}")
    print(f"{rows:,} rows, {cells:,} cells: {bits:,} differ in any bit, {beyond:,} by more than 1e-9")


if __name__ == "__main__":
    main(*sys.argv[1:])

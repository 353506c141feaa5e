"""Do the intervals hold? Train on small demo worlds, then ask each model about many fresh customers of the same world.

The 95 % interval of AUC that a run prints for 2,000 customers should cover the model's AUC on 50,000 others.
Usage: python benchmarks/intervals.py [--seeds N] [--customers N] [--fresh N]
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tenure.core.auc import auc_with_interval
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

TARGETS = ("churn", "lapse", "upsell")


def world(folder: str, customers: int, seed: int) -> Snapshots:
    workspace = Workspace(Path(folder))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers, seed=seed)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    return Snapshots(workspace, staged, staged.default_as_of)


def fresh_tables(customers: int) -> dict[str, pd.DataFrame]:
    """Snapshots of the fresh customers at each target's test cutoff, with labels."""
    with TemporaryDirectory() as folder:
        snapshots = world(folder, customers, seed=1_000_003)
        return {
            name: read_rows(snapshots, target, [snapshots.plan(target).test], snapshots.columns)
            for name, target in snapshots.targets.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--fresh", type=int, default=50_000)
    asked = parser.parse_args()
    fresh = fresh_tables(asked.fresh)
    covered = refused = 0
    for seed in range(asked.seeds):
        name = TARGETS[seed % len(TARGETS)]
        with TemporaryDirectory() as folder:
            snapshots = world(folder, asked.customers, seed)
            try:
                result = train_target(snapshots, snapshots.targets[name], TrainingSettings())
            except NotEnoughDataError as error:
                refused += 1
                print(f"  seed {seed:>3} {name}: refused: {error}", flush=True)
                continue
        table = fresh[name]
        truth = auc_with_interval(table["label"].to_numpy(), result.model.propensities(table)).value
        low, high = result.evaluation.metrics["auc_low"], result.evaluation.metrics["auc_high"]
        covered += low <= truth <= high
        print(
            f"  seed {seed:>3} {name:<7} {result.evaluation.metrics['auc']:.3f} ({low:.3f}-{high:.3f}) on {result.evaluation.rows:,}, "
            f"{truth:.3f} on {len(table):,} fresh customers {'' if low <= truth <= high else '  <- outside'}", flush=True,
        )  # fmt: skip
    print(
        f"Coverage of the 95 % interval of AUC: {covered} of {asked.seeds - refused} seeds ({refused} refused); demo worlds of {asked.customers:,} "
        f"customers, one target per seed, against {asked.fresh:,} fresh customers of the same world"
    )


if __name__ == "__main__":
    main()

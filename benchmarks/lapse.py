"""Lapse on real data: Tenure next to the ordinary reference, on the same cutoffs. Printed with protocol and interval.

Usage: python benchmarks/lapse.py [SOURCE ...]   (data: TENURE_TEST_DATA)
"""

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import ordinary
import pandas as pd
from sklearn.metrics import roc_auc_score

from tenure.core.auc import auc_difference, auc_with_interval
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

# Source, horizon, test cutoffs. The published test cutoff is the last of each row; the others are the walk before it, on
# which features and settings were chosen.
TASKS = (
    ("online_retail", 90, (date(2011, 6, 1), date(2011, 7, 1), date(2011, 8, 1), date(2011, 9, 1))),
    ("complete_journey", 56, (date(2017, 7, 1), date(2017, 8, 1), date(2017, 9, 1), date(2017, 10, 1), date(2017, 11, 1))),
    ("complete_journey", 28, (date(2017, 8, 1), date(2017, 9, 1), date(2017, 10, 1), date(2017, 11, 1), date(2017, 12, 1))),
    ("cdnow", 180, (date(1997, 11, 1), date(1997, 12, 1), date(1998, 1, 1))),
)  # fmt: skip
CLUSTERED_DRAWS = 500


def compare(snapshots: Snapshots, source: str, horizon_days: int, cutoff: date) -> pd.DataFrame:
    """Score one test cutoff with Tenure and both references. => customer_id, label, tenure, ordinary, stronger"""
    target = replace(snapshots.targets["lapse"], horizon_days=horizon_days)
    result = train_target(snapshots, target, TrainingSettings(), test_cutoff=cutoff)
    ours = result.test[["customer_id", "label", "propensity"]].rename(columns={"propensity": "tenure"})
    # CDNOW's ids carry leading zeros, which the reference drops.
    ours["customer_id"] = ours["customer_id"].str.lstrip("0")
    facts = ordinary.open_facts(source)
    for name, with_ratio in (("ordinary", False), ("stronger", True)):
        reference = ordinary.run(facts, source, pd.Timestamp(cutoff), horizon_days, with_ratio=with_ratio)
        reference["customer_id"] = reference["customer_id"].astype(str)
        reference = reference[["customer_id", "score"]].rename(columns={"score": name})
        ours = ours.merge(reference, on="customer_id", validate="one_to_one")
    return ours


def line(source: str, horizon_days: int, cutoff: date, scored: pd.DataFrame, note: str) -> str:
    auc = auc_with_interval(scored["label"], scored["tenure"])
    parts = [
        f"{source:<17} {cutoff} {horizon_days:>4} d {len(scored):>6} eligible  Tenure {auc.value:.4f} ({auc.low:.3f}-{auc.high:.3f})"
    ]
    for name in ("ordinary", "stronger"):
        paired = auc_difference(scored["label"], scored["tenure"], scored[name])
        value = auc_with_interval(scored["label"], scored[name]).value
        parts.append(f"{name} {value:.4f}, paired {paired.value:+.4f} ({paired.low:+.4f} to {paired.high:+.4f})")
    return "  ".join(parts) + note


def mean_difference(walk: list[pd.DataFrame], other: str) -> str:
    """Mean paired difference of AUC over walk cutoffs, with an interval that draws customers, not rows."""

    def difference(tables: list[pd.DataFrame]) -> float:
        return float(
            np.mean([roc_auc_score(t["label"], t["tenure"]) - roc_auc_score(t["label"], t[other]) for t in tables])
        )

    customers = sorted(set().union(*(table["customer_id"] for table in walk)))
    generator = np.random.default_rng(7)
    draws = []
    for _ in range(CLUSTERED_DRAWS):
        times = pd.Series(
            generator.multinomial(len(customers), np.full(len(customers), 1 / len(customers))), index=customers
        )
        draws.append(
            difference([table.loc[table.index.repeat(times.loc[table["customer_id"]].to_numpy())] for table in walk])
        )
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{other} {difference(walk):+.4f} ({low:+.4f} to {high:+.4f})"


def main(sources: list[str]) -> None:
    print(
        "Lapse, AUC with 95 % interval (DeLong), fitting cutoffs embargoed before each test cutoff. 'ordinary': two dozen hand-written "
        "features; 'stronger': the same and recency over tenure"
    )
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        for source, horizon_days, cutoffs in TASKS:
            if sources and source not in sources:
                continue
            if not (ordinary.DATA / source).is_dir():
                print(f"{source:<17} not measured: {ordinary.DATA / source} does not exist (set TENURE_TEST_DATA)")
                continue
            fetch_source(workspace, source, ordinary.DATA / source)
            staged = stage_source(workspace, read_source(workspace, source))
            snapshots = Snapshots(workspace, staged, staged.default_as_of)
            walk = []
            for cutoff in cutoffs:
                scored = compare(snapshots, source, horizon_days, cutoff)
                walk += [] if cutoff == cutoffs[-1] else [scored]
                print(
                    line(source, horizon_days, cutoff, scored, "  <- published" if cutoff == cutoffs[-1] else ""),
                    flush=True,
                )
            differences = ", ".join(mean_difference(walk, other) for other in ("ordinary", "stronger"))
            print(
                f"{source:<17} {horizon_days} d, mean paired difference over the {len(walk)} walk cutoffs to {differences}, customers drawn",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])

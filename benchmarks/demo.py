"""The demo company: how near each model comes to the best possible, and whether its propensities are true.

The truth of a label is its probability given everything hidden, by rollouts; no model reads it.
Usage: python benchmarks/demo.py [--customers N] [--seed S] [--rollouts R] [--sample CUSTOMERS]
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tenure.core.auc import auc_with_interval
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo, true_probabilities
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source


def compare(snapshots: Snapshots, truth: Path, name: str, *, rollouts: int, sample: int) -> str:
    result = train_target(snapshots, snapshots.targets[name], TrainingSettings())
    test = result.test.sample(min(sample, len(result.test)), random_state=7)
    true = true_probabilities(
        truth, target=name, cutoff=result.plan.test, rollouts=rollouts, customer_ids=test["customer_id"]
    )
    joined = test.merge(true, on="customer_id", validate="one_to_one")
    model = auc_with_interval(joined["label"], joined["propensity"])
    best = auc_with_interval(joined["label"], joined["probability"])
    promised, probability = joined["propensity"].to_numpy(), joined["probability"].to_numpy()
    bins = np.array_split(promised.argsort(kind="stable"), 10)
    gaps = [abs(promised[b].mean() - probability[b].mean()) for b in bins]
    return (
        f"  {name:<7} {result.plan.test} {result.target.horizon_days:>3} d {len(joined):>7,} eligible  base rate {joined['label'].mean():.3f}  "
        f"truth {best.value:.3f}  Tenure {model.value:.3f} ({model.low:.3f}-{model.high:.3f})  rule {result.evaluation.metrics['auc_heuristic']:.3f}  "
        f"share of the truth {(model.value - 0.5) / (best.value - 0.5):.3f}  mean gap to the true probability in ten bins {np.mean(gaps):.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rollouts", type=int, default=500)
    parser.add_argument("--sample", type=int, default=10_000)
    asked = parser.parse_args()
    print(
        f"Demo, {asked.customers:,} customers, 24 months, seed {asked.seed}; last matured cutoff; truth by {asked.rollouts} rollouts "
        f"of at most {asked.sample:,} eligible customers; share = (AUC - .5) / (AUC of the truth - .5)"
    )
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=asked.customers, seed=asked.seed)
        staged = stage_source(workspace, read_source(workspace, "demo"))
        snapshots = Snapshots(workspace, staged, staged.default_as_of)
        for name in snapshots.targets:
            try:
                told = compare(snapshots, workspace.truth("demo"), name, rollouts=asked.rollouts, sample=asked.sample)
            except NotEnoughDataError as refused:
                told = f"  {refused}"
            print(told, flush=True)


if __name__ == "__main__":
    main()

"""Scores and exact reasons of very many customers: Tenure's models and look-up tables against shap's TreeExplainer.

Two things make it fast, shown apart: models that are cheap to explain (few, shallow leaves) and tables of their
contributions. The heavy model is 300 trees of 31 leaves without a limit of depth on 60 numbers, explained by shap on a
sample and scaled to all rows. Same rows, same process, one after the other.
Usage: python benchmarks/scoring.py [--rows N] [--sample N] [--customers N]
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm as lgb
import numpy as np
import pandas as pd
import shap
from results import machine, table, write_section

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.estimators.boosted_trees import Trees
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.explain import reasons
from tenure.models.model import PropensityModel
from tenure.models.training_result import train_target
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

CHUNK_ROWS = 20_000
FEATURES, TREES, LEAVES = 60, 300, 31


def demo_model(folder: str, customers: int) -> tuple[PropensityModel, pd.DataFrame]:
    """The model a run of the demo would register for lapse, and the customers it scores."""
    workspace = Workspace(Path(folder))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    snapshots = Snapshots(workspace, staged, staged.default_as_of)
    target = snapshots.targets["lapse"]
    model = train_target(snapshots, target, TrainingSettings()).model
    return model, read_rows(snapshots, target, [snapshots.as_of], snapshots.columns, labels=False)


def heavy_model(seed: int = 7) -> tuple[lgb.Booster, np.ndarray]:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(100_000, FEATURES))
    odds = matrix[:, :10].sum(axis=1) + matrix[:, 0] * matrix[:, 1]
    labels = (generator.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int)
    settings = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "max_depth": -1,
        "num_threads": 2,
        "verbosity": -1,
        "seed": seed,
    }
    return lgb.train(settings, lgb.Dataset(matrix, labels), num_boost_round=TREES), matrix


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def score_all(model: PropensityModel, customers: pd.DataFrame, rows: int) -> int:
    """Score and explain so many rows in chunks, as scoring does; a chunk's words are counted and let go."""
    told = 0
    for start in range(0, rows, CHUNK_ROWS):
        places = np.arange(start, min(start + CHUNK_ROWS, rows)) % len(customers)
        chunk = customers.iloc[places].reset_index(drop=True)
        _, contributions = model.explained(chunk)
        told += len(reasons(model, chunk, contributions))
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=4_000)
    parser.add_argument("--customers", type=int, default=5_000)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        model, customers = demo_model(folder, asked.customers)
    assert isinstance(model.estimator, Trees)  # noqa: S101  # the demo's lapse model is one of trees
    matrix = model.encoding.transform(customers.iloc[np.arange(asked.sample) % len(customers)])
    explainer = shap.TreeExplainer(model.estimator.booster)
    gap = float(np.abs(model.estimator.contributions(matrix)[:, :-1] - explainer.shap_values(matrix)).max())
    own = seconds(lambda: score_all(model, customers, asked.rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    scale = asked.rows / asked.sample
    by_shap = seconds(lambda: explainer.shap_values(matrix)) * scale
    heavy, heavy_matrix = heavy_model()
    heavy_explainer = shap.TreeExplainer(heavy)
    heavy_by_shap = seconds(lambda: heavy_explainer.shap_values(heavy_matrix[: asked.sample])) * scale
    own_trees = f"{model.estimator.booster.num_trees()} trees, {len(model.feature_names)} features"
    heavy_trees = f"{TREES} trees of {LEAVES} leaves, {FEATURES} numbers"
    rows = [
        ("Tenure: scores, contributions, additivity check and words", own_trees, f"{own:.0f}", "1.0"),
        ("shap.TreeExplainer: contributions alone, scaled", own_trees, f"{by_shap:.0f}", f"{by_shap / own:.1f}"),
        ("shap.TreeExplainer: contributions alone, scaled", heavy_trees, f"{heavy_by_shap:.0f}", f"{heavy_by_shap / own:.1f}"),
    ]  # fmt: skip
    head = ("way", "model", "seconds", "times Tenure's")
    text = (
        f"{(__doc__ or '').split('Usage')[0].strip()}\n\n{asked.rows:,} customers (those of a demo of {asked.customers:,}, the lapse model, repeated), at "
        f"most {peak:.1f} GiB; shap on {asked.sample:,} of them:\n\n{table(head, rows)}\n\nOf the last ratio a model that is cheap to explain "
        f"brings {heavy_by_shap / by_shap:.1f} times, its look-up tables, with all that is around them, {by_shap / own:.1f} times. Largest "
        f"difference to shap: {gap:.1e} log-odds. One round. {machine('lightgbm', 'shap', 'numpy', 'pandas')}"
    )
    print(text)
    write_section("Scores with reasons", text)


if __name__ == "__main__":
    main()

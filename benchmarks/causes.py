"""The demo company's causes: how much of the differences between customers can be seen in what Tenure's features hold.

The true effects of the competing actions on ordering within 30 days, as the world states them for each eligible customer's
hidden state at a cutoff, are regressed on the snapshot of that cutoff: all bundled features, ridge and LightGBM, five folds of
customers. Nothing is fitted to any learner of effects. Usage: python benchmarks/causes.py [--customers N] [--seed S]
"""

import argparse
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.demo.actions import MOST, chance_of_silence, lever_push
from tenure.demo.state import State
from tenure.demo.world import World
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

COMPETING = (("win_back", "email"), ("new_beans", "email"), ("care_call", "phone"))


def snapshot(customers: int, seed: int) -> tuple[pd.DataFrame, State]:
    """Return the features of who is asked about lapse at the last day, as numbers, and their hidden states."""
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers, seed=seed)
        staged = stage_source(workspace, read_source(workspace, "demo"))
        snapshots = Snapshots(workspace, staged, staged.default_as_of)
        names = [column.name for column in snapshots.columns]
        rows = read_rows(snapshots, snapshots.targets["lapse"], [snapshots.as_of], snapshots.columns, labels=False)
        hidden = pd.read_parquet(workspace.truth("demo") / "hidden_state.parquet")
    hidden = hidden[hidden["cutoff"] == pd.Timestamp(snapshots.as_of)]
    rows = rows.merge(hidden, on="customer_id", suffixes=("", "_hidden"))
    state = State(**{f.name: rows[f.name].to_numpy() for f in fields(State)})
    text = rows[names].select_dtypes(exclude="number").astype("string").fillna("")
    numbers = rows[names].select_dtypes("number").astype(float)
    return pd.concat([numbers, pd.get_dummies(text, dtype=float)], axis=1), state


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    features, state = snapshot(asked.customers, asked.seed)
    world = World()
    silent = chance_of_silence(world, state)
    spread = float(np.sqrt(silent.mean() * (1 - silent.mean())))
    print(f"{len(features):,} eligible, {features.shape[1]} columns, no order in 30 days {silent.mean():.3f}")
    effects = {
        action: np.clip(lever_push(world, state, action, channel), -MOST * (1 - silent), MOST * silent)
        for action, channel in COMPETING
    }
    linear = make_pipeline(QuantileTransformer(output_distribution="normal"), Ridge(300))
    trees = lgb.LGBMRegressor(
        n_estimators=120, learning_rate=0.06, num_leaves=15, min_child_samples=100, n_jobs=1, verbose=-1
    )
    seen = {}
    for action, effect in effects.items():
        ridge = cross_val_predict(linear, features.fillna(-1), effect, cv=5)
        light = cross_val_predict(trees, features, effect, cv=5)
        seen[action] = (ridge + light) / 2
        print(
            f"  {action:<10} mean {effect.mean():+.3f}  sd {effect.std():.3f} ({effect.std() / spread:.2f} of the outcome's)  "
            f"negative {np.mean(effect < 0):.3f}  below -.02 {np.mean(effect < -0.02):.3f}  "
            f"explained: ridge {r2_score(effect, ridge):.2f}, trees {r2_score(effect, light):.2f}"
        )
    all_of = pd.DataFrame(effects)
    chosen = pd.DataFrame(seen).to_numpy().argmax(axis=1)
    print(
        f"  negative effect of some action {np.mean((all_of < 0).any(axis=1)):.3f}, below -.02 {np.mean((all_of < -0.02).any(axis=1)):.3f}; "
        f"best single {all_of.mean().max():.3f}, each the best of what can be seen {all_of.to_numpy()[np.arange(len(chosen)), chosen].mean():.3f}, "
        f"of what is true {np.maximum(all_of.max(axis=1), 0).mean():.3f}"
    )


if __name__ == "__main__":
    main()

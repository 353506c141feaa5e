"""Customer value: the models beside each other on CDNOW, and on the demo against the expectation from the hidden state.

Usage: python benchmarks/value.py [--customers N] [--rollouts R]   (data: TENURE_TEST_DATA)
CDNOW: all 23,570 customers, everything fitted and chosen on the first 39 weeks, judged on the next 39. "Tenure" is the model its rule
chooses from the first 39 weeks alone. Errors per customer: root mean squared and mean absolute; 95 % intervals, customers drawn.
Demo: rank correlation (Spearman) of the value expected of the next 91 days with the mean of rollouts from the hidden state.
"""

import argparse
import os
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from tenure.customers.value import EPOCH, HORIZONS, REVENUE, forecast_part, shop_part, subscription_part
from tenure.customers.value_models.comparison import errors, forecast_all, judge, resampled_means
from tenure.customers.value_models.shop import FORECASTERS, outcomes
from tenure.snapshots.engines.facts_at import facts_at

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEEKS_39 = 273
NOW = WEEKS_39 + 1  # the first day not known; day 1 is 1997-01-01


def cdnow(folder: Path) -> pd.DataFrame:
    """=> customer_id, day, known, amount, is_purchase; purchases of one day are one"""
    bought = duckdb.sql(
        f"""
        SELECT customer_id, date_diff('day', DATE '1996-12-31', CAST(strptime(CAST("date" AS VARCHAR), '%Y%m%d') AS DATE)) AS day,
               CAST(sum(CAST(dollar_value AS DECIMAL(18, 4))) AS DOUBLE) AS amount
        FROM read_parquet('{folder / "cdnow_master.parquet"}') GROUP BY ALL ORDER BY ALL"""
    ).df()
    return bought.assign(known=bought["day"], is_purchase=True)


def measure_cdnow(bought: pd.DataFrame) -> None:
    known = bought[bought["day"] < NOW]
    told = forecast_all(FORECASTERS, known, NOW, WEEKS_39).tables
    for measure in ("purchases", "revenue"):

        def outcome(index: pd.Index, start: int, end: int, measure: str = measure) -> pd.Series:
            return outcomes(known, index, start, end)[measure]

        chosen = judge(FORECASTERS, outcome, known, start=1, end=NOW, horizon_days=WEEKS_39, measure=measure)
        ours = chosen.loc[chosen["is_used"], "model"].iloc[0]
        print(f"CDNOW, {measure} of weeks 40 to 78; Tenure's choice from weeks 1 to 39: {ours}")
        found = {}
        for name, table in told.items():
            actual = outcomes(bought, table.index, NOW, NOW + WEEKS_39)[measure].to_numpy()
            found[name] = errors(table[measure].to_numpy(), actual)
            totals = resampled_means(np.column_stack([table[measure], actual])) * len(actual)
            low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
            told_total = table[measure].sum()
            print(
                f"  {name:<28} RMSE {found[name].error:9.4f} ({found[name].low:.4f} to {found[name].high:.4f})  mean absolute "
                f"{found[name].absolute:8.4f}  total {told_total:10,.0f} of {actual.sum():10,.0f}, ratio {told_total / actual.sum():.3f} "
                f"({low:.3f} to {high:.3f})"
            )
        for name, one in found.items():
            if name != ours:
                pair = np.sqrt(resampled_means(np.column_stack([found[ours].squared, one.squared])))
                low, high = np.quantile(pair[:, 0] - pair[:, 1], [0.025, 0.975])
                print(f"  Tenure less {name:<28} RMSE {found[ours].error - one.error:+.4f} ({low:+.4f} to {high:+.4f})")


def measure_demo(customers: int, rollouts: int, cutoff: date) -> None:
    from tenure.core.workspace import Workspace
    from tenure.demo import generate_demo
    from tenure.sources.ingest import stage_source
    from tenure.sources.source import read_source

    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers)
        staged = stage_source(workspace, read_source(workspace, "demo"))
        true = true_expectations(workspace.truth("demo"), cutoff, HORIZONS["3m"], rollouts)
        with facts_at(staged, cutoff) as facts:
            for part, expected in ((shop_part(facts), "orders"), (subscription_part(facts), "paid")):
                value, _ = forecast_part(part, cutoff)
                end = (cutoff - EPOCH).days
                plain = part.forecasters["past average"](part.facts, end, HORIZONS["3m"])["revenue"]
                table = pd.DataFrame(
                    {"Tenure": value[REVENUE["3m"]], "past average": plain, "truth": true[expected]}
                ).dropna()
                ranks = table.rank()
                pair = [rank_correlation(ranks, name) for name in ("Tenure", "past average")]
                print(
                    f"Demo, {part.name}, {cutoff}, 91 days, {len(table):,} customers, {rollouts} rollouts: "
                    + ", ".join(pair)
                )


def rank_correlation(ranks: pd.DataFrame, name: str) -> str:
    """Say Spearman's correlation with the truth, and its 95 % interval (customers drawn)."""
    generator = np.random.default_rng(7)
    both = ranks[[name, "truth"]].to_numpy()
    drawn = [np.corrcoef(both[generator.integers(0, len(both), len(both))].T)[0, 1] for _ in range(200)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{name} {np.corrcoef(both.T)[0, 1]:.3f} ({low:.3f} to {high:.3f})"


def true_expectations(truth: Path, cutoff: date, days: int, rollouts: int) -> pd.DataFrame:
    """Roll the hidden state forward. => index customer_id: orders (days with one), paid (days live x the plan's price)"""
    from dataclasses import fields

    from tenure.demo.simulator import advance
    from tenure.demo.state import LIVE, State
    from tenure.demo.world import World

    world = World()
    hidden = pd.read_parquet(truth / "hidden_state.parquet")
    day = (cutoff - world.start).days
    hidden = hidden[(hidden["cutoff"] == pd.Timestamp(cutoff)) & (hidden["arrival"] < day)].reset_index(drop=True)
    everyone = State(**{field.name: hidden[field.name].to_numpy() for field in fields(State)})
    prices = np.array([plan[1] for plan in world.plans], dtype=float)
    orders, paid = np.zeros(len(hidden)), np.zeros(len(hidden))
    for number in range(rollouts):
        state = everyone.take(np.arange(len(hidden)))
        generator = np.random.default_rng([1, number])
        for ahead in range(days):
            orders += advance(world, state, day + ahead, generator).marks["order"]
            paid += (state.status == LIVE) * prices[state.plan] / 30
            paid += (state.second == LIVE) * world.second_plan[1] / 30
    return (
        pd.DataFrame({"orders": orders, "paid": paid}, index=pd.Index(hidden["customer_id"], name="customer_id"))
        / rollouts
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--rollouts", type=int, default=100)
    asked = parser.parse_args()
    if (DATA / "cdnow").is_dir():
        measure_cdnow(cdnow(DATA / "cdnow"))
    else:
        print(f"CDNOW not measured: {DATA / 'cdnow'} does not exist (set TENURE_TEST_DATA)")
    measure_demo(asked.customers, asked.rollouts, date(2025, 10, 1))


if __name__ == "__main__":
    main()

"""When a household buys a category again, on the grocery panel's last four weeks: Tenure next to two plain rules.

Usage: python benchmarks/restock.py   (data: TENURE_TEST_DATA)
Protocol: everything is fitted and calibrated on what was bought before the last four weeks. Asked are pairs of household and
category (the panel's product categories, about 300) bought on three days or more; judged are those bought again within the four
weeks, the same pairs for all. A rule whose date has passed says the first day of the four weeks. Intervals: 95 %, households drawn.
"""

import os
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from tenure.customers.value_models.rhythm import due_days, next_days

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
JUDGED_DAYS = 28
MIN_PURCHASES = 3
DRAWS = 500
METHODS = ("Tenure", "household's mean gap", "category's mean gap")


def purchases(folder: Path) -> pd.DataFrame:
    """=> customer_id, category, day (local), known; one row per household, category and day."""
    bought = duckdb.sql(
        f"""
        SELECT CAST(household_id AS VARCHAR) AS customer_id, product_category AS category,
               date_diff('day', DATE '2017-01-01', CAST(
                   timezone('America/New_York', timezone('UTC', CAST(transaction_timestamp AS TIMESTAMP))) AS DATE)) AS day
        FROM read_parquet('{folder / "transactions.parquet"}') JOIN read_parquet('{folder / "products.parquet"}') USING (product_id)
        WHERE quantity > 0 AND product_category IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    ).df()
    return bought.assign(known=bought["day"])


def compare(bought: pd.DataFrame) -> pd.DataFrame:
    """=> one row per judged pair: customer_id, low, high, actual, and the days ahead each method says"""
    now = int(bought["day"].max()) + 1 - JUDGED_DAYS
    known = bought[bought["day"] < now]
    told = due_days(known, now, MIN_PURCHASES)
    gaps = known["day"].groupby([known["customer_id"], known["category"]]).diff()
    usual = gaps.groupby(known["category"]).mean().reindex(told["category"]).to_numpy()
    told["actual"] = next_days(told.assign(elapsed=now - told["last"]), bought, now + JUDGED_DAYS) - now
    told["Tenure"] = told["due"]
    for name, gap in zip(METHODS[1:], (told["mean_gap"].to_numpy(), usual), strict=True):
        told[name] = np.maximum(np.rint(told["last"] + gap - now), 0.0)
    print(
        f"{len(told):,} pairs asked, {told['actual'].notna().sum():,} bought again within {JUDGED_DAYS} days and judged"
    )
    return told.dropna(subset="actual")


def measures(table: pd.DataFrame) -> dict[str, float]:
    found = {}
    for name in METHODS:
        error = (table[name] - table["actual"]).abs()
        found |= {f"{name}: median error": error.median(), f"{name}: within 3 days": (error <= 3).mean()}
    found["Tenure: within its 80 % interval"] = (
        (table["actual"] >= table["low"]) & (table["actual"] <= table["high"])
    ).mean()
    for other in METHODS[1:]:
        for what in ("median error", "within 3 days"):
            found[f"Tenure less {other}: {what}"] = found[f"Tenure: {what}"] - found[f"{other}: {what}"]
    return found


def with_intervals(table: pd.DataFrame) -> None:
    rows = list(table.groupby("customer_id").indices.values())
    generator = np.random.default_rng(7)
    drawn = [
        measures(table.iloc[np.concatenate([rows[n] for n in generator.integers(0, len(rows), len(rows))])])
        for _ in range(DRAWS)
    ]
    for name, value in measures(table).items():
        low, high = np.quantile([one[name] for one in drawn], [0.025, 0.975])
        print(f"  {name:<55} {value:8.3f}  ({low:.3f} to {high:.3f})")


def main() -> None:
    if not (DATA / "complete_journey").is_dir():
        print(f"not measured: {DATA / 'complete_journey'} does not exist (set TENURE_TEST_DATA)")
        return
    judged = compare(purchases(DATA / "complete_journey"))
    print("All judged pairs; days")
    with_intervals(judged)
    near = judged[judged["due"] < JUDGED_DAYS]
    print(f"The {len(near):,} of them that Tenure had expected within the four weeks")
    with_intervals(near)


if __name__ == "__main__":
    main()

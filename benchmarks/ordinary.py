"""The ordinary reference for lapse: what a data scientist writes in an afternoon.

Two dozen hand-written features (orders, amount, products and days of purchase in five windows; recency; tenure), monthly
fitting cutoffs embargoed before the test cutoff, a plain LightGBM whose number of trees comes from customer-grouped folds.
It shares no code with Tenure.  Usage: python ordinary.py SOURCE TEST_CUTOFF HORIZON [MIN_HISTORY_DAYS]
"""

import os
import sys
from pathlib import Path

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
WINDOWS = (14, 30, 60, 90, 180)
FACTS = {  # customer_id, d (business day), order_id, product_id, amount: bought lines only
    "online_retail": f"""
        SELECT CAST(CustomerID AS BIGINT) customer_id, CAST(CAST(InvoiceDate AS TIMESTAMP) AS DATE) d,
               InvoiceNo order_id, StockCode product_id, Quantity * UnitPrice amount
        FROM '{DATA}/online_retail/online_retail.parquet' WHERE CustomerID IS NOT NULL AND Quantity > 0""",
    "complete_journey": f"""
        SELECT household_id customer_id, basket_id order_id, product_id, sales_value amount,
               CAST(timezone('America/New_York', timezone('UTC', CAST(transaction_timestamp AS TIMESTAMP))) AS DATE) d
        FROM '{DATA}/complete_journey/transactions.parquet' WHERE quantity > 0""",
    "cdnow": f"""
        SELECT CAST(customer_id AS BIGINT) customer_id, CAST(strptime(CAST(date AS VARCHAR), '%Y%m%d') AS DATE) d,
               CAST(date AS VARCHAR) || '-' || customer_id order_id, number_of_cds product_id, dollar_value amount
        FROM '{DATA}/cdnow/cdnow_master.parquet' WHERE number_of_cds > 0""",
}
ELIGIBLE = {"online_retail": 180, "complete_journey": 56, "cdnow": 365}
MIN_HISTORY = {"online_retail": 60, "complete_journey": 60, "cdnow": 60}
# CDNOW has no product: the number of CDs stands in
PRODUCTS = {"cdnow": "sum(product_id)"}
PARAMS = dict(
    objective="binary", learning_rate=0.05, num_leaves=31, min_data_in_leaf=20,
    deterministic=True, force_row_wise=True, num_threads=1, seed=7, verbosity=-1,
)  # fmt: skip


def open_facts(source: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET threads = 2")
    con.execute(f"CREATE TABLE facts AS {FACTS[source]}")
    return con


def snapshot(con: duckdb.DuckDBPyConnection, source: str, cutoff: pd.Timestamp, horizon: int) -> pd.DataFrame:
    """One row per customer who bought in the eligible days before the cutoff: features and label."""
    products = PRODUCTS.get(source, "count(DISTINCT product_id)")
    columns = ["min(age) AS recency", "max(age) AS tenure"]
    for n in WINDOWS:
        w = f"FILTER (age <= {n})"
        columns += [
            f"count(DISTINCT order_id) {w} AS orders_{n}",
            f"coalesce(sum(amount) {w}, 0) AS amount_{n}",
            f"coalesce({products} {w}, 0) AS products_{n}",
            f"count(DISTINCT d) {w} AS days_{n}",
        ]
    day = f"DATE '{cutoff:%Y-%m-%d}'"
    frame = con.execute(f"""
        WITH past AS (SELECT *, {day} - d AS age FROM facts WHERE d < {day}),
             next AS (SELECT DISTINCT customer_id FROM facts WHERE d >= {day} AND d < {day} + {horizon})
        SELECT customer_id, {", ".join(columns)}, CAST(customer_id NOT IN (FROM next) AS INT) AS label
        FROM past GROUP BY customer_id HAVING recency <= {ELIGIBLE[source]} ORDER BY customer_id""").df()
    frame.insert(0, "cutoff", cutoff)
    return frame


def fitting_cutoffs(con, test: pd.Timestamp, horizon: int, min_history: int) -> list[pd.Timestamp]:
    start = pd.Timestamp(con.execute("SELECT min(d) FROM facts").fetchall()[0][0])
    months = pd.date_range(start, test, freq="MS")
    return [c for c in months if (c - start).days >= min_history and c + pd.Timedelta(days=horizon) <= test]


def run(
    con, source: str, test: pd.Timestamp, horizon: int, min_history: int | None = None, *, with_ratio: bool = False
) -> pd.DataFrame:
    """Customer, label and raw score at the test cutoff; ``with_ratio`` adds recency over tenure."""
    cutoffs = fitting_cutoffs(con, test, horizon, MIN_HISTORY[source] if min_history is None else min_history)
    fit = pd.concat([snapshot(con, source, c, horizon) for c in cutoffs], ignore_index=True)
    if with_ratio:
        fit["recency_over_tenure"] = fit["recency"] / fit["tenure"]
    names = [c for c in fit.columns if c not in ("cutoff", "customer_id", "label")]
    names = [c for c in names if fit[c].nunique() > 1]
    folds = list(GroupKFold(5).split(fit, groups=fit["customer_id"]))
    data = lgb.Dataset(fit[names], fit["label"], params=PARAMS)
    curve = lgb.cv(PARAMS | {"metric": "binary_logloss"}, data, num_boost_round=1000, folds=folds,
                   callbacks=[lgb.early_stopping(50, verbose=False)])  # fmt: skip
    trees = len(next(iter(curve.values())))
    model = lgb.train(PARAMS, lgb.Dataset(fit[names], fit["label"]), num_boost_round=trees)
    out = snapshot(con, source, test, horizon)
    out["recency_over_tenure"] = out["recency"] / out["tenure"]
    out["score"] = model.predict(out[names], raw_score=True)
    out.attrs.update(cutoffs=len(cutoffs), trees=trees, features=len(names), rows=len(fit))
    return out[["customer_id", "label", "score"]]


if __name__ == "__main__":
    name, day, days = sys.argv[1], pd.Timestamp(sys.argv[2]), int(sys.argv[3])
    result = run(open_facts(name), name, day, days, int(sys.argv[4]) if len(sys.argv) > 4 else None)
    score = roc_auc_score(result["label"], result["score"])
    print(
        f"{name} {day:%Y-%m-%d} {days} days: {len(result)} eligible, base rate {np.mean(result['label']):.3f}, AUC {score:.4f}"
    )

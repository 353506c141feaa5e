"""A small web shop whose last order was yesterday: what a scheduler meets."""

import shutil
from datetime import date, timedelta

import pandas as pd

from tenure.demo import generate_demo

MAPPING = 'name = "shop"\ncurrency = "EUR"\n\n[raw."order_lines.parquet"]\nknown_at = "known_at"\n'


def place_shop(workspace, customers=500, months=20):
    """Place the orders of a small demo company, moved to end yesterday, as the raw files of the source 'shop'."""
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers, months=months)
    orders = pd.read_parquet(workspace.raw("demo") / "order_lines.parquet")
    shutil.rmtree(workspace.raw("demo"))
    moved = date.today() - timedelta(days=1) - orders["occurred_at"].max().date()
    orders[["occurred_at", "known_at"]] += pd.Timedelta(days=moved.days)
    workspace.raw("shop").mkdir(parents=True)
    orders.to_parquet(workspace.raw("shop") / "order_lines.parquet", index=False)
    (workspace.raw("shop") / "source.toml").write_text(MAPPING)

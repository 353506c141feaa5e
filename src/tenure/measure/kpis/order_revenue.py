"""Revenue of orders: how many customers ordered, how often, for how much, and what they sent back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from tenure.measure.kpis.kpi import Asked, Kpi, Value
from tenure.measure.kpis.product import shares_of_change


def measure(asked: Asked) -> pd.DataFrame:
    """Count and add up the orders of each period; amounts are exact, the two ratios are of exact numbers."""
    table = asked.rows(
        f"""
        SELECT
            {asked.period} AS period,
            sum(amount) AS order_revenue,
            count(DISTINCT customer_id) FILTER (quantity > 0) AS active_customers,
            count(DISTINCT order_id) FILTER (quantity > 0) AS orders,
            coalesce(sum(amount) FILTER (quantity > 0), 0) AS ordered_amount,
            coalesce(-sum(amount) FILTER (NOT quantity > 0), 0) AS returned_amount
        FROM order_lines
        GROUP BY period""",
        0,
    )
    orders = table["orders"].where(table["orders"] > 0)
    table["orders_per_customer"] = table["orders"].astype(float) / table["active_customers"].astype(float)
    table["value_per_order"] = table["ordered_amount"].astype(float) / orders.astype(float)
    return table


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Decimal]:
    """Split the change of revenue between its three factors and returns."""
    counts = [[row[name] for name in ("active_customers", "orders", "ordered_amount")] for row in (before, after)]
    names = ("active_customers", "orders_per_customer", "value_per_order")
    parts = dict(zip(names, shares_of_change(*counts), strict=True))
    return parts | {"returned_amount": Decimal(before["returned_amount"]) - Decimal(after["returned_amount"])}


KPI = Kpi(
    name="order_revenue",
    meaning="The amounts of all order lines of the month, less what was given back in it.",
    values=(
        Value("order_revenue", "currency", "revenue of orders"),
        Value("active_customers", "count", "customers who ordered"),
        Value("orders_per_customer", "ratio", "orders per customer"),
        Value("value_per_order", "currency", "value per order"),
        Value("returned_amount", "currency", "given back"),
        Value("orders", "count", "orders"),
        Value("ordered_amount", "currency", "ordered"),
    ),
    tables=("order_lines",),
    measure=measure,
    change=change,
    identity="revenue = customers who ordered × orders per customer × value per order − given back",
    moved_by=("order_amount", "lapse"),
)

"""Revenue of orders: how many customers ordered, how often, for how much, and what they gave back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tenure.measure.kpis.kpi import Kpi, Value
from tenure.measure.kpis.product import split_product

SQL = """
SELECT
    *,
    CAST(orders AS DOUBLE) / nullif(active_customers, 0) AS orders_per_customer,
    CAST(ordered_amount AS DOUBLE) / nullif(orders, 0) AS value_per_order
FROM (
    SELECT
        {period} AS period,
        sum(amount) AS order_revenue,
        count(DISTINCT customer_id) FILTER (quantity > 0) AS active_customers,
        count(DISTINCT order_id) FILTER (quantity > 0) AS orders,
        coalesce(sum(amount) FILTER (quantity > 0), 0) AS ordered_amount,
        order_revenue - ordered_amount AS other_amount
    FROM order_lines
    GROUP BY period
)"""


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Decimal]:
    """Split the change of revenue between its three factors and what is no order."""
    chains = [[row[name] for name in ("active_customers", "orders", "ordered_amount")] for row in (before, after)]
    factors = dict(
        zip(("active_customers", "orders_per_customer", "value_per_order"), split_product(*chains), strict=True)
    )
    return factors | {"other_amount": Decimal(after["other_amount"]) - Decimal(before["other_amount"])}


KPI = Kpi(
    "order_revenue",
    "revenue of orders",
    "currency",
    "The amounts of all order lines of the month; a line of no positive quantity is a return or a correction.",
    SQL,
    tables=("order_lines",),
    parts=(
        Value("active_customers", "customers who ordered", "count"),
        Value("orders_per_customer", "orders per customer", "ratio"),
        Value("value_per_order", "value per order", "currency"),
        Value("other_amount", "returns and corrections", "currency"),
        Value("orders", "orders", "count"),
        Value("ordered_amount", "ordered", "currency"),
    ),
    identity="revenue = customers who ordered × orders per customer × value per order + returns and corrections",
    change=change,
    moved_by=("order_amount", "lapse"),
)

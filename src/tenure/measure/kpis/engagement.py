"""Engagement: how many customers came, opened, clicked or searched."""

from tenure.measure.kpis.kpi import Kpi, per_period

KPI = Kpi(
    "engagement",
    "customers engaged",
    "count",
    "Customers who opened, clicked, visited or otherwise acted in the week, by any channel.",
    per_period("engagement", "engagement", "count(DISTINCT customer_id)"),
    tables=("engagement",),
    is_leading=True,
    moved_by=("visited",),
)

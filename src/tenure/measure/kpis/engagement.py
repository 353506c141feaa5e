"""Engagement: how many customers came, opened, clicked or searched."""

from tenure.measure.kpis.kpi import Kpi, Value, aggregated

KPI = Kpi(
    name="engagement",
    meaning="Customers who were engaged in the week by any channel: opened, clicked, visited, logged in.",
    values=(Value("engagement", "count", "customers engaged"),),
    tables=("engagement",),
    measure=aggregated("engagement", "engagement", "count(distinct customer_id)", 0),
    is_leading=True,
    moved_by=("visited",),
)

"""Referrals: customers brought by customers."""

from tenure.measure.kpis.kpi import Kpi, per_period

KPI = Kpi(
    "referrals",
    "referrals",
    "count",
    "Referrals that the loyalty programme counted in the month.",
    per_period("loyalty", "referrals", "count(*) FILTER (event = 'referred')"),
    tables=("loyalty",),
)

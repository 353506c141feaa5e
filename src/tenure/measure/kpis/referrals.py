"""Referrals: customers brought by customers."""

from tenure.measure.kpis.kpi import Kpi, Value, aggregated

EXPRESSION = "count(*) filter (where event = 'referred')"

KPI = Kpi(
    name="referrals",
    meaning="Referrals that the loyalty programme counted in the month.",
    values=(Value("referrals", "count", "referrals"),),
    tables=("loyalty",),
    measure=aggregated("referrals", "loyalty", EXPRESSION, 0),
)

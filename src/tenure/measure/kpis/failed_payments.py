"""Failed payments: the earliest sign that a subscription ends without anybody deciding so."""

from tenure.measure.kpis.kpi import Kpi, Value, aggregated

EXPRESSION = "count(*) filter (where status = 'failed') / nullif(count(*), 0)"

KPI = Kpi(
    name="failed_payments",
    meaning="Attempts to take a payment that failed, as a share of all attempts of the week.",
    values=(Value("failed_payments", "share", "payments that fail"),),
    tables=("payments",),
    measure=aggregated("failed_payments", "payments", EXPRESSION),
    is_leading=True,
)

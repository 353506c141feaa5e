"""Failed payments: an early sign of subscriptions that end without anybody deciding so."""

from tenure.measure.kpis.kpi import Kpi, per_period

KPI = Kpi(
    "failed_payments",
    "payments that fail",
    "share",
    "Attempts to take a payment that failed, as a share of all attempts of the week.",
    per_period("payments", "failed_payments", "avg(CAST(status = 'failed' AS INTEGER))"),
    tables=("payments",),
    is_leading=True,
)

"""Subscribers: who pays for a subscription, who came and who went."""

from tenure.measure.kpis.recurring import recurring

KPI = recurring(
    "subscribers",
    "subscribers",
    "count",
    "max(CASE state WHEN 'paid' THEN 1 ELSE 0 END)",
    flows=("new", "resumed", "paused", "ended", "came back"),
    meaning="Customers who pay for a subscription at the end of the month.",
    moved_by=("churn", "convert"),
)

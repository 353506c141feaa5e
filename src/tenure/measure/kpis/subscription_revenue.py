"""Recurring revenue: what all paid subscriptions cost a month, and what changed that."""

from tenure.measure.kpis.recurring import recurring

KPI = recurring(
    "subscription_revenue",
    "recurring revenue",
    "currency",
    "sum(CASE state WHEN 'paid' THEN coalesce(monthly_price, 0) ELSE 0 END)",
    flows=("new customers", "expansion", "contraction", "churn", "reactivation"),
    meaning="The monthly prices, as last agreed, of all subscriptions that are paid at the end of the month.",
    moved_by=("churn", "upsell", "convert"),
)

"""Subscribers: who pays for a subscription at the end of a month, and who came and went."""

from __future__ import annotations

from tenure.measure.kpis.kpi import Kpi, Value
from tenure.measure.kpis.recurring import change_of, flows

NAME = "subscribers"

KPI = Kpi(
    name=NAME,
    meaning="Customers who pay for a subscription at the end of the month.",
    values=(
        Value(NAME, "count", "subscribers"),
        Value(f"{NAME}_new", "count", "new"),
        Value(f"{NAME}_expansion", "count", "resumed after a pause"),
        Value(f"{NAME}_contraction", "count", "paused"),
        Value(f"{NAME}_churn", "count", "ended"),
        Value(f"{NAME}_reactivation", "count", "came back"),
    ),
    tables=("subscription_events",),
    measure=flows(NAME, "max(CASE state WHEN 'paid' THEN 1 ELSE 0 END)"),
    change=change_of(NAME),
    identity="subscribers = subscribers a month before + new + resumed − paused − ended + came back",
    moved_by=("churn", "convert"),
)

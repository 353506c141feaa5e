"""Recurring revenue: the monthly prices of all paid subscriptions at the end of a month, and what changed them."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.measure.kpis.kpi import Asked, Kpi, Value
from tenure.measure.kpis.recurring import change_of, flows

NAME = "subscription_revenue"
_FLOWS = flows(NAME, "sum(CASE state WHEN 'paid' THEN coalesce(monthly_price, 0) ELSE 0 END)")


def measure(asked: Asked) -> pd.DataFrame:
    """Add up prices at the end of each period.

    Raises
    ------
    NotEnoughDataError : no subscription says its price.
    """
    columns = asked.facts.tables["subscription_events"]
    if "monthly_price" not in columns or asked.facts.query("FROM subscription_events")["monthly_price"].isna().all():
        raise NotEnoughDataError("needs monthly_price of subscription_events, which the source does not say")
    return _FLOWS(asked)


KPI = Kpi(
    name=NAME,
    meaning="The monthly prices, as last agreed, of all subscriptions that are paid at the end of the month.",
    values=(
        Value(NAME, "currency", "recurring revenue"),
        Value(f"{NAME}_new", "currency", "new customers"),
        Value(f"{NAME}_expansion", "currency", "expansion"),
        Value(f"{NAME}_contraction", "currency", "contraction"),
        Value(f"{NAME}_churn", "currency", "churn"),
        Value(f"{NAME}_reactivation", "currency", "reactivation"),
    ),
    tables=("subscription_events",),
    measure=measure,
    change=change_of(NAME),
    identity="revenue = revenue a month before + new + expansion − contraction − churn + reactivation",
    moved_by=("churn", "upsell", "convert"),
)

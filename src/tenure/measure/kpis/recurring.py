"""What came and went of subscribers: each customer at the end of one period beside the end of the period before it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from tenure.measure.kpis.kpi import Asked, Change, Measure

SIGNS = {"new": 1, "expansion": 1, "contraction": -1, "churn": -1, "reactivation": 1}

# A customer is held while a subscription is paid or paused: who pauses contracts, and who resumes expands.
_HELD = """
CREATE TEMP TABLE IF NOT EXISTS held AS
SELECT
    customer_id, state, monthly_price, day,
    CASE WHEN ends_on < next_day OR next_day IS NULL THEN ends_on ELSE next_day END AS until
FROM ({lives})
WHERE state IN ('paid', 'paused') AND (ends_on IS NULL OR ends_on > day)"""
_FLOWS = """
WITH closing AS (SELECT * FROM (VALUES {closings}) AS c (place, opens, closes)),
at_close AS (
    SELECT place, customer_id, {amount} AS amount
    FROM held JOIN closing ON day < closes AND (until IS NULL OR until >= closes)
    GROUP BY place, customer_id
)
SELECT
    opens AS period,
    coalesce(sum(now.amount), 0) AS total,
    coalesce(sum(now.amount) FILTER (ago.amount IS NULL AND begins >= opens), 0) AS new,
    coalesce(sum(now.amount - ago.amount) FILTER (now.amount > ago.amount), 0) AS expansion,
    coalesce(sum(ago.amount - now.amount) FILTER (now.amount < ago.amount), 0) AS contraction,
    coalesce(sum(ago.amount) FILTER (now.amount IS NULL), 0) AS churn,
    coalesce(sum(now.amount) FILTER (ago.amount IS NULL AND begins < opens), 0) AS reactivation
FROM at_close now
FULL JOIN at_close ago ON ago.customer_id = now.customer_id AND ago.place = now.place - 1
JOIN closing ON closing.place = coalesce(now.place, ago.place + 1)
JOIN (SELECT customer_id, min(day) AS begins FROM held GROUP BY customer_id) first
    ON first.customer_id = coalesce(now.customer_id, ago.customer_id)
GROUP BY opens"""


def flows(name: str, amount: str) -> Measure:
    """Measure a sum over customers at the end of each period, and what came and went since the period before.

    ``amount``: SQL over one customer's held subscriptions at the end of a period.
    => <name>, and <name>_<flow> for each of SIGNS, none negative
    """

    def measure(asked: Asked) -> pd.DataFrame:
        days = [(place, day, asked.until(day)) for place, day in enumerate(asked.periods)]
        closings = ", ".join(f"({place}, DATE '{opens}', DATE '{closes}')" for place, opens, closes in days)
        facts = asked.facts
        facts.connection.execute(_HELD.format(lives=facts.staged.lives(facts.as_of)))
        table = asked.rows(_FLOWS.format(closings=closings, amount=amount), Decimal(0))
        return table.rename(columns={"total": name} | {flow: f"{name}_{flow}" for flow in SIGNS})

    return measure


def change_of(name: str) -> Change:
    """Split the change of a sum into its flows: they are what it changed by."""

    def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Decimal]:
        return {f"{name}_{flow}": Decimal(0) + sign * after[f"{name}_{flow}"] for flow, sign in SIGNS.items()}

    return change

"""What comes and goes of a sum over subscribers: each customer at the end of a period beside the end of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tenure.measure.kpis.kpi import Kpi, Unit, Value

SIGNS = {"new": 1, "expansion": 1, "contraction": -1, "churn": -1, "reactivation": 1}

# A customer is held while a subscription is paid or paused: who pauses contracts, and who resumes expands.
_SQL = """
WITH closing AS (
    SELECT place, customer_id, {{amount}} AS amount
    FROM held JOIN periods p ON day < p.until AND (held.until IS NULL OR held.until >= p.until)
    GROUP BY place, customer_id
)
SELECT
    period,
    coalesce(sum(now.amount), 0) AS {name},
    coalesce(sum(now.amount) FILTER (ago.amount IS NULL AND begins >= period), 0) AS {name}_new,
    coalesce(sum(now.amount - ago.amount) FILTER (now.amount > ago.amount), 0) AS {name}_expansion,
    coalesce(sum(ago.amount - now.amount) FILTER (now.amount < ago.amount), 0) AS {name}_contraction,
    coalesce(sum(ago.amount) FILTER (now.amount IS NULL), 0) AS {name}_churn,
    coalesce(sum(now.amount) FILTER (ago.amount IS NULL AND begins < period), 0) AS {name}_reactivation
FROM closing now
FULL JOIN closing ago ON ago.customer_id = now.customer_id AND ago.place = now.place - 1
JOIN periods ON periods.place = coalesce(now.place, ago.place + 1)
JOIN (SELECT customer_id, min(day) AS begins FROM held GROUP BY customer_id) first
    ON first.customer_id = coalesce(now.customer_id, ago.customer_id)
GROUP BY period"""


def recurring(name: str, words: str, unit: Unit, amount: str, *, flows: Sequence[str], **about: Any) -> Kpi:
    """Define a KPI that adds up ``amount``, SQL over one customer's held subscriptions, at the end of each period.

    ``flows``: what SIGNS are called in it. Its parts are <name>_<flow>, none negative.
    """

    def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Decimal]:
        return {f"{name}_{flow}": Decimal(0) + sign * after[f"{name}_{flow}"] for flow, sign in SIGNS.items()}

    signed = " ".join(f"{'+' if sign > 0 else '−'} {flow}" for flow, sign in zip(flows, SIGNS.values(), strict=True))
    return Kpi(
        name, words, unit, sql=_SQL.format(name=name).replace("{amount}", amount), tables=("subscription_events",),
        parts=tuple(Value(f"{name}_{flow}", called, unit) for flow, called in zip(SIGNS, flows, strict=True)),
        identity=f"{words} = {words} a month before {signed}", change=change, **about,
    )  # fmt: skip

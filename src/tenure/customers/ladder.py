"""The step up that a customer is nearest to, a plan, a brand or a tier: how far it is, and how soon at their pace."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.features.subscription_events import STATE
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.targets.catalogue import targets_of

PACE_DAYS = 30
STEP = ["customer_id", "next_step", "next_step_distance", "next_step_days"]


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Give each customer the step that is fewest days away; without a pace the least far; of equals plan, brand, tier.

    customer_id, and where the source has them the columns of brands and of the loyalty programme
    => customer_id and the attribute's columns
    => ladder: step, customers, ready; most customers first

    Raises
    ------
    NotEnoughDataError : nobody has a step above them.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    found = [*_plans(facts, settings["allowance_share"]), *_brands(customers), *_tiers(customers)]
    steps = pd.concat(found) if found else pd.DataFrame(columns=STEP)
    if steps.empty:
        raise NotEnoughDataError("nobody has a plan, a brand or a tier above their own")
    steps = steps.sort_values(["next_step_days", "next_step_distance"], kind="stable").drop_duplicates("customer_id")
    steps = steps.round({"next_step_distance": 4}).assign(
        next_step_ready=steps["next_step_days"] <= settings["ready_days"]
    )
    summed = steps.groupby("next_step").agg(customers=("customer_id", "size"), ready=("next_step_ready", "sum"))
    summed = summed.rename_axis("step").reset_index().sort_values(["customers", "step"], ascending=[False, True])
    return steps, {"ladder": summed.reset_index(drop=True)}


def plan_steps(facts: FactsAt, top_plan: str) -> pd.DataFrame:
    """Find the plan above each paid one: plans rank by what is paid for them now, the median of their subscriptions.

    None lies above the top one. => customer_id, plan, price, next_plan, next_price (a month)
    """
    held = facts.query(
        f"""
        SELECT customer_id, plan, CAST(monthly_price AS DOUBLE) AS price
        FROM ({facts.staged.subscriptions([facts.as_of])})
        WHERE state = 'paid' AND monthly_price > 0
        ORDER BY ALL"""
    )
    prices = held.groupby("plan")["price"].median().sort_values(kind="stable")
    ladder = prices[prices <= prices.get(top_plan, np.inf)].drop_duplicates()
    above = np.searchsorted(ladder, held["plan"].map(prices), "right")
    names = pd.array([*ladder.index, None], dtype="str")
    return held.assign(next_plan=names.take(above), next_price=np.append(ladder, np.nan)[above])


def _plans(facts: FactsAt, share: float) -> list[pd.DataFrame]:
    """Say how much of the usage is missing from which on the next plan is wanted, and how soon usage grows to it."""
    if not {"subscription_events", "usage"} <= {*facts.tables}:
        return []
    used = facts.query(
        f"""
        SELECT customer_id, allowance, CAST(recent AS DOUBLE) AS recent, CAST(before AS DOUBLE) AS before
        FROM (
            SELECT customer_id, CAST(arg_max(allowance, row(occurred_at, allowance)) {STATE} AS DOUBLE) AS allowance
            FROM subscription_events WHERE allowance > 0 GROUP BY customer_id
        )
        JOIN (
            SELECT customer_id,
                coalesce(sum(quantity) FILTER (WHERE age_days <= {PACE_DAYS}), 0) AS recent,
                coalesce(sum(quantity) FILTER (WHERE age_days > {PACE_DAYS}), 0) AS before
            FROM usage WHERE age_days <= {2 * PACE_DAYS} GROUP BY customer_id
        ) USING (customer_id)"""
    )
    steps = plan_steps(facts, str(targets_of(facts.source)["upsell"].options["top_plan"])).dropna(subset="next_plan")
    table = steps.drop_duplicates("customer_id").merge(used, on="customer_id")
    missing = (share * table["allowance"] - table["recent"]).clip(lower=0)
    pace = (table["recent"] - table["before"]).where(lambda each: each > 0) / PACE_DAYS
    days = np.ceil(missing / pace).where(missing > 0, 0.0)
    distance = missing / (share * table["allowance"])
    return [_steps(table["customer_id"], "plan", table["next_plan"], distance, days)]


def _brands(customers: pd.DataFrame) -> list[pd.DataFrame]:
    if "brand_ready_for" not in customers:
        return []
    nought = pd.Series(0.0, customers.index)  # who is told a next brand is ready for it
    return [_steps(customers["customer_id"], "brand", customers["brand_ready_for"], nought, nought)]


def _tiers(customers: pd.DataFrame) -> list[pd.DataFrame]:
    if "loyalty_next_tier" not in customers:
        return []
    missing, days = customers["loyalty_points_to_next"], customers["loyalty_days_to_next"]
    distance = missing / (customers["loyalty_points_earned"] + missing)
    return [_steps(customers["customer_id"], "tier", customers["loyalty_next_tier"], distance, days)]


def _steps(who: pd.Series, kind: str, name: pd.Series, distance: pd.Series, days: pd.Series) -> pd.DataFrame:
    values = (who, f"{kind}: " + name.astype("str"), distance, days)
    return pd.DataFrame(dict(zip(STEP, values, strict=True)))[name.notna()]


ATTRIBUTE = CustomerAttribute(
    name="ladder",
    tables=(),
    columns=(
        AttributeColumn("next_step", "", "The step up that is nearest: the next plan, brand or tier, by name."),
        AttributeColumn(
            "next_step_ready",
            "true or false",
            "Is there, or at their pace within 30 days, unless the source sets others.",
        ),
        AttributeColumn(
            "next_step_distance",
            "share",
            "How much of the way is missing: of the points of the tier, or of the usage, 80 % of the allowance unless the "
            "source sets another share, from which on the next plan is wanted; 0: ready.",
        ),
        AttributeColumn(
            "next_step_days", "days", "Days to it at their pace; empty where points or usage do not grow towards it."
        ),
    ),
    build=build,
    beside=("brands", "loyalty_programme"),
    settings={"allowance_share": 0.8, "ready_days": 30},
)

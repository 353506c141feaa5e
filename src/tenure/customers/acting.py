"""What acting on a customer is worth, once for pages, tables and decisions: effect x stake - cost - what is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.ladder import plan_steps
from tenure.customers.value import EPOCH, HORIZONS, priced_events
from tenure.customers.value_models import subscriptions
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.sources.staged_source import StagedSource
from tenure.targets.definition import Target
from tenure.targets.state_rules import state_rules

# Nothing in the data says how far an assumed rate is off: the range is half of it to twice of it.
ASSUMED_WITHIN = 2.0
YEAR = HORIZONS["12m"]
FORECAST, LAST = "forecast margin of 12 months", "margin of the last 12 months"
NEXT_PLAN = "margin of a year of what the next plan costs more"
ADDED = "margin of a year of what an upgrade or add-on cost more, on average"
FIRST_YEAR = "first year's margin of who began to pay, on average"
UNKNOWN = "not known"


@dataclass(frozen=True)
class Effect:
    """By how much acting changes the chance of a target's outcome: by customer, or one number for all."""

    value: pd.Series | float
    low: pd.Series | float
    high: pd.Series | float
    is_assumed: bool = False


def assumed_effect(target: Target, propensities: pd.Series) -> Effect:
    """Assume that acting wins the target's rate of those with the outcome; nobody is won more often than it comes.

    >>> from tenure.targets.lapse import TARGET
    >>> effect = assumed_effect(TARGET, pd.Series([0.5]))
    >>> [float(end[0]) for end in (effect.low, effect.value, effect.high)]
    [0.025, 0.05, 0.1]
    """
    low, value, high = (min(target.save_rate * by, 1.0) for by in (1 / ASSUMED_WITHIN, 1.0, ASSUMED_WITHIN))
    return Effect(propensities * value, propensities * low, propensities * high, is_assumed=True)


def value_of_acting(
    effect: Effect, stake: pd.Series, *, cost: float, if_taken: float = 0.0, taken: pd.Series | float = 1.0
) -> pd.DataFrame:
    """Give what acting is worth: effect x stake - cost, in the source's currency.

    ``cost``: of a contact; ``if_taken``: given to who accepts, the share ``taken`` of those contacted.

    => effect, effect_low, effect_high, stake, cost (with what is given), value_of_acting, is_assumed; by the index of
       ``stake``. A value is that of its row's rounded figures; of a stake that is not known it is not known.

    >>> measured = Effect(0.05, 0.02, 0.08)
    >>> value_of_acting(measured, pd.Series([100.0]), cost=2, if_taken=5, taken=0.1)["value_of_acting"].tolist()
    [2.5]
    """
    effects = {"effect": effect.value, "effect_low": effect.low, "effect_high": effect.high}
    table = pd.DataFrame(effects | {"stake": stake, "cost": cost + if_taken * taken}, index=stake.index)
    table = table.astype(float).round(dict.fromkeys(effects, 6) | {"stake": 2, "cost": 4})
    table["value_of_acting"] = (table["effect"] * table["stake"] - table["cost"]).round(2)
    return table.assign(is_assumed=effect.is_assumed)


def at_stake(target: Target, customers: pd.DataFrame, staged: StagedSource, as_of: date) -> pd.DataFrame:
    """Say what one outcome of a target is worth, by customer, from what was known at the as-of.

    customer_id, margin_12_months and, where the source has it, value_12m
    => stake (currency; empty where it is not known), stake_is (in words); by the index of ``customers``
    """
    margin_rate = staged.source.margin_rate
    if target.stake == "saved":
        first, words = customers.get("value_12m"), (FORECAST, LAST)
        first = pd.Series(np.nan, customers.index) if first is None else first
        second = customers["margin_12_months"]
    else:
        with facts_at(staged, as_of) as facts:
            if target.stake == "added":
                monthly, step = _added(facts, str(target.options.get("top_plan", "")))
                first, words = customers["customer_id"].map(monthly) * 12 * margin_rate, (NEXT_PLAN, ADDED)
                second = pd.Series(step * 12 * margin_rate, customers.index)
            else:
                first = pd.Series(_first_year(facts) * margin_rate, customers.index)
                second, words = first, (FIRST_YEAR, FIRST_YEAR)
    stake = first.astype(float).fillna(second)
    said = np.select([first.notna(), stake.notna()], words, UNKNOWN)
    return pd.DataFrame({"stake": stake, "stake_is": said}, index=customers.index)


def _added(facts: FactsAt, top_plan: str) -> tuple[pd.Series, float]:
    """Give a month's price of the next plan less the present one, by customer, and what upgrades added on average."""
    if "subscription_events" not in facts.tables:
        return pd.Series(dtype=float), np.nan
    held = plan_steps(facts, top_plan)
    added = (held["next_price"] - held["price"]).groupby(held["customer_id"]).max()
    steps = facts.query(
        """
        SELECT avg(price - before) AS step
        FROM (
            SELECT event, CAST(monthly_price AS DOUBLE) AS price, lag(price) OVER (
                PARTITION BY customer_id, subscription_id ORDER BY occurred_at, known_at
            ) AS before
            FROM subscription_events
            WHERE monthly_price IS NOT NULL
        )
        WHERE event IN ('upgraded', 'addon_bought') AND price > before"""
    )
    return added[added > 0], float(steps["step"].astype(float).iloc[0])


def _first_year(facts: FactsAt) -> float:
    """Give what who began to pay a year ago or earlier brought in the first year, on average; of nobody not known.

    Where nobody subscribes, who began to order.
    """
    try:
        events = priced_events(facts)
    except NotEnoughDataError:
        return _first_year_of_orders(facts) if "order_lines" in facts.tables else np.nan
    end = (facts.as_of - EPOCH).days
    cut = subscriptions.segments(events, end, state_rules(facts.source))
    live = cut[cut["price"] > 0]
    began = live.groupby("customer_id")["start"].transform("min")
    live, began = live[began <= end - YEAR], began[began <= end - YEAR]
    days = (np.minimum(live["stop"], began + YEAR) - live["start"]).clip(lower=0)
    return float((days * live["price"]).sum() / live["customer_id"].nunique()) if len(live) else np.nan


def _first_year_of_orders(facts: FactsAt) -> float:
    found = facts.query(
        f"""
        SELECT avg(amount) AS amount
        FROM (
            SELECT CAST(sum(amount) FILTER (WHERE began - age_days < {YEAR}) AS DOUBLE) AS amount
            FROM (
                SELECT *, max(age_days) FILTER (WHERE quantity > 0) OVER (PARTITION BY customer_id) AS began
                FROM order_lines
            )
            WHERE began >= {YEAR}
            GROUP BY customer_id
        )"""
    )
    return float(found["amount"].astype(float).iloc[0])

"""How much a customer does, over all channels, weighted by how well it predicts a purchase: 0 to 100."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from tenure.core.auc import auc_with_interval
from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.earlier import known_before
from tenure.snapshots.engines.facts_at import FactsAt

# Each act of a customer by its staged table: what a customer does, not what is done to them.
ACTS = {
    "engagement": """
SELECT customer_id, occurred_at, known_at, coalesce(channel || ' ', '') || kind AS act
FROM engagement""",
    "order_lines": """
SELECT DISTINCT customer_id, occurred_at, known_at, 'order' AS act
FROM order_lines
WHERE quantity > 0""",
    "usage": """
SELECT customer_id, occurred_at, known_at, 'use' || coalesce(' of ' || metric, '') AS act
FROM usage
WHERE quantity > 0""",
    "support_tickets": """
SELECT customer_id, occurred_at, known_at, 'support ticket' AS act
FROM support_tickets
WHERE event = 'opened'""",
    "loyalty": """
SELECT customer_id, occurred_at, known_at, 'points redeemed' AS act
FROM loyalty
WHERE event = 'redeemed'""",
    "declared": """
SELECT customer_id, occurred_at, known_at, 'answer' AS act
FROM declared""",
}
# What an act is to predict.
OUTCOMES = {
    "order_lines": """
SELECT customer_id, occurred_at, known_at
FROM order_lines
WHERE quantity > 0""",
    "payments": """
SELECT customer_id, occurred_at, known_at
FROM payments
WHERE status = 'succeeded'""",
    "subscription_events": """
SELECT customer_id, occurred_at, known_at
FROM subscription_events
WHERE event IN ('started', 'renewed')""",
}
LOOK_BACK_DAYS = 365  # after twelve half-lives of 30 days nothing is left of an act
FEWEST = 30
RIDGE = 1e-3
MAX_ROWS = 50_000


@dataclass(frozen=True)
class Weights:
    """What each kind of act is worth: ``table`` has act, weight, customers, mean; a sum of ``full`` counts as 100."""

    table: pd.DataFrame
    full: float
    quality: dict[str, Any]

    def index(self, decayed: pd.DataFrame) -> pd.Series:
        """Weigh a table of decayed acts. => 0 to 100 by customer_id"""
        return (100 * _weighed(decayed, self.table) / self.full).clip(0, 100).round(1)


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Weigh what was done by the as-of and some days earlier.

    => customer_id, engagement_index, engagement_index_before, engagement_trend
    => engagement_weights: act, weight, customers (who did it), mean (decayed acts each)
    => engagement_quality: one row with both days, the customers asked, how many bought, and the AUC with its interval
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    weights = learn(facts)
    then = facts.as_of - timedelta(days=settings["days_before"])
    days = {"engagement_index": facts.as_of, "engagement_index_before": then}
    table = pd.DataFrame({name: weights.index(decayed_acts(facts, day, settings)) for name, day in days.items()})
    table = table.reindex(customers["customer_id"]).fillna(0.0)
    table["engagement_trend"] = trend(table["engagement_index"], table["engagement_index_before"], settings)
    tables = {"engagement_weights": weights.table, "engagement_quality": pd.DataFrame([weights.quality])}
    return table.reset_index(), tables


def learn(facts: FactsAt) -> Weights:
    """Learn how well each kind of act predicts from a past day, and test it on a later one.

    Both days' outcomes were known by the as-of, and the first day's by the second: a logistic regression with a ridge
    and no negative weight, of a purchase or renewal within the horizon, on the square root of decayed acts.

    Raises
    ------
    NotEnoughDataError : too few customers with or without a purchase on either day, or nothing predicts one.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    tested = facts.as_of - timedelta(days=settings["horizon_days"])
    fitted = tested - timedelta(days=settings["horizon_days"])
    decayed, bought = _acts_and_outcome(facts, fitted, tested, settings)
    sampled = decayed.sample(min(len(decayed), MAX_ROWS), random_state=7).sort_index()
    table = pd.DataFrame({"act": decayed.columns, "weight": _fit(sampled, bought[sampled.index])})
    if not table["weight"].any():
        raise NotEnoughDataError(
            f"no kind of act as of {fitted} foretells a purchase in the {settings['horizon_days']} days after it"
        )
    table["customers"], table["mean"] = (decayed > 0).sum().to_numpy(), decayed.mean().to_numpy()
    full = float(_weighed(decayed, table).quantile(0.99))
    later, came_true = _acts_and_outcome(facts, tested, facts.as_of, settings)
    freshness = -_days_since_any_act(facts, tested)[later.index]
    auc, plain = (
        auc_with_interval(came_true.to_numpy(), scores.to_numpy()) for scores in (_weighed(later, table), freshness)
    )
    quality = {
        "fitted_on": fitted,
        "tested_on": tested,
        "horizon_days": settings["horizon_days"],
        "customers": len(later),
        "bought": int(came_true.sum()),
        "auc": auc.value,
        "auc_low": auc.low,
        "auc_high": auc.high,
        "auc_days_since_last_act": plain.value,
    }
    return Weights(table.sort_values(["weight", "act"], ascending=[False, True], ignore_index=True), full, quality)


def decayed_acts(facts: FactsAt, day: date, settings: dict[str, Any]) -> pd.DataFrame:
    """Count each kind of act known before a day, each worth half after every half-life.

    => one row per customer, one column per act
    """
    weight = f"pow(0.5, days_ago / {settings['half_life_days']})"
    # Rounded where they leave the engine: the last bits depend on which of its threads was first.
    long = facts.query(
        f"""
        SELECT customer_id, act, round(sum({weight}), 9) AS decayed
        FROM ({known_before(_acts(facts), day)})
        WHERE days_ago <= {LOOK_BACK_DAYS}
        GROUP BY customer_id, act
        ORDER BY customer_id, act"""
    )
    return long.pivot(index="customer_id", columns="act", values="decayed").fillna(0.0)


def _acts(facts: FactsAt) -> str:
    parts = [sql for table, sql in ACTS.items() if table in facts.tables]
    if not parts:
        raise NotEnoughDataError(f"needs {', '.join(ACTS)}: one of them, and the source has none")
    return " UNION ALL ".join(parts)


def _acts_and_outcome(
    facts: FactsAt, day: date, until: date, settings: dict[str, Any]
) -> tuple[pd.DataFrame, pd.Series]:
    """Return a day's decayed acts, and whether each of these customers bought or renewed by another day."""
    decayed = decayed_acts(facts, day, settings)
    outcomes = " UNION ALL ".join(sql for table, sql in OUTCOMES.items() if table in facts.tables)
    if not outcomes:
        raise NotEnoughDataError(f"needs {', '.join(OUTCOMES)}: one of them, and the source has none")
    buyers = facts.query(
        f"SELECT DISTINCT customer_id FROM ({known_before(outcomes, until)}) WHERE occurred_at >= DATE '{day}'"
    )
    bought = pd.Series(decayed.index.isin(buyers["customer_id"]).astype(int), index=decayed.index)
    if min(int(bought.sum()), int((1 - bought).sum())) < FEWEST:
        raise NotEnoughDataError(
            f"of {len(bought):,} customers who did anything in the year before {day}, {int(bought.sum()):,} bought by "
            f"{until}: expected at least {FEWEST} who did and {FEWEST} who did not"
        )
    return decayed, bought


def _days_since_any_act(facts: FactsAt, day: date) -> pd.Series:
    latest = facts.query(
        f"SELECT customer_id, min(days_ago) AS days FROM ({known_before(_acts(facts), day)}) GROUP BY customer_id"
    )
    return latest.set_index("customer_id")["days"]


def _fit(decayed: pd.DataFrame, bought: pd.Series) -> np.ndarray:
    """Fit the weights by bounded maximum likelihood, on acts scaled by their spread, which the weights take back."""
    from scipy.optimize import minimize

    acts = np.sqrt(decayed.to_numpy())
    spread = np.where(acts.std(axis=0) > 0, acts.std(axis=0), 1.0)
    scaled, labels = acts / spread, bought.to_numpy()

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercept = parameters[:-1], parameters[-1]
        odds = scaled @ weights + intercept
        error = expit(odds) - labels
        value = np.logaddexp(0, odds).mean() - (labels * odds).mean() + RIDGE * weights @ weights
        return float(value), np.append(scaled.T @ error / len(labels) + 2 * RIDGE * weights, error.mean())

    bounds = [(0, None)] * scaled.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(np.round(found.x[:-1] / spread, 6))


def _weighed(decayed: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """Add up weighted acts; an act that the weights were not learnt on counts nothing."""
    known = decayed.reindex(columns=table["act"], fill_value=0.0)
    return pd.Series(np.sqrt(known.to_numpy()) @ table["weight"].to_numpy(), index=decayed.index)


def trend(now: pd.Series, before: pd.Series, settings: dict[str, Any]) -> np.ndarray:
    """Say where an index is going: silent, waking, fading or steady."""
    silent = settings["silent_below"]
    conditions = [
        (before >= silent) & (now <= settings["fading_share"] * before),
        now < silent,
        (before < silent) | (now >= settings["waking_share"] * before),
    ]
    return np.select(conditions, ["fading", "silent", "waking"], "steady")


ATTRIBUTE = CustomerAttribute(
    name="engagement",
    tables=(),
    columns=(
        AttributeColumn(
            "engagement_index",
            "0 to 100",
            "What the customer did over all channels, fading with age, weighted by how well it foretold a purchase "
            "or renewal.",
        ),
        AttributeColumn(
            "engagement_index_before",
            "0 to 100",
            "The index 30 days before, or as many as the source sets, as known then.",
        ),
        AttributeColumn("engagement_trend", "", "Where the index is going: silent, waking, fading or steady."),
    ),
    build=build,
    settings={
        "half_life_days": 30,
        "horizon_days": 90,
        "days_before": 30,
        "silent_below": 10,
        # All acts stopped 30 days ago: the square root of one half remains, .71. All doubled since: 1.2 or more.
        "fading_share": 0.8,
        "waking_share": 1.25,
    },
)

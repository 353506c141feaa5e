"""Where a customer stands in the loyalty programme, and how soon they reach the next tier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import DefinitionError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt

PACE_DAYS = 90
MONTH_DAYS = 30


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Add up the points, take the newest tier, and measure how far the next one is.

    => customer_id and the attribute's columns
    => programme_tiers: tier, members, points, pace (points a month each), next_within_90_days; most members first
    """
    table = facts.query(
        f"""
        SELECT
            customer_id,
            arg_max(tier, row(occurred_at, known_at, event <> 'earned', tier))
                FILTER (WHERE tier IS NOT NULL) AS loyalty_tier,
            CAST(coalesce(sum(points) FILTER (WHERE event = 'earned'), 0) AS DOUBLE) AS loyalty_points_earned,
            loyalty_points_earned
                - CAST(coalesce(sum(points) FILTER (WHERE event = 'redeemed'), 0) AS DOUBLE) AS loyalty_points,
            CAST(coalesce(sum(points) FILTER (WHERE event = 'earned' AND age_days <= {PACE_DAYS}), 0) AS DOUBLE)
                AS recent_points,
            round(recent_points * {MONTH_DAYS} / {PACE_DAYS}, 1) AS loyalty_pace
        FROM loyalty
        GROUP BY customer_id
        ORDER BY customer_id"""
    )
    names, needed = _tiers(ATTRIBUTE.settings_of(facts.source))
    reached = np.searchsorted(needed, table["loyalty_points_earned"], side="right")
    if names:
        table["loyalty_tier"] = pd.Series([None, *names], dtype="str").take(reached).to_numpy()
    table["loyalty_next_tier"] = pd.Series([*names, None], dtype="str").take(reached).to_numpy()
    table["loyalty_points_to_next"] = np.array([*needed, np.nan])[reached] - table["loyalty_points_earned"]
    pace = table["loyalty_pace"].where(table["loyalty_pace"] > 0)
    table["loyalty_days_to_next"] = np.ceil(table["loyalty_points_to_next"] / pace * MONTH_DAYS)
    return table, {"programme_tiers": _summed(table)}


def _tiers(settings: dict[str, Any]) -> tuple[list[str], list[float]]:
    tiers = settings["tiers"]
    if any(isinstance(points, bool) or not isinstance(points, int | float) or points < 0 for points in tiers.values()):
        raise DefinitionError(
            f"[attributes.loyalty_programme] tiers is {tiers}. "
            "Expected points, not negative, by tier, as in { silver = 500 }."
        )
    ordered = sorted(tiers.items(), key=lambda tier: tier[1])
    return [name for name, _ in ordered], [float(points) for _, points in ordered]


def _summed(members: pd.DataFrame) -> pd.DataFrame:
    members = members.assign(tier=members["loyalty_tier"].fillna("no tier"))
    table = members.groupby("tier", as_index=False).agg(
        members=("customer_id", "size"),
        points=("loyalty_points", "sum"),
        pace=("loyalty_pace", "mean"),
        next_within_90_days=("loyalty_days_to_next", lambda days: int((days <= PACE_DAYS).sum())),
    )
    return table.sort_values(["members", "tier"], ascending=[False, True], ignore_index=True).round(1)


ATTRIBUTE = CustomerAttribute(
    name="loyalty_programme",
    tables=("loyalty",),
    columns=(
        AttributeColumn("loyalty_points", "points", "Points earned less points redeemed."),
        AttributeColumn("loyalty_points_earned", "points", "Points ever earned: what counts towards a tier."),
        AttributeColumn(
            "loyalty_tier",
            "",
            "The tier that the earned points reach where the source sets tiers, else the newest that was told.",
        ),
        AttributeColumn("loyalty_pace", "points a month", "Points earned per 30 days, over the last 90."),
        AttributeColumn(
            "loyalty_next_tier", "", "The next tier; empty at the top, and where the source sets no tiers."
        ),
        AttributeColumn("loyalty_points_to_next", "points", "Points that are missing for the next tier."),
        AttributeColumn(
            "loyalty_days_to_next",
            "days",
            "Days until the next tier at this pace; empty where nothing was earned in the last 90.",
        ),
    ),
    build=build,
    settings={"tiers": {}},  # points ever earned by tier, as in { silver = 500, gold = 1500 }
)

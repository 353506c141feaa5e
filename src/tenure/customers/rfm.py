"""Recency, frequency and monetary value, the segments they make, and who moved between them.

Source: Hughes (1994), Strategic Database Marketing: each is cut into five, 5 the best.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import DefinitionError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.earlier import known_before, purchases
from tenure.snapshots.engines.facts_at import FactsAt

# RFM class, recency score from and to, mean of frequency and monetary score from and to. Every pair is in exactly one.
SEGMENTS = (
    ("best", 5, 5, 4, 5),
    ("loyal", 3, 4, 4, 5),
    ("growing", 4, 5, 2, 3),
    ("new", 4, 5, 1, 1),
    ("needs attention", 3, 3, 2, 3),
    ("about to sleep", 3, 3, 1, 1),
    ("cannot lose", 1, 2, 5, 5),
    ("slipping", 1, 2, 3, 4),
    ("dormant", 1, 2, 1, 2),
)
BEST = SEGMENTS[0][0]
NOT_YET = "no purchase yet"


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Score who has bought, at the as-of and so many days before it, and count who moved between segments.

    => customer_id and the attribute's columns
    => rfm_migration: segment_before, segment, customers, amount (of the last window)
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    before = rfm_at(facts, facts.as_of - timedelta(days=settings["days_before"]), settings)
    former = before[["customer_id", "rfm_segment"]].rename(columns={"rfm_segment": "rfm_segment_before"})
    now = rfm_at(facts, facts.as_of, settings).merge(former, on="customer_id", how="left", validate="one_to_one")
    return now, {"rfm_migration": _migration(now)}


def rfm_at(facts: FactsAt, day: date, settings: dict[str, Any]) -> pd.DataFrame:
    """Score who had bought before a day, from what was known on it, each score among the buyers of that day.

    => customer_id, rfm_recency_days, rfm_orders, rfm_amount, rfm_score, rfm_segment
    """
    table = facts.query(
        f"""
        SELECT
            customer_id,
            min(days_ago) FILTER (WHERE is_purchase) AS rfm_recency_days,
            count(DISTINCT purchase_id)
                FILTER (WHERE is_purchase AND days_ago <= {settings["window_days"]}) AS rfm_orders,
            round(coalesce(sum(amount) FILTER (WHERE days_ago <= {settings["window_days"]}), 0), 2) AS rfm_amount
        FROM ({known_before(purchases(facts), day)})
        GROUP BY customer_id
        HAVING bool_or(is_purchase)
        ORDER BY customer_id"""
    )
    recency = score(-table["rfm_recency_days"], [-bound for bound in _bounds(settings, "recency_bounds")[::-1]])
    frequency = score(table["rfm_orders"], _bounds(settings, "frequency_bounds"))
    monetary = score(table["rfm_amount"], _bounds(settings, "monetary_bounds"))
    table["rfm_score"] = [f"{r}{f}{m}" for r, f, m in zip(recency, frequency, monetary, strict=True)]
    table["rfm_segment"] = [
        segment_of(r, (f + m + 1) // 2) for r, f, m in zip(recency, frequency, monetary, strict=True)
    ]
    return table


def score(values: pd.Series, bounds: list[float]) -> np.ndarray:
    """Score values 1 to 5, 5 the highest: one more for each of four bounds reached; without bounds by quintile.

    Equal values get equal scores, so quintiles with many ties are of unequal size.
    """
    numbers = values.to_numpy(dtype=float)
    if bounds:
        return np.asarray(1 + np.searchsorted(bounds, numbers, side="right"))
    edges = np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]) if len(numbers) else []
    return np.asarray(1 + np.searchsorted(edges, numbers, side="left"))


def segment_of(recency: int, worth: int) -> str:
    """Name the segment of a recency score and of the mean of frequency and monetary score, rounded half up."""
    return next(name for name, low, high, least, most in SEGMENTS if low <= recency <= high and least <= worth <= most)


def _migration(bought: pd.DataFrame) -> pd.DataFrame:
    moved = bought.assign(segment_before=bought["rfm_segment_before"].fillna(NOT_YET), segment=bought["rfm_segment"])
    table = moved.groupby(["segment_before", "segment"], as_index=False).agg(
        customers=("customer_id", "size"), amount=("rfm_amount", "sum")
    )
    order = {name: place for place, name in enumerate([*(segment[0] for segment in SEGMENTS), NOT_YET])}
    table = table.sort_values(["segment_before", "segment"], key=lambda names: names.map(order), ignore_index=True)
    return table.round({"amount": 2})


def _bounds(settings: dict[str, Any], key: str) -> list[float]:
    bounds = list(settings[key])
    if bounds and (len(bounds) != 4 or sorted(set(bounds)) != bounds):
        raise DefinitionError(
            f"[attributes.rfm] {key} is {bounds}. Expected four numbers, ascending, or none for quintiles."
        )
    return bounds


ATTRIBUTE = CustomerAttribute(
    name="rfm",
    tables=(),
    columns=(
        AttributeColumn("rfm_recency_days", "days", "Days since the last purchase; 1 is yesterday."),
        AttributeColumn("rfm_orders", "count", "Purchases in the window, a year unless the source sets another."),
        AttributeColumn(
            "rfm_amount", "currency", "What was paid for purchases in the window, less what was given back."
        ),
        AttributeColumn("rfm_score", "", "Recency, frequency and monetary score, 5 the best, as in 543."),
        AttributeColumn("rfm_segment", "", "The segment that the scores make."),
        AttributeColumn(
            "rfm_segment_before", "", "The segment 90 days before, or as many as the source sets, as known then."
        ),
    ),
    build=build,
    settings={
        "window_days": 365,
        "days_before": 90,
        "recency_bounds": [],
        "frequency_bounds": [],
        "monetary_bounds": [],
    },
)

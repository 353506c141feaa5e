"""Purchases of customers as plain tables of days: what every model of a shop's value is fitted on.

``purchases`` everywhere: customer_id, day, known, amount, is_purchase; one row per customer and day of purchase, and
one per day of returns without one (``is_purchase`` false, amount negative). Days count from any origin; ``known`` is
the day a row could be known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError

DAYS_PER_WEEK = 7.0
CUSTOMERS_AT_A_TIME = 50_000


def known_before(purchases: pd.DataFrame, end: int) -> pd.DataFrame:
    """Keep what had happened and was known before a day."""
    return purchases[(purchases["day"] < end) & (purchases["known"] < end)]


def summarise(purchases: pd.DataFrame, end: int) -> pd.DataFrame:
    """Sum up each customer who bought anything before a day.

    =>  index customer_id: repeats (purchases after the first), recency (weeks from the first to the last), observed
       (weeks from the first to ``end``), amount (mean of a purchase, less what was returned), first, last (days)
    """
    known = known_before(purchases, end)
    bought = known[known["is_purchase"]].groupby("customer_id", sort=True)["day"]
    first, last, count = bought.min(), bought.max(), bought.size()
    net = known.groupby("customer_id")["amount"].sum().reindex(count.index)
    return pd.DataFrame(
        {
            "repeats": count - 1,
            "recency": (last - first) / DAYS_PER_WEEK,
            "observed": (end - first) / DAYS_PER_WEEK,
            "amount": net / count,
            "first": first,
            "last": last,
        }
    )


@dataclass(frozen=True)
class Repetition:
    """The sufficient statistics of a purchase process: how often, until when and for how long. One entry per customer.

    ``weights`` count equal customers: the likelihood of 200,000 is that of their few distinct ones.
    """

    repeats: np.ndarray
    recency: np.ndarray  # weeks
    observed: np.ndarray  # weeks
    weights: np.ndarray

    @classmethod
    def of(cls, summary: pd.DataFrame) -> Repetition:
        """Take every row of a summary as it stands."""
        x, recency, observed = (summary[name].to_numpy(dtype=float) for name in ("repeats", "recency", "observed"))
        return cls(x, recency, observed, np.ones(len(summary)))

    @classmethod
    def distinct(cls, summary: pd.DataFrame) -> Repetition:
        """Count equal rows once, with their number as weight."""
        counted = summary.groupby(["repeats", "recency", "observed"], sort=True).size().reset_index(name="weights")
        x, recency, observed, weights = (counted[name].to_numpy(dtype=float) for name in counted.columns)
        return cls(x, recency, observed, weights)

    def in_chunks(self, calculate: Callable[[Repetition], np.ndarray]) -> np.ndarray:
        """Calculate a number per customer, some customers at a time: a formula holds many times as much in between."""
        columns = (self.repeats, self.recency, self.observed, self.weights)
        starts = range(0, max(len(self.repeats), 1), CUSTOMERS_AT_A_TIME)
        return np.concatenate(
            [calculate(Repetition(*(c[start : start + CUSTOMERS_AT_A_TIME] for c in columns))) for start in starts]
        )

    def check_return(self, model: str) -> None:
        """Refuse customers of whom nobody came back.

        Raises
        ------
        NotEnoughDataError : nobody bought twice.
        """
        if not (self.repeats > 0).any():
            raise NotEnoughDataError(
                f"{model}: none of {int(self.weights.sum()):,} customers bought on a second day. "
                "Expected some who came back; value needs a longer history."
            )

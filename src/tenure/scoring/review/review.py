"""A review: forecasts with their outcomes, drift, freshness, the problems in them, and the diary of the last month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.core.problems import Problem
from tenure.scoring.review.diary import Entry
from tenure.scoring.review.drift import Drift
from tenure.scoring.review.outcomes import Outcome, outcome_table


@dataclass(frozen=True)
class Review:
    """What a review found.

    ``freshness``: as ``freshness_table`` returns it. ``began``: since when each of ``problems`` stands. ``diary``:
    oldest first.
    """

    outcomes: list[Outcome]
    drift_by_target: dict[str, Drift]
    freshness: pd.DataFrame
    problems: list[Problem]
    began: list[date]
    diary: list[Entry]

    @property
    def table(self) -> pd.DataFrame:
        """The outcomes, one row each, as ``outcome_table`` returns them."""
        return outcome_table(self.outcomes)

    @property
    def drift(self) -> pd.DataFrame:
        """The ten most drifted features of each target. => target, name, psi, chance, ..."""
        tops = [drift.features.head(10).assign(target=name) for name, drift in self.drift_by_target.items()]
        return pd.concat(tops, ignore_index=True) if tops else pd.DataFrame()

"""The two-stage model: P(anything comes) times how much comes if it does, both by LightGBM on a few plain columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError

MAX_ROWS = 50_000  # beyond it a seeded sample is fitted on
MIN_ROWS, MIN_POSITIVES = 50, 20
TREES = 80
TRAINING_CUTOFFS = 3
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.08,
    "num_leaves": 8,
    "max_depth": 4,
    "lambda_l2": 5.0,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "seed": 7,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def training_cutoffs(start: int, end: int, days: int) -> tuple[int, list[int]]:
    """Choose how many days to learn the outcome of, and up to three days to learn from, the latest first.

    Where the history is shorter than twice ``days``, half of it is learnt.

    >>> training_cutoffs(0, 400, 91)
    (91, [309, 264, 218])

    Raises
    ------
    NotEnoughDataError : less than two days of history.
    """
    learnt = min(days, (end - start) // 2)
    if learnt < 1:
        raise NotEnoughDataError(
            "two-stage: less than two days of history. Expected twice the horizon, or at least weeks."
        )
    cutoffs = [end - learnt - number * learnt // 2 for number in range(TRAINING_CUTOFFS)]
    return learnt, [cutoff for cutoff in cutoffs if cutoff - start >= learnt // 2]


@dataclass(frozen=True)
class TwoStage:
    """Boosters: the chance of a positive outcome, and its mean where it is positive."""

    chance: Any
    amount: Any

    @classmethod
    def fit(cls, columns: pd.DataFrame, outcome: np.ndarray) -> TwoStage:
        """Fit to outcomes that are zero or more, one per row of ``columns``.

        Raises
        ------
        NotEnoughDataError : too few rows, or too few with an outcome or without one.
        """
        positive = outcome > 0
        if len(columns) < MIN_ROWS or positive.sum() < MIN_POSITIVES:
            raise NotEnoughDataError(
                f"two-stage: {int(positive.sum()):,} of {len(columns):,} customers brought anything. Expected "
                f"{MIN_POSITIVES} of {MIN_ROWS} or more; the other models are used."
            )
        rows = np.arange(len(columns))
        if len(rows) > MAX_ROWS:
            rows = np.sort(np.random.default_rng(7).choice(rows, MAX_ROWS, replace=False))
        x, y = columns.to_numpy(dtype=float)[rows], np.maximum(outcome[rows], 0.0)
        return cls(_boost(x, (y > 0).astype(float), "binary"), _boost(x[y > 0], y[y > 0], "poisson"))

    def expected(self, columns: pd.DataFrame) -> np.ndarray:
        """Return the expected outcome of each row."""
        x = columns.to_numpy(dtype=float)
        return np.asarray(self.chance.predict(x) * self.amount.predict(x))


def _boost(x: np.ndarray, y: np.ndarray, objective: str) -> Any:
    import lightgbm

    leaf = max(5, min(100, len(x) // 20))
    settings = {**SETTINGS, "objective": objective, "min_data_in_leaf": leaf}
    return lightgbm.train(settings, lightgbm.Dataset(x, label=y), num_boost_round=TREES)

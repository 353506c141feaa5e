"""The two forms of a model: trees, and the small one that few data bear. Each scores a matrix and explains it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tenure.models.estimators.tree_tables import TreeTable, look_up, tables_of

if TYPE_CHECKING:
    from lightgbm import Booster

# Building the tables takes as long as explaining about so many rows without them.
WORTH_TABLES = 3000


@dataclass(frozen=True)
class Trees:
    """A LightGBM booster, kept as its text."""

    text: str

    @cached_property
    def booster(self) -> Booster:
        from lightgbm import Booster

        return Booster(model_str=self.text)

    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of each row before calibration."""
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=2))

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return each feature's signed part of the log-odds, the base last.

        Source: Lundberg et al. (2020), TreeSHAP: by tables where the trees are small and the rows many, else as LightGBM computes it.
        """
        if len(matrix) >= WORTH_TABLES and self._tables is not None:
            return look_up(self._tables, matrix)
        return np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=2))

    @cached_property
    def _tables(self) -> list[TreeTable] | None:
        return tables_of(self.booster.dump_model()["tree_info"])


@dataclass(frozen=True)
class LinearColumn:
    """One regressor: the rank of a value among the fitting rows, from 0 to 1, times its coefficient.

    ``quantiles`` are those of the fitting rows, evenly spaced; an unknown value has the rank of the median and
    ``when_unknown`` on top; ``mean`` is the column's mean part of the log-odds over the fitting rows.
    """

    quantiles: tuple[float, ...]
    coefficient: float
    when_unknown: float
    mean: float


@dataclass(frozen=True)
class Linear:
    """A regularised logistic regression on ranks. Amounts and counts are skewed: their ranks make the better regressors."""

    columns: tuple[LinearColumn, ...]
    intercept: float

    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of each row before calibration."""
        return self._parts(matrix).sum(axis=1) + self.intercept

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Return each feature's signed part of the log-odds, the base last.

        Source: Lundberg and Lee (2017), SHAP of a linear model: the part less its mean.
        """
        means = np.array([column.mean for column in self.columns])
        base = np.full((len(matrix), 1), self.intercept + means.sum())
        return np.hstack([self._parts(matrix) - means, base])

    def _parts(self, matrix: np.ndarray) -> np.ndarray:
        parts = np.empty(matrix.shape)
        for index, column in enumerate(self.columns):
            unknown = np.isnan(matrix[:, index])
            ranks = rank_among(np.where(unknown, np.nan, matrix[:, index]), column.quantiles)
            parts[:, index] = column.coefficient * ranks + column.when_unknown * unknown
        return parts


Form = Trees | Linear


def rank_among(values: np.ndarray, quantiles: tuple[float, ...]) -> np.ndarray:
    """Return each value's rank among evenly spaced quantiles, 0 to 1; ties take their middle, unknown takes the median's rank."""
    knots = np.asarray(quantiles)
    known = np.where(np.isnan(values), knots[len(knots) // 2], values)
    grid = np.linspace(0, 1, len(knots))
    # Once from below and once from above: a value that fills many quantiles lies in their middle.
    return np.asarray((np.interp(known, knots, grid) + 1 - np.interp(-known, -knots[::-1], grid)) / 2)

"""The logistic baseline: regularised, on the ranks of a handful of features; the comparison and the fallback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tenure.models.estimators.protocol import Estimator, FittingRows
from tenure.models.estimators.settings import TrainingSettings

QUANTILES = 100


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
class Linear(Estimator):
    """A regularised logistic regression on ranks.

    Amounts and counts are skewed: their ranks make the better regressors.
    """

    columns: tuple[LinearColumn, ...]
    intercept: float

    @classmethod
    def fit(
        cls, rows: FittingRows, settings: TrainingSettings, *, directions: Sequence[int] = (), rounds: int = 0
    ) -> Linear:
        """Fit a logistic regression (ridge penalty) to ranks, unknown values marked by a column of their own."""
        from sklearn.linear_model import LogisticRegression

        matrix, labels = rows.matrix, rows.labels
        if not matrix.shape[1]:
            rate = float(np.mean(labels))
            return cls((), float(np.log(rate / (1 - rate))))
        grid = np.linspace(0, 1, min(QUANTILES, len(matrix)))
        unknown = np.isnan(matrix)
        # A column without any known value (in one fold) has one rank, and so no say.
        quantiles = [
            tuple(np.nanquantile(column, grid)) if not blank.all() else (0.0,) * len(grid)
            for column, blank in zip(matrix.T, unknown.T, strict=True)
        ]
        ranks = np.column_stack([rank_among(column, knots) for column, knots in zip(matrix.T, quantiles, strict=True)])
        fitted = LogisticRegression(max_iter=1000).fit(np.hstack([ranks, unknown]), labels, sample_weight=rows.weights)
        slopes, marks = np.split(fitted.coef_[0], 2)
        means = (slopes * ranks + marks * unknown).mean(axis=0)
        columns = [
            LinearColumn(knots, float(slope), float(mark), float(mean))
            for knots, slope, mark, mean in zip(quantiles, slopes, marks, means, strict=True)
        ]
        return cls(tuple(columns), float(fitted.intercept_[0]))

    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(self._parts(matrix).sum(axis=1) + self.intercept)

    def contributions(self, matrix: np.ndarray, usual: np.ndarray | None = None) -> np.ndarray:
        """Return each feature's signed part of the log-odds, the base last.

        Source: Lundberg and Lee (2017), SHAP of a linear model: the part less its mean.
        """
        means = np.array([column.mean for column in self.columns])
        base = np.full((len(matrix), 1), self.intercept + means.sum())
        return np.hstack([self._parts(matrix) - means, base])

    def describe(self) -> str:
        return "logistic regression"

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Linear:
        document = json.loads(text)
        columns = [LinearColumn(**column | {"quantiles": tuple(column["quantiles"])}) for column in document["columns"]]
        return cls(tuple(columns), document["intercept"])

    def _parts(self, matrix: np.ndarray) -> np.ndarray:
        parts = np.empty(matrix.shape)
        for index, column in enumerate(self.columns):
            unknown = np.isnan(matrix[:, index])
            ranks = rank_among(np.where(unknown, np.nan, matrix[:, index]), column.quantiles)
            parts[:, index] = column.coefficient * ranks + column.when_unknown * unknown
        return parts


def rank_among(values: np.ndarray, quantiles: tuple[float, ...]) -> np.ndarray:
    """Return each value's rank among evenly spaced quantiles, 0 to 1.

    Ties take their middle, unknown takes the median's rank.

    >>> rank_among(np.array([0.0, 2.5, np.nan, 99.0]), (0.0, 5.0, 10.0))
    array([0.  , 0.25, 0.5 , 1.  ])
    """
    knots = np.asarray(quantiles)
    known = np.where(np.isnan(values), knots[len(knots) // 2], values)
    grid = np.linspace(0, 1, len(knots))
    # Once from below and once from above: a value that fills many quantiles lies in their middle.
    return np.asarray((np.interp(known, knots, grid) + 1 - np.interp(-known, -knots[::-1], grid)) / 2)

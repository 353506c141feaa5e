"""The logistic baseline: regularised, on the ranks of features, one or all; the comparison and the fallback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tenure.models.estimators.protocol import Estimator, FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

QUANTILES = 100
# Ridge penalty (scikit-learn's C): hundreds of features that repeat each other ask for more than its default of 1.
RIDGE = 0.1
# More rows would not move a few hundred coefficients, and take memory that a training is not given.
MOST_ROWS = 200_000


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
        if not rows.matrix.shape[1]:
            rate = float(np.mean(rows.labels))
            return cls((), float(np.log(rate / (1 - rate))))
        quantiles, design, marked = _prepared(rows)
        fitted = _regression(design, rows, np.arange(len(design)))
        slopes, marks = fitted.coef_[0, : len(quantiles)], np.zeros(len(quantiles))
        marks[marked] = fitted.coef_[0, len(quantiles) :]
        means = (slopes * design[:, : len(quantiles)] + marks * np.isnan(rows.matrix)).mean(axis=0)
        columns = [
            LinearColumn(knots, float(slope), float(mark), float(mean))
            for knots, slope, mark, mean in zip(quantiles, slopes, marks, means, strict=True)
        ]
        return cls(tuple(columns), float(fitted.intercept_[0]))

    @classmethod
    def cross_fit(
        cls, rows: FittingRows, folds: Folds, settings: TrainingSettings, *, directions: Sequence[int] = ()
    ) -> tuple[int, np.ndarray]:
        """Fit each fold on ranks among all rows, which know no label: ranking them takes longer than fitting."""
        if not rows.matrix.shape[1]:
            return super().cross_fit(rows, folds, settings, directions=directions)
        _, design, _ = _prepared(rows)
        raw = np.full(len(rows.labels), np.nan)
        for fitting, held_out in folds:
            raw[held_out] = _regression(design, rows, fitting).decision_function(design[held_out])
        return 0, raw

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
            ranks = rank_among(matrix[:, index], column.quantiles)
            parts[:, index] = column.coefficient * ranks + column.when_unknown * np.isnan(matrix[:, index])
        return parts


def _prepared(rows: FittingRows) -> tuple[list[tuple[float, ...]], np.ndarray, np.ndarray]:
    """Rank rows among themselves, once for all folds and the fit on all rows.

    => quantiles of each feature; the regressors: each feature's ranks, then marks of the unknown; whose marks they are.
    """
    if "ranked" not in rows.prepared:
        grid = np.linspace(0, 1, min(QUANTILES, len(rows.matrix)))
        unknown = np.isnan(rows.matrix)
        # A column without any known value has one rank, and so no say.
        quantiles = [
            tuple(np.nanquantile(column, grid).tolist()) if not blank.all() else (0.0,) * len(grid)
            for column, blank in zip(rows.matrix.T, unknown.T, strict=True)
        ]
        ranks = [rank_among(column, knots) for column, knots in zip(rows.matrix.T, quantiles, strict=True)]
        # Features of one table are unknown together: one mark serves them all.
        first: dict[bytes, int] = {}
        for number, mark in enumerate(np.packbits(unknown, axis=0).T):
            first.setdefault(mark.tobytes(), number)
        marked = np.array([first[mark] for mark in sorted(first)])
        rows.prepared["ranked"] = quantiles, np.column_stack([*ranks, unknown[:, marked]]), marked
    found: tuple[list[tuple[float, ...]], np.ndarray, np.ndarray] = rows.prepared["ranked"]
    return found


def _regression(design: np.ndarray, rows: FittingRows, numbers: np.ndarray) -> LogisticRegression:
    """Fit the rows of these numbers, evenly thinned where they are very many."""
    from sklearn.linear_model import LogisticRegression

    numbers = numbers[:: -(-len(numbers) // MOST_ROWS)]
    weights = None if rows.weights is None else rows.weights[numbers]
    # Rows are many more than columns: Newton's steps take a tenth of the time of lbfgs.
    model = LogisticRegression(C=RIDGE, solver="newton-cholesky", max_iter=100)
    return model.fit(design[numbers], rows.labels[numbers], sample_weight=weights)


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

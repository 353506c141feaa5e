"""The logistic baseline: regularised, on the ranks of features, one or all; the comparison and the fallback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from tenure.models.estimators.protocol import Estimator, FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings

QUANTILES = 100
# Ridge penalty (scikit-learn's C): hundreds of features that repeat each other ask for more than its default of 1.
RIDGE = 0.1


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
        return cls._of(_ranked(rows), rows.labels, rows.weights)

    @classmethod
    def cross_fit(
        cls, rows: FittingRows, folds: Folds, settings: TrainingSettings, *, directions: Sequence[int] = ()
    ) -> tuple[int, np.ndarray]:
        """Fit each fold on ranks among all rows, which know no label: ranking them takes longer than fitting."""
        if not rows.matrix.shape[1]:
            return super().cross_fit(rows, folds, settings, directions=directions)
        ranked, raw = _ranked(rows), np.full(len(rows.labels), np.nan)
        for fitting, held_out in folds:
            weights = None if rows.weights is None else rows.weights[fitting]
            fitted = cls._of(ranked.part(fitting), rows.labels[fitting], weights)
            raw[held_out] = fitted._of_ranks(ranked.part(held_out)).sum(axis=1) + fitted.intercept
        return 0, raw

    @classmethod
    def _of(cls, ranked: _Ranked, labels: np.ndarray, weights: np.ndarray | None) -> Linear:
        from sklearn.linear_model import LogisticRegression

        # Features of one table are unknown together: one mark serves them all.
        _, marked = np.unique(ranked.unknown, axis=1, return_index=True)
        design = np.hstack([ranked.ranks, ranked.unknown[:, marked]])
        # Rows are many more than columns: Newton's steps take a tenth of the time of lbfgs.
        model = LogisticRegression(C=RIDGE, solver="newton-cholesky", max_iter=100)
        fitted = model.fit(design, labels, sample_weight=weights)
        slopes, marks = fitted.coef_[0, : ranked.ranks.shape[1]], np.zeros(ranked.ranks.shape[1])
        marks[marked] = fitted.coef_[0, len(slopes) :]
        means = (slopes * ranked.ranks + marks * ranked.unknown).mean(axis=0)
        columns = [
            LinearColumn(knots, float(slope), float(mark), float(mean))
            for knots, slope, mark, mean in zip(ranked.quantiles, slopes, marks, means, strict=True)
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
        quantiles = [column.quantiles for column in self.columns]
        return self._of_ranks(_Ranked(quantiles, _ranks(matrix, quantiles), np.isnan(matrix)))

    def _of_ranks(self, ranked: _Ranked) -> np.ndarray:
        slopes = np.array([column.coefficient for column in self.columns])
        marks = np.array([column.when_unknown for column in self.columns])
        return np.asarray(slopes * ranked.ranks + marks * ranked.unknown)


@dataclass(frozen=True)
class _Ranked:
    """Rows as ranks among each feature's quantiles, and which values are unknown; both rows x features."""

    quantiles: Sequence[tuple[float, ...]]
    ranks: np.ndarray
    unknown: np.ndarray

    def part(self, row_numbers: np.ndarray) -> _Ranked:
        return _Ranked(self.quantiles, self.ranks[row_numbers], self.unknown[row_numbers])


def _ranked(rows: FittingRows) -> _Ranked:
    """Rank rows among themselves, once for all folds and the fit on all rows."""
    if "ranked" not in rows.prepared:
        grid = np.linspace(0, 1, min(QUANTILES, len(rows.matrix)))
        unknown = np.isnan(rows.matrix)
        # A column without any known value has one rank, and so no say.
        quantiles = [
            tuple(np.nanquantile(column, grid).tolist()) if not blank.all() else (0.0,) * len(grid)
            for column, blank in zip(rows.matrix.T, unknown.T, strict=True)
        ]
        rows.prepared["ranked"] = _Ranked(quantiles, _ranks(rows.matrix, quantiles), unknown)
    ranked: _Ranked = rows.prepared["ranked"]
    return ranked


def _ranks(matrix: np.ndarray, quantiles: Sequence[tuple[float, ...]]) -> np.ndarray:
    ranks = np.empty(matrix.shape)
    for index, knots in enumerate(quantiles):
        ranks[:, index] = rank_among(matrix[:, index], knots)
    return ranks


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

"""What an estimator is: the class that training, reasons and the registry ask, and nothing else of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from tenure.models.estimators.settings import TrainingSettings

# Fitting and held-out row numbers of each fold.
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FittingRows:
    """The rows to fit on: ``matrix`` is float64, rows x features, NaN is unknown; ``labels`` are 0 or 1.

    ``categories`` are the columns that hold codes of a category. ``prepared`` is the estimator's own: what it makes of
    the rows once for all folds.
    """

    matrix: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None
    categories: tuple[int, ...] = ()
    prepared: dict[str, Any] = field(default_factory=dict, repr=False)

    def part(self, row_numbers: np.ndarray) -> FittingRows:
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[row_numbers]
        return FittingRows(self.matrix[row_numbers], self.labels[row_numbers], weights, self.categories)


class Estimator(ABC):
    """A fitted estimator: ``fit``, ``raw_scores``, ``describe``, ``dump`` and ``load``; the rest has defaults.

    A source names one by ``estimator = "name"`` in ``[targets.<target>]`` of its ``source.toml``; see
    ``docs/estimators.md``.
    """

    # Names of the settings that ``suggest`` varies; without any it is never tuned.
    TUNED: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def fit(
        cls, rows: FittingRows, settings: TrainingSettings, *, directions: Sequence[int] = (), rounds: int = 0
    ) -> Self:
        """Fit to all rows, the same for the same rows and settings.

        ``directions``: per feature, 1 may only raise and -1 only lower the score, 0 is free; empty, all are free.
        ``rounds`` is what ``cross_fit`` returned.
        """

    @abstractmethod
    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of each row before calibration."""

    @abstractmethod
    def describe(self) -> str:
        """Name it for readers of a model card, as in "random forest"."""

    @abstractmethod
    def dump(self) -> str:
        """Write it as text, from which ``load`` restores it to the bit."""

    @classmethod
    @abstractmethod
    def load(cls, text: str) -> Self:
        """Restore what ``dump`` wrote, without executing anything that the text names.

        Raises
        ------
        ValueError : the text is damaged.
        """

    @classmethod
    def cross_fit(
        cls, rows: FittingRows, folds: Folds, settings: TrainingSettings, *, directions: Sequence[int] = ()
    ) -> tuple[int, np.ndarray]:
        """Return a number of rounds, 0 for none, and the out-of-fold raw scores, NaN where no fold held a row out."""
        raw = np.full(len(rows.labels), np.nan)
        for fitting, held_out in folds:
            fitted = cls.fit(rows.part(fitting), settings, directions=directions)
            raw[held_out] = fitted.raw_scores(rows.matrix[held_out])
        return 0, raw

    @classmethod
    def suggest(cls, trial: Any, settings: TrainingSettings) -> TrainingSettings:
        """Return the settings of an Optuna trial, with other values of ``TUNED``."""
        return settings

    def trees(self) -> dict[str, Any] | None:
        """Return its trees as ``shap.TreeExplainer`` reads a dictionary of them; None where it is made of none."""
        return None

    def contributions(self, matrix: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """Return each feature's signed part of the log-odds, the base last; a row's parts add up to its raw score.

        Trees are explained exactly by shap. Anything else is explained against ``usual``, the features of a customer
        whose every value is the usual one, by changing one feature after the other to the row's: there and back, which
        is exact up to interactions of two.
        Source: Lundberg and Lee (2017). shap's own PermutationExplainer goes row by row and takes a second for each.
        """
        if (trees := self.trees()) is not None:
            import shap

            explainer = shap.TreeExplainer(trees)
            parts = np.asarray(explainer.shap_values(matrix)).reshape(matrix.shape)
            return np.column_stack([parts, np.full(len(matrix), np.ravel(explainer.expected_value)[0])])
        parts = np.zeros((len(matrix), matrix.shape[1] + 1))
        parts[:, -1] = self.raw_scores(usual[None, :])[0]
        for order in (range(matrix.shape[1]), reversed(range(matrix.shape[1]))):
            changed = np.tile(usual, (len(matrix), 1))
            before = parts[:, -1]
            for feature in order:
                changed[:, feature] = matrix[:, feature]
                after = self.raw_scores(changed)
                parts[:, feature] += (after - before) / 2
                before = after
        return parts

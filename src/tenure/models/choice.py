"""Which estimator few data bear: trees, or the logistic regression where trees are no better beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenure.core.auc import Auc, auc_difference
from tenure.models.estimators.catalogue import TREES
from tenure.models.train import TrainedModel


@dataclass(frozen=True)
class Choice:
    """The model taken; ``difference`` is the out-of-fold AUC of the estimator less that of the logistic regression.

    ``is_asked_for``: the source's settings name the estimator, so that it is taken whatever the difference.
    """

    trained: TrainedModel
    difference: Auc
    is_asked_for: bool = False

    @property
    def took_trees(self) -> bool:
        return self.trained.model.kind == TREES.name

    @property
    def reason(self) -> str:
        """Say in one sentence what was taken, and why."""
        d = self.difference
        found = f"out of fold, inside the fitting block, their AUC differs by {d.value:+.3f} (95 % interval {d.low:+.3f} to {d.high:+.3f})"
        if self.is_asked_for:
            name = self.trained.model.estimator.describe()
            return (
                f"The source's settings ask for this estimator: {name}. Compared with the logistic regression, {found}."
            )
        if self.took_trees:
            return f"Trees (LightGBM) were taken over the logistic regression: {found}."
        features = len(self.trained.model.feature_names)
        return f"The logistic regression on {features} feature{'s' if features != 1 else ''} was taken, for the trees are no better beyond noise: {found}."


def choose_model(
    main: TrainedModel,
    logistic: TrainedModel,
    labels: np.ndarray,
    customers: np.ndarray,
    *,
    is_asked_for: bool = False,
) -> Choice:
    """Take the trees where they beat the logistic regression beyond noise, out of fold on the same fitting rows.

    ``labels`` and ``customers``: one per fitting row; the interval counts a customer's rows as one. ``main`` is taken
    anyway where it ``is_asked_for``.
    """
    difference = auc_difference(labels, main.out_of_fold, logistic.out_of_fold, customers)
    takes_main = is_asked_for or difference.low > 0 or not logistic.model.feature_names
    return Choice(main if takes_main else logistic, difference, is_asked_for)

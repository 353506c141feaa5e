"""Which form few data bear: trees, or the small model where trees are no better beyond noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tenure.models.evaluate import Auc, auc_difference
from tenure.models.train import TrainedModel


@dataclass(frozen=True)
class Choice:
    """The model taken; ``difference`` is the out-of-fold AUC of the trees less that of the logistic regression."""

    trained: TrainedModel
    difference: Auc
    took_trees: bool

    @property
    def reason(self) -> str:
        """Say in one sentence what was taken, and why."""
        d = self.difference
        found = f"out of fold, inside the fitting block, their AUC differs by {d.value:+.3f} (95 % interval {d.low:+.3f} to {d.high:+.3f})"
        if self.took_trees:
            return f"Trees (LightGBM) were taken over the logistic regression: {found}."
        features = len(self.trained.model.feature_names)
        return f"The logistic regression on {features} feature{'s' if features != 1 else ''} was taken, for the trees are no better beyond noise: {found}."


def choose_model(trees: TrainedModel, logistic: TrainedModel, labels: np.ndarray, customers: np.ndarray) -> Choice:
    """Take the trees where they beat the logistic regression beyond noise, out of fold on the same fitting rows.

    ``labels`` and ``customers``: one per fitting row; the interval counts a customer's rows as one.
    """
    difference = auc_difference(labels, trees.out_of_fold, logistic.out_of_fold, customers)
    took_trees = difference.low > 0 or not logistic.model.feature_names
    return Choice(trees if took_trees else logistic, difference, took_trees)

"""Folds grouped by customer."""

from __future__ import annotations

import numpy as np

from tenure.core.errors import NotEnoughDataError
from tenure.models.estimators.protocol import Folds
from tenure.models.estimators.settings import TrainingSettings


def grouped_folds(labels: np.ndarray, customers: np.ndarray, settings: TrainingSettings) -> Folds:
    """Split rows into folds with no customer on both sides, labels spread evenly.

    Raises
    ------
    NotEnoughDataError : one class only, or fewer customers than folds.
    """
    if len(np.unique(labels)) < 2 or len(np.unique(customers)) < settings.folds:
        raise NotEnoughDataError(
            f"Fitting: {len(labels):,} rows of {len(np.unique(customers)):,} customers, {int(np.sum(labels)):,} positive. "
            f"Expected both classes and at least {settings.folds} customers."
        )
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_splits=settings.folds, shuffle=True, random_state=settings.seed)
    return list(splitter.split(np.zeros((len(labels), 1)), labels, customers))

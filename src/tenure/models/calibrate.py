"""Raw scores to propensities: Platt's sigmoid, strictly increasing, so the ranking is the model's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit


@dataclass(frozen=True)
class Calibrator:
    """``propensity = 1 / (1 + exp(-(slope * raw_score + intercept)))``; the slope is positive.

    Source: Platt (1999), with out-of-fold scores of folds grouped by customer.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def propensity(self, raw_scores: np.ndarray) -> np.ndarray:
        return np.asarray(expit(self.slope * raw_scores + self.intercept))


def fit_calibrator(raw_scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Calibrator:
    """Fit the sigmoid to out-of-fold raw scores (log-odds) and their labels.

    A slope that is not positive would turn the ranking around: then only the intercept is fitted.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6, max_iter=1000).fit(raw_scores.reshape(-1, 1), labels, sample_weight=weights)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope > 0.05:
        return Calibrator(slope, intercept)
    rate = float(np.average(labels, weights=weights))
    return Calibrator(
        0.05, float(logit(np.clip(rate, 1e-6, 1 - 1e-6)) - 0.05 * np.average(raw_scores, weights=weights))
    )

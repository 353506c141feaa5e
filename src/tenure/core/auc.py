"""The area under the ROC curve and its interval: how well one number ranks two groups, whatever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tenure.core.errors import NotEnoughDataError

CONFIDENCE = 0.95
# How far an interval reaches either way, of an estimate whose error is normal.
STANDARD_ERRORS = float(ndtri((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Auc:
    """An area under the ROC curve with its 95 % interval (DeLong)."""

    value: float
    low: float
    high: float


def auc_with_interval(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> Auc:
    """Area under the ROC curve, ties counted half, with the DeLong interval cut to [0, 1].

    ``weights``: how many customers each row stands for.
    """
    values, influence = _influence(labels, scores, weights=weights)
    half = STANDARD_ERRORS * np.sqrt((influence[0] ** 2).sum())
    return Auc(float(values[0]), float(max(0.0, values[0] - half)), float(min(1.0, values[0] + half)))


def auc_difference(
    labels: np.ndarray,
    scores: np.ndarray,
    other: np.ndarray,
    customers: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Auc:
    """Paired difference of two AUCs on the same rows, with its interval (DeLong).

    Rows of one of ``customers`` count as one.
    """
    customers = np.arange(len(labels)) if customers is None else customers
    return mean_auc_difference([(customers, labels, scores, other)], weights)


def mean_auc_difference(
    parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]], weights: np.ndarray | None = None
) -> Auc:
    """Mean paired difference of two AUCs over several cutoffs, with its interval.

    Each part is customers, labels, scores and other scores of one cutoff. Rows of one customer depend on each other,
    within a cutoff and between them: what each customer adds is summed before the variance is taken. ``weights`` are of
    the rows of every part.
    Source: Obuchowski (1997), clustered ROC data; DeLong's variance where each row is a customer of its own.
    """
    values, influences = [], []
    for customers, labels, scores, other in parts:
        areas, influence = _influence(labels, scores, other, weights=weights)
        values.append(areas[0] - areas[1])
        influences.append(pd.Series((influence[0] - influence[1]) / len(parts), index=np.asarray(customers)))
    per_customer = pd.concat(influences).groupby(level=0).sum()
    difference = float(np.mean(values))
    half = float(STANDARD_ERRORS * np.sqrt((per_customer**2).sum()))
    return Auc(difference, difference - half, difference + half)


def _influence(
    labels: np.ndarray, *scores: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return each score's AUC, and what each row adds to its error: their squares sum to DeLong's variance.

    Source: DeLong, DeLong and Clarke-Pearson (1988), by ranks as in Sun and Xu (2014); rows with weights count as often.
    """
    positive = np.asarray(labels) == 1
    weights = np.ones(len(positive)) if weights is None else np.asarray(weights, dtype=float)
    count, rest = int(positive.sum()), int((~positive).sum())
    if min(count, rest) < 2:
        raise NotEnoughDataError(f"AUC: {count} positive and {rest} negative rows. Expected at least two of each.")
    values = np.empty(len(scores))
    influence = np.empty((len(scores), len(positive)))
    shares = np.where(positive, weights * count / weights[positive].sum(), weights * rest / weights[~positive].sum())
    for place, score in enumerate(scores):
        score = np.asarray(score, dtype=float)
        of_positives = _share_below(score[positive], score[~positive], weights[~positive])
        of_negatives = 1 - _share_below(score[~positive], score[positive], weights[positive])
        values[place] = np.average(of_positives, weights=weights[positive])
        influence[place, positive] = (of_positives - values[place]) / np.sqrt(count * (count - 1))
        influence[place, ~positive] = (of_negatives - values[place]) / np.sqrt(rest * (rest - 1))
    return values, influence * shares


def _share_below(scores: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return which share of the others, by weight, lies below each score; ties count half."""
    order = np.argsort(others, kind="stable")
    summed = np.append(0.0, np.cumsum(weights[order]))
    below, not_above = (summed[np.searchsorted(others[order], scores, side)] for side in ("left", "right"))
    return np.asarray((below + not_above) / 2 / summed[-1])

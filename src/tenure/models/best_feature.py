"""The best single feature: what one number says by itself, in the better direction, as a logistic regression of one term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tenure.models.estimators.catalogue import LOGISTIC
from tenure.models.estimators.protocol import FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning
from tenure.models.train import TrainedModel, numeric, train_logistic

# Ranks are told apart in so many steps: finer than a choice among features needs. Unknown stands below or above them.
LEVELS = 256


def train_best_feature(
    table: pd.DataFrame,
    labels: np.ndarray,
    customers: np.ndarray,
    meanings: Sequence[FeatureMeaning],
    settings: TrainingSettings,
    folds: Folds,
) -> TrainedModel:
    """Choose the numeric feature of the highest AUC and fit it; its out-of-fold scores choose anew in each fold.

    The first of equals is taken. Without any numeric feature everyone is promised the base rate.
    """
    usable = numeric(table, meanings)
    if not usable:
        return train_logistic(table, labels, customers, (), settings, folds=folds)
    *of_folds, best = strengths(table[[m.name for m in usable]], labels, folds).argmax(axis=1)
    trained = train_logistic(table, labels, customers, [usable[best]], settings, folds=folds)
    raw = np.full(len(labels), np.nan)
    for (fitting, held_out), chosen in zip(folds, of_folds, strict=True):
        values = table[[usable[chosen].name]].to_numpy(dtype=float)
        fitted = LOGISTIC.value.fit(FittingRows(values[fitting], labels[fitting]), settings)
        raw[held_out] = fitted.raw_scores(values[held_out])
    return replace(trained, out_of_fold=raw)


def strengths(table: pd.DataFrame, labels: np.ndarray, folds: Folds) -> np.ndarray:
    """Return how far each feature's AUC lies from one half: a row for the fitting rows of each fold, the last for all.

    => (folds + 1) x features. The unknown stand below or above all known values, whichever ranks better.
    """
    held_by = np.full(len(labels), len(folds))
    for number, (_, held_out) in enumerate(folds):
        held_by[held_out] = number
    found = [_strengths(table[name], labels, held_by, len(folds)) for name in table]
    return np.column_stack(found)


def _strengths(values: pd.Series, labels: np.ndarray, held_by: np.ndarray, folds: int) -> np.ndarray:
    level = values.rank(pct=True).mul(LEVELS - 1).round().add(1).fillna(0).to_numpy(dtype=int)
    shape = (folds + 1, LEVELS + 1)
    positives, negatives = (
        np.bincount(held_by * (LEVELS + 1) + level, weights, shape[0] * shape[1]).reshape(shape)
        for weights in (labels, 1 - labels)
    )
    # Of all rows but those that a fold holds out; the last row is of all.
    positives, negatives = (
        np.vstack([counts.sum(axis=0) - counts[:folds], counts.sum(axis=0)]) for counts in (positives, negatives)
    )
    last = np.roll(np.arange(LEVELS + 1), -1)
    both = _from_half(positives, negatives), _from_half(positives[:, last], negatives[:, last])
    return np.asarray(np.maximum(*both))


def _from_half(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return how far the AUC lies from one half, by counts per level; ties count half."""
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = np.maximum(positives.sum(axis=1) * negatives.sum(axis=1), 1)
    return np.asarray(np.abs((positives * below).sum(axis=1) / pairs - 0.5))

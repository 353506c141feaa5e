"""Training: an estimator and its calibrator from folds grouped by customer, then one model on all fitting rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.plugins import Plugin
from tenure.models.calibrate import fit_calibrator
from tenure.models.encoding import Encoding
from tenure.models.estimators.catalogue import LOGISTIC, TREES
from tenure.models.estimators.protocol import Estimator, FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.folds import grouped_folds
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.tune import tune

# What the monotone constraints cost is seen on some of the folds: all of them would take a third of a training.
UNCONSTRAINED_FOLDS = 2


@dataclass(frozen=True)
class TrainedModel:
    """A model and how it came about.

    ``trees`` is the number of rounds that cross-fitting found, 0 where the estimator has none. ``out_of_fold`` are raw
    scores (log-odds) of the fitting rows, each from folds without its customer; ``unconstrained`` the same without the
    monotone constraints, where they were asked for: of a few folds, elsewhere it is unknown (NaN).
    """

    model: PropensityModel
    settings: TrainingSettings
    trees: int
    out_of_fold: np.ndarray
    unconstrained: np.ndarray | None = None

    def told(self, about: dict[str, Any]) -> TrainedModel:
        """Return the same with what its model is about."""
        return replace(self, model=replace(self.model, about=about))


def train_model(
    table: pd.DataFrame,
    labels: np.ndarray,
    customers: np.ndarray,
    meanings: Sequence[FeatureMeaning],
    settings: TrainingSettings,
    *,
    weights: np.ndarray | None = None,
    monotone: Mapping[str, int] | None = None,
    about: dict[str, Any] | None = None,
    folds: Folds | None = None,
    with_unconstrained: bool = False,
    estimator: Plugin = TREES,
) -> TrainedModel:
    """Train a propensity model on a flat table: one row per customer and cutoff, feature columns.

    Parameters
    ----------
    labels : 0 or 1, one per row.
    customers : the group of each row; a customer's rows never lie on both sides of a fold.
    meanings : the features to use, in order.
    weights : optional, one per row.
    monotone : features that may only raise (1) or only lower (-1) the propensity; categories are left free.
    folds : as ``grouped_folds`` gives them, for who trains several models on the same rows.
    with_unconstrained : cross-fit a few folds once more without ``monotone``, to see what it costs.
    estimator : as ``find_estimator`` gives it.

    Raises
    ------
    NotEnoughDataError : one class only, or fewer customers than folds.
    """
    folds = folds or grouped_folds(labels, customers, settings)
    names = [meaning.name for meaning in meanings]
    encoding = Encoding.fit(table, names, min_rows=settings.min_category_rows)
    rows = FittingRows(encoding.transform(table), labels, weights, tuple(encoding.category_indices))
    kind: type[Estimator] = estimator.value
    if settings.tune_trials and kind.TUNED:
        settings = tune(kind, rows, folds, settings)
    directions = [0 if c.is_text else (monotone or {}).get(c.name, 0) for c in encoding.columns]
    rounds, out_of_fold = kind.cross_fit(rows, folds, settings, directions=directions)
    unconstrained = None
    if with_unconstrained and any(directions):
        _, unconstrained = kind.cross_fit(rows, folds[:UNCONSTRAINED_FOLDS], settings)
    usual = _usual(table, names)
    model = PropensityModel(
        estimator=kind.fit(rows, settings, directions=directions, rounds=rounds),
        encoding=encoding,
        calibrator=fit_calibrator(out_of_fold, labels, weights),
        meanings=tuple(replace(meaning, usual=usual[meaning.name]) for meaning in meanings),
        about=about or {},
        kind=estimator.name,
    )
    return TrainedModel(model, settings, rounds, out_of_fold, unconstrained)


def train_logistic(
    table: pd.DataFrame,
    labels: np.ndarray,
    customers: np.ndarray,
    meanings: Sequence[FeatureMeaning],
    settings: TrainingSettings,
    *,
    about: dict[str, Any] | None = None,
    folds: Folds | None = None,
) -> TrainedModel:
    """Train the logistic baseline: on numeric features with a known value alone.

    With none it promises everyone the base rate.
    """
    usable = numeric(table, meanings)
    return train_model(table, labels, customers, usable, settings, about=about, folds=folds, estimator=LOGISTIC)


def numeric(table: pd.DataFrame, meanings: Sequence[FeatureMeaning]) -> list[FeatureMeaning]:
    """Return the features that are numbers and known of somebody."""
    return [m for m in meanings if pd.api.types.is_numeric_dtype(table[m.name]) and table[m.name].notna().any()]


def _usual(table: pd.DataFrame, names: Sequence[str]) -> dict[str, float | str | None]:
    """Return each feature's usual value among a table's rows: the median, or the commonest level."""
    usual: dict[str, float | str | None] = {}
    for name in names:
        values = table[name].dropna()
        if values.empty:
            usual[name] = None
        elif pd.api.types.is_numeric_dtype(values):
            usual[name] = float(values.median())
        else:
            usual[name] = str(values.mode().iloc[0])
    return usual

"""Training: trees and calibrator from folds grouped by customer, then one model on all fitting rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenure.errors import NotEnoughDataError
from tenure.models.calibrate import fit_calibrator
from tenure.models.encoding import Encoding
from tenure.models.forms import Trees
from tenure.models.model import FeatureMeaning, PropensityModel, find_usual
from tenure.models.settings import TrainingSettings

if TYPE_CHECKING:
    from lightgbm import Booster

# Fitting and held-out row numbers of each fold.
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class TrainedModel:
    """A model and how it came about; ``out_of_fold`` are raw scores (log-odds) of the fitting rows, each from folds without its customer."""

    model: PropensityModel
    settings: TrainingSettings
    trees: int
    out_of_fold: np.ndarray


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
) -> TrainedModel:
    """Train a LightGBM propensity model on a flat table: one row per customer and cutoff, feature columns.

    Parameters
    ----------
    labels : 0 or 1, one per row.
    customers : the group of each row; a customer's rows never lie on both sides of a fold.
    meanings : the features to use, in order.
    weights : optional, one per row.
    monotone : features that may only raise (1) or only lower (-1) the propensity; categories are left free.
    folds : as ``grouped_folds`` gives them, for who trains several models on the same rows.

    Raises
    ------
    NotEnoughDataError : one class only, or fewer customers than folds.
    """
    folds = folds or grouped_folds(labels, customers, settings)
    names = [meaning.name for meaning in meanings]
    encoding = Encoding.fit(table, names, min_rows=settings.min_category_rows)
    matrix = encoding.transform(table)
    if settings.tune_trials:
        from tenure.models.tune import tune

        settings = tune(matrix, labels, folds, encoding, settings, weights=weights)
    directions = [0 if c.is_text else (monotone or {}).get(c.name, 0) for c in encoding.columns]
    trees, out_of_fold = cross_fit(matrix, labels, folds, encoding, settings, weights=weights, directions=directions)
    booster = _fit(matrix, labels, encoding, settings, trees, weights=weights, directions=directions)
    usual = find_usual(table, names)
    model = PropensityModel(
        form=Trees(booster.model_to_string()),
        encoding=encoding,
        calibrator=fit_calibrator(out_of_fold, labels, weights),
        meanings=tuple(replace(meaning, usual=usual[meaning.name]) for meaning in meanings),
        about=about or {},
    )
    return TrainedModel(model, settings, trees, out_of_fold)


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


def cross_fit(
    matrix: np.ndarray,
    labels: np.ndarray,
    folds: Folds,
    encoding: Encoding,
    settings: TrainingSettings,
    *,
    weights: np.ndarray | None = None,
    directions: Sequence[int] = (),
) -> tuple[int, np.ndarray]:
    """Find the number of trees by early stopping on each fold; return it and the out-of-fold raw scores with it."""
    import lightgbm as lgb

    boosters: list[tuple[Booster, np.ndarray]] = []
    best: list[int] = []
    for fitting, held_out in folds:
        fit_set = _dataset(matrix[fitting], labels[fitting], encoding, None if weights is None else weights[fitting])
        held_set = lgb.Dataset(
            matrix[held_out], labels[held_out], weight=None if weights is None else weights[held_out], reference=fit_set
        )
        booster = lgb.train(
            _parameters(matrix, settings, directions) | {"metric": "binary_logloss"},
            fit_set,
            num_boost_round=settings.max_trees,
            valid_sets=[held_set],
            callbacks=[lgb.early_stopping(settings.early_stopping_trees, verbose=False)],
        )
        best.append(booster.best_iteration)
        boosters.append((booster, held_out))
    trees = max(5, round(float(np.mean(best))))
    raw = np.zeros(len(labels))
    for booster, held_out in boosters:
        raw[held_out] = booster.predict(
            matrix[held_out], raw_score=True, num_iteration=trees, num_threads=settings.threads
        )
    return trees, raw


def _fit(
    matrix: np.ndarray,
    labels: np.ndarray,
    encoding: Encoding,
    settings: TrainingSettings,
    trees: int,
    *,
    weights: np.ndarray | None,
    directions: Sequence[int],
) -> Booster:
    import lightgbm as lgb

    dataset = _dataset(matrix, labels, encoding, weights)
    return lgb.train(_parameters(matrix, settings, directions), dataset, num_boost_round=trees)


def _parameters(matrix: np.ndarray, settings: TrainingSettings, directions: Sequence[int]) -> dict[str, Any]:
    constrained = {"monotone_constraints": list(directions)} if any(directions) else {}
    return settings.lightgbm(*matrix.shape) | constrained


def _dataset(matrix: np.ndarray, labels: np.ndarray, encoding: Encoding, weights: np.ndarray | None) -> Any:
    import lightgbm as lgb

    return lgb.Dataset(
        matrix, labels, weight=weights, feature_name=[f"f{i}" for i in range(matrix.shape[1])],
        categorical_feature=encoding.category_indices, params={"feature_pre_filter": False, "verbosity": -1},
    )  # fmt: skip

"""Training: trees and calibrator from folds grouped by customer, then one model on all fitting rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.models.calibrate import fit_calibrator
from tenure.models.encoding import Encoding
from tenure.models.estimators.forms import Trees
from tenure.models.model import FeatureMeaning, PropensityModel, find_usual
from tenure.models.settings import TrainingSettings

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

# What the monotone constraints cost is seen on some of the folds: all of them would take a third of a training.
UNCONSTRAINED_FOLDS = 2

# Fitting and held-out row numbers of each fold.
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class TrainedModel:
    """A model and how it came about.

    ``out_of_fold`` are raw scores (log-odds) of the fitting rows, each from folds without its customer; ``unconstrained`` the
    same of trees without the monotone constraints, where they were asked for: of a few folds, elsewhere it is unknown (NaN).
    """

    model: PropensityModel
    settings: TrainingSettings
    trees: int
    out_of_fold: np.ndarray
    unconstrained: np.ndarray | None = None

    def told(self, about: dict[str, Any]) -> TrainedModel:
        """Return the same with what its model is about."""
        return replace(self, model=replace(self.model, about=about))


@dataclass(frozen=True)
class FittingRows:
    """Encoded features, labels and weights of the rows to fit on."""

    matrix: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None
    encoding: Encoding

    @cached_property
    def binned(self) -> Dataset:
        """The rows as LightGBM reads them, binned once for all folds (as its own ``cv`` does): bins know no label."""
        import lightgbm as lgb

        return lgb.Dataset(
            self.matrix, self.labels, weight=self.weights, feature_name=[f"f{i}" for i in range(self.matrix.shape[1])],
            categorical_feature=self.encoding.category_indices, params={"feature_pre_filter": False, "verbosity": -1},
        ).construct()  # fmt: skip

    def part(self, row_numbers: np.ndarray) -> Dataset:
        return self.binned.subset(row_numbers.tolist()).construct()

    def parameters(self, settings: TrainingSettings, directions: Sequence[int]) -> dict[str, Any]:
        constrained = {"monotone_constraints": list(directions)} if any(directions) else {}
        return settings.lightgbm(*self.matrix.shape) | constrained


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
    with_unconstrained : cross-fit a few folds once more without ``monotone``, to see what it costs.

    Raises
    ------
    NotEnoughDataError : one class only, or fewer customers than folds.
    """
    folds = folds or grouped_folds(labels, customers, settings)
    names = [meaning.name for meaning in meanings]
    encoding = Encoding.fit(table, names, min_rows=settings.min_category_rows)
    rows = FittingRows(encoding.transform(table), labels, weights, encoding)
    if settings.tune_trials:
        from tenure.models.tune import tune

        settings = tune(rows, folds, settings)
    directions = [0 if c.is_text else (monotone or {}).get(c.name, 0) for c in encoding.columns]
    trees, out_of_fold = cross_fit(rows, folds, settings, directions=directions)
    unconstrained = None
    if with_unconstrained and any(directions):
        _, unconstrained = cross_fit(rows, folds[:UNCONSTRAINED_FOLDS], settings)
    booster = _fit(rows, settings, trees, directions=directions)
    usual = find_usual(table, names)
    model = PropensityModel(
        form=Trees(booster.model_to_string()),
        encoding=encoding,
        calibrator=fit_calibrator(out_of_fold, labels, weights),
        meanings=tuple(replace(meaning, usual=usual[meaning.name]) for meaning in meanings),
        about=about or {},
    )
    return TrainedModel(model, settings, trees, out_of_fold, unconstrained)


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
    rows: FittingRows, folds: Folds, settings: TrainingSettings, *, directions: Sequence[int] = ()
) -> tuple[int, np.ndarray]:
    """Find the number of trees by early stopping on each fold; return it and the out-of-fold raw scores with it, NaN where no fold held a row out.

    Folds are fitted side by side, one thread each: LightGBM lets go of the interpreter, and a fold's model depends on no other's.
    """
    import lightgbm as lgb

    parameters = rows.parameters(settings, directions) | {"metric": "binary_logloss"}

    def stopping() -> list[Any]:
        return [lgb.early_stopping(settings.early_stopping_trees, verbose=False)]

    parts = [(rows.part(fitting), rows.part(held_out)) for fitting, held_out in folds]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        fits = [
            threads.submit(lgb.train, parameters, fitting, settings.max_trees, [held_out], callbacks=stopping())
            for fitting, held_out in parts
        ]
        boosters = [fit.result() for fit in fits]
        trees = max(5, round(float(np.mean([booster.best_iteration for booster in boosters]))))

        def score(booster: Booster, held_out: np.ndarray) -> np.ndarray:
            part = rows.matrix[held_out]
            return np.asarray(booster.predict(part, raw_score=True, num_iteration=trees, num_threads=settings.threads))

        raw = np.full(len(rows.labels), np.nan)
        all_held_out = [held_out for _, held_out in folds]
        for held_out, scores in zip(all_held_out, threads.map(score, boosters, all_held_out), strict=True):
            raw[held_out] = scores
    return trees, raw


def _fit(rows: FittingRows, settings: TrainingSettings, trees: int, *, directions: Sequence[int]) -> Booster:
    import lightgbm as lgb

    return lgb.train(rows.parameters(settings, directions), rows.binned, num_boost_round=trees)

"""Cross-fitting: folds grouped by customer, and the out-of-fold scores of one setting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tenure.core.errors import NotEnoughDataError
from tenure.models.encoding import Encoding
from tenure.models.settings import TrainingSettings

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

# Fitting and held-out row numbers of each fold.
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


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

"""Boosted trees by LightGBM: their number is found by early stopping on folds, their contributions are exact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tenure.models.estimators.protocol import Estimator, FittingRows, Folds
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.estimators.tree_tables import TreeTable, look_up, tables_of

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

# Building the tables takes as long as explaining about so many rows without them.
WORTH_TABLES = 3000
# How LightGBM's text ends: where it is cut short, LightGBM ends the whole process.
END = "end of parameters"


@dataclass(frozen=True)
class Trees(Estimator):
    """A LightGBM booster, kept as its text."""

    text: str

    TUNED: ClassVar[tuple[str, ...]] = (
        "num_leaves",
        "min_data_in_leaf",
        "feature_fraction",
        "lambda_l2",
        "learning_rate",
    )

    @classmethod
    def fit(
        cls, rows: FittingRows, settings: TrainingSettings, *, directions: Sequence[int] = (), rounds: int = 0
    ) -> Trees:
        """Fit so many trees; 0: as many as the settings allow."""
        import lightgbm as lgb

        parameters = _parameters(rows, settings, directions)
        return cls(lgb.train(parameters, _binned(rows), num_boost_round=rounds or settings.max_trees).model_to_string())

    @classmethod
    def cross_fit(
        cls, rows: FittingRows, folds: Folds, settings: TrainingSettings, *, directions: Sequence[int] = ()
    ) -> tuple[int, np.ndarray]:
        """Find the number of trees by early stopping on each fold; return it and the out-of-fold raw scores with it.

        Folds are fitted side by side, one thread each: LightGBM releases the interpreter, and no fold's model depends
        on another's.
        """
        import lightgbm as lgb

        parameters = _parameters(rows, settings, directions) | {"metric": "binary_logloss"}

        def stopping() -> list[Any]:
            return [lgb.early_stopping(settings.early_stopping_trees, verbose=False)]

        parts = [[_binned(rows).subset(part.tolist()).construct() for part in fold] for fold in folds]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
            fits = [
                threads.submit(lgb.train, parameters, fitting, settings.max_trees, [held_out], callbacks=stopping())
                for fitting, held_out in parts
            ]
            boosters = [fit.result() for fit in fits]
            trees = max(5, round(float(np.mean([booster.best_iteration for booster in boosters]))))

            def score(booster: Booster, held_out: np.ndarray) -> np.ndarray:
                part = rows.matrix[held_out]
                return np.asarray(
                    booster.predict(part, raw_score=True, num_iteration=trees, num_threads=settings.threads)
                )

            raw = np.full(len(rows.labels), np.nan)
            all_held_out = [held_out for _, held_out in folds]
            for held_out, scores in zip(all_held_out, threads.map(score, boosters, all_held_out), strict=True):
                raw[held_out] = scores
        return trees, raw

    @classmethod
    def suggest(cls, trial: Any, settings: TrainingSettings) -> TrainingSettings:
        return replace(
            settings,
            num_leaves=trial.suggest_int("num_leaves", 4, 31),
            min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 10, 200, log=True),
            feature_fraction=trial.suggest_float("feature_fraction", 0.1, 1.0),
            lambda_l2=trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
            learning_rate=trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
        )

    @cached_property
    def booster(self) -> Booster:
        from lightgbm import Booster

        return Booster(model_str=self.text)

    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=2))

    def contributions(self, matrix: np.ndarray, usual: np.ndarray | None = None) -> np.ndarray:
        """Return each feature's signed part of the log-odds, the base last.

        Source: Lundberg et al. (2020), TreeSHAP: by tables where the trees are small and the rows many, else as
        LightGBM computes it.
        """
        if len(matrix) >= WORTH_TABLES and self._tables is not None:
            return look_up(self._tables, matrix)
        return np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=2))

    @cached_property
    def _tables(self) -> list[TreeTable] | None:
        return tables_of(self.booster.dump_model()["tree_info"])

    def describe(self) -> str:
        return "trees"

    def dump(self) -> str:
        return self.text

    @classmethod
    def load(cls, text: str) -> Trees:
        if END not in text:
            raise ValueError("is cut short. Expected trees as LightGBM writes them.")
        return cls(text)


def _binned(rows: FittingRows) -> Dataset:
    """Give the rows as LightGBM reads them, binned once for all folds (as its own ``cv`` does): bins know no label."""
    import lightgbm as lgb

    if "binned" not in rows.prepared:
        names = [f"f{i}" for i in range(rows.matrix.shape[1])]
        rows.prepared["binned"] = lgb.Dataset(
            rows.matrix,
            rows.labels,
            weight=rows.weights,
            feature_name=names,
            categorical_feature=list(rows.categories),
            params={"feature_pre_filter": False, "verbosity": -1},
        ).construct()
    binned: Dataset = rows.prepared["binned"]
    return binned


def _parameters(rows: FittingRows, settings: TrainingSettings, directions: Sequence[int]) -> dict[str, Any]:
    constrained = {"monotone_constraints": list(directions)} if any(directions) else {}
    return settings.lightgbm(*rows.matrix.shape) | constrained

"""How a model is trained: one frozen record, a reason per field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# With fewer a tree could not see two features together, and planted effects are lost.
MIN_FEATURES_PER_TREE = 8


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of LightGBM and of what surrounds it."""

    learning_rate: float = 0.03  # small steps: the number of trees is found by folds
    num_leaves: int = (
        8  # few and shallow: what foretells leaving is additive, and rows of one customer repeat each other
    )
    max_depth: int = 4  # exact contributions cost grows with the square of the depth
    min_data_in_leaf: int = 100  # rows; at most a twentieth of them
    extra_trees: bool = (
        True  # thresholds drawn at random, the best feature taken: smooths features that repeat each other
    )
    feature_fraction: float = 0.2  # share of features tried per tree, at least eight of them
    bagging_fraction: float = 0.7  # share of rows per tree
    lambda_l2: float = 5.0
    cat_smooth: float = 100.0  # rows by which a level is drawn to the mean
    max_trees: int = 1500
    early_stopping_trees: int = 75
    folds: int = 5  # grouped by customer
    seed: int = 7
    threads: int = 1  # more threads than free cores stall LightGBM, and the result does not depend on it
    max_customers: int = 50_000  # beyond it a seeded sample of customers is fitted on
    min_category_rows: int = 100  # rarer levels of a category become one
    tune_trials: int = 0  # Optuna trials inside the fitting block; 0 = the defaults above

    def lightgbm(self, rows: int, features: int) -> dict[str, Any]:
        """Return LightGBM's own parameters for a table of that size; deterministic whatever the number of threads."""
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "max_depth": self.max_depth,
            "min_data_in_leaf": max(1, min(self.min_data_in_leaf, rows // 20)),
            "extra_trees": self.extra_trees,
            "feature_fraction": min(1.0, max(self.feature_fraction, MIN_FEATURES_PER_TREE / max(features, 1))),
            "bagging_fraction": self.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": self.lambda_l2,
            "cat_smooth": self.cat_smooth,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_col_wise": True,  # the same trees as by rows; these also go through the features a tree may not use
            "feature_pre_filter": False,
            "verbosity": -1,
        }

    def as_parameters(self) -> dict[str, Any]:
        return asdict(self)

    def quick(self) -> TrainingSettings:
        """Fewer trees and folds: to see that everything runs, not to be believed."""
        return TrainingSettings(
            **{
                **asdict(self),
                "learning_rate": 0.08,
                "max_trees": 120,
                "early_stopping_trees": 20,
                "folds": 3,
                "max_customers": 2_000,
            }
        )

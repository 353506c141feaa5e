"""How a model is trained: one frozen record, a reason per field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of LightGBM and of what surrounds it."""

    learning_rate: float = 0.02  # small steps: the number of trees is found by folds
    num_leaves: int = 15
    max_depth: int = 5  # exact contributions cost grows with the square of the depth
    min_data_in_leaf: int = 40  # rows
    feature_fraction: float = 0.4  # share of features tried per tree; features of one table repeat each other
    bagging_fraction: float = 0.7  # share of rows per tree
    lambda_l2: float = 10.0
    cat_smooth: float = 20.0
    max_trees: int = 1500
    early_stopping_trees: int = 75
    folds: int = 5  # grouped by customer
    seed: int = 7
    threads: int = 1  # more threads than free cores stall LightGBM, and the result does not depend on it
    max_customers: int = 50_000  # beyond it a seeded sample of customers is fitted on
    min_category_rows: int = 30  # rarer levels of a category become one
    tune_trials: int = 0  # Optuna trials inside the fitting block; 0 = the defaults above

    def lightgbm(self) -> dict[str, Any]:
        """Return LightGBM's own parameters; deterministic whatever the number of threads."""
        return {
            "objective": "binary", "learning_rate": self.learning_rate, "num_leaves": self.num_leaves, "max_depth": self.max_depth,
            "min_data_in_leaf": self.min_data_in_leaf, "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.bagging_fraction, "bagging_freq": 1, "lambda_l2": self.lambda_l2, "cat_smooth": self.cat_smooth,
            "seed": self.seed, "num_threads": self.threads, "deterministic": True, "force_row_wise": True,
            "feature_pre_filter": False, "verbosity": -1,
        }  # fmt: skip

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

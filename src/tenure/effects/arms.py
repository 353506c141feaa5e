"""The learners of an effect: two regressions tied to each other, and light trees that know the arm as a feature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from tenure.effects.design import Matrix

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

Array = NDArray[np.float64]
Numbers = NDArray[np.intp]
Unit = Literal["share", "currency"]

# Ridge penalties of standardised regressors: of what both arms share, and of half of what sets them apart. The largest
# leaves nearly one effect for all (of a share: on the log-odds).
SHARED = 200.0
APART = (6400.0, 1600.0, 400.0, 100.0, 25.0)
NEWTON_STEPS, NEAR = 12, 1e-5
CHUNK = 200_000  # rows at a time
TREES, STEP = 80, 0.08
BINS = {"max_bin": 63, "feature_pre_filter": False, "verbosity": -1, "num_threads": 1}


@dataclass(frozen=True)
class ArmRows:
    """Rows as arrays: regressors, outcome, the arm assigned and the chance with which it was."""

    design: Matrix
    outcome: Array
    is_treated: NDArray[np.bool_]
    chance: Array

    @cached_property
    def binned(self) -> Dataset:
        """Bin the regressors and the arm, once for all fits."""
        import lightgbm as lgb

        return lgb.Dataset(_with_arm(self.design, self.is_treated), self.outcome, params=BINS).construct()


@dataclass(frozen=True)
class TiedArms:
    """Two regressions, one per arm, whose coefficients are drawn towards each other.

    Logistic of a share, linear of money. ``treated, control``: the intercept, then a coefficient per regressor.

    Source: Kuenzel, Sekhon, Bickel, Yu (2019), the T-learner; Imai and Ratkovic (2013) on penalising differences apart.
    """

    treated: Array
    control: Array
    unit: Unit

    @classmethod
    def fit(cls, rows: ArmRows, numbers: Numbers, unit: Unit, apart: float, start: TiedArms | None = None) -> TiedArms:
        """Fit the rows of these numbers by Newton's steps, from ``start`` where there is one.

        The arms' means are free of any penalty.
        """
        scale = 1.0 if unit == "share" else max(float(rows.outcome[numbers].std()), 1e-12)
        width, is_treated = rows.design.shape[1] + 1, rows.is_treated[numbers]
        penalty = _penalty(width, apart)
        found = np.zeros(2 * width) if start is None else np.concatenate([start.treated, start.control]) / scale
        for _ in range(NEWTON_STEPS if unit == "share" else 1):
            gradient, hessian = penalty @ found, penalty + 1e-9 * np.eye(2 * width)
            for place, mine in enumerate((numbers[is_treated], numbers[~is_treated])):
                own = slice(place * width, (place + 1) * width)
                slope, curve = _derivatives(rows, mine, found[own], unit, scale)
                gradient[own] += slope
                hessian[own, own] += curve
            step = linalg.solve(hessian, gradient, assume_a="pos")
            found = found - step
            if np.abs(step).max() < NEAR:
                break
        return cls(found[:width] * scale, found[width:] * scale, unit)

    def arms(self, design: Matrix) -> tuple[Array, Array]:
        """Return the expected outcome of each row, treated and not."""
        raw = [side[0] + (design @ side[1:].astype(np.float32)).astype(float) for side in (self.treated, self.control)]
        treated, control = (special.expit(x) for x in raw) if self.unit == "share" else raw
        return treated, control

    def parts(self, design: Matrix) -> Array:
        """Split each row's effect less that of a customer of mean features into the regressors' parts, exactly."""
        found = np.zeros(design.shape)
        for side, sign in ((self.treated, 1), (self.control, -1)):
            found += sign * _per_unit(design @ side[1:], float(side[0]), self.unit)[:, None] * design * side[1:]
        return found

    def document(self) -> dict[str, Any]:
        """Write it as plain values, from which ``of`` makes it again."""
        return {"treated": self.treated.tolist(), "control": self.control.tolist(), "unit": self.unit}

    @classmethod
    def of(cls, document: dict[str, Any]) -> TiedArms:
        return cls(np.array(document["treated"]), np.array(document["control"]), document["unit"])

    def describe(self) -> str:
        return "two regressions tied to each other"


@dataclass(frozen=True)
class LightTrees:
    """A few small, strongly regularised LightGBM trees over the regressors and, last, the arm (an S-learner)."""

    booster: Booster
    unit: Unit

    @classmethod
    def fit(cls, rows: ArmRows, numbers: Numbers, unit: Unit, seed: int) -> LightTrees:
        """Fit the rows of these numbers."""
        import lightgbm as lgb

        parameters = BINS | {
            "objective": "binary" if unit == "share" else "regression", "learning_rate": STEP, "num_leaves": 8,
            "max_depth": 4, "min_data_in_leaf": max(20, len(numbers) // 100), "lambda_l2": 20.0,
            "feature_fraction": 0.7, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": seed,
            "deterministic": True, "force_col_wise": True,
        }  # fmt: skip
        return cls(lgb.train(parameters, rows.binned.subset(numbers.tolist()), num_boost_round=TREES), unit)

    def arms(self, design: Matrix) -> tuple[Array, Array]:
        """Return the expected outcome of each row, treated and not."""
        treated, control = (np.asarray(self.booster.predict(_with_arm(design, arm), num_threads=1)) for arm in (1, 0))
        return treated, control

    def parts(self, design: Matrix) -> Array:
        """Split each row's effect less that of all on average into the regressors' parts; the arm's own is left out."""
        found = np.zeros(design.shape)
        for arm, sign in ((1, 1), (0, -1)):
            shap = np.asarray(self.booster.predict(_with_arm(design, arm), pred_contrib=True))
            own, rest = shap[:, :-2], float(shap[:, -2:].sum(axis=1).mean())
            found += sign * _per_unit(own.sum(axis=1), rest, self.unit)[:, None] * own
        return found

    def document(self) -> dict[str, Any]:
        """Write it as plain values, from which ``of`` makes it again."""
        return {"booster": self.booster.model_to_string(), "unit": self.unit}

    @classmethod
    def of(cls, document: dict[str, Any]) -> LightTrees:
        import lightgbm as lgb

        return cls(lgb.Booster(model_str=document["booster"]), document["unit"])

    def describe(self) -> str:
        return "light trees"


def _with_arm(design: Matrix, arm: int | NDArray[np.bool_]) -> Matrix:
    return np.column_stack([design, np.broadcast_to(np.asarray(arm, dtype=np.float32), len(design))])


def _per_unit(moved: Array, base: float, unit: Unit) -> Array:
    """Give by how much the outcome moves per unit of the raw score, from ``base`` to ``base + moved``."""
    if unit == "currency":
        return np.ones(len(moved))
    chance, near = special.expit(base), np.abs(moved) < 1e-6
    secant = (special.expit(base + moved) - chance) / np.where(near, 1.0, moved)
    return np.asarray(np.where(near, chance * (1 - chance), secant))


def _penalty(width: int, apart: float) -> Array:
    """Give the penalty's matrix over both arms' coefficients: on their mean, and on their difference."""
    free = np.eye(width)
    free[0, 0] = 0.0
    mean, difference = np.full((2, 2), SHARED / 4), apart * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return np.asarray(np.kron(mean + difference, free), dtype=float)


def _derivatives(rows: ArmRows, numbers: Numbers, found: Array, unit: Unit, scale: float) -> tuple[Array, Array]:
    """Return gradient and Hessian of one arm's loss."""
    width = len(found)
    gradient, hessian = np.zeros(width), np.zeros((width, width))
    for start in range(0, len(numbers), CHUNK):
        own = numbers[start : start + CHUNK]
        design = np.column_stack([np.ones(len(own), dtype=np.float32), rows.design[own]])
        raw = design @ found.astype(np.float32)
        expected = special.expit(raw) if unit == "share" else raw
        weights = expected * (1 - expected) if unit == "share" else np.ones_like(raw)
        gradient += design.T @ (expected - rows.outcome[own] / scale).astype(np.float32)
        hessian += design.T @ (design * weights[:, None])
    return gradient, hessian

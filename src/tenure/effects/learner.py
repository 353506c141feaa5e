"""Fit an action's effect on each customer, out of fold: which learner, how it is regularised, and what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenure.core.errors import DataContractError, NotEnoughDataError
from tenure.effects.arms import APART, ArmRows, Array, LightTrees, Numbers, TiedArms, Unit
from tenure.effects.design import Design
from tenure.effects.estimate import Estimate, mean_of
from tenure.effects.slope import centred, overlap, pseudo_outcomes, slope_of

FOLDS = 4
FEWEST = 200  # customers of each arm
MOST_CHOOSING = 40_000  # rows a candidate is fitted on, and judged on, to be chosen; the chosen one is fitted on all
Learner = TiedArms | LightTrees
TREES = len(APART)  # the number of the last candidate


@dataclass(frozen=True)
class EffectFit:
    """An action's effect by customer, in the outcome's unit.

    ``raw`` is predicted out of fold, one per row fitted on, ``pseudo`` the doubly robust pseudo-outcome beside it;
    ``expected`` the outcome of both arms, treated first, out of fold too.
    """

    kind: str
    learner: Learner
    design: Design
    unit: Unit
    mean: Estimate
    slope: Estimate
    raw: Array
    pseudo: Array
    expected: tuple[Array, Array]
    centre: float  # mean of what the model fitted on all rows predicts of them

    def predict(self, features: pd.DataFrame) -> Array:
        """Predict the raw effect of each row: what to act on once the gate is passed."""
        treated, control = self.learner.arms(self.design.transform(features))
        return treated - control

    def calibrated(self, raw: Array) -> Array:
        """Draw raw effects to the mean effect by as much as they did not come true: what to promise."""
        return self.mean.value + float(np.clip(self.slope.value, 0, 1)) * (raw - self.centre)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Split each row's raw effect less that of an average customer: one column per feature, same index."""
        return self.design.by_feature(self.learner.parts(self.design.transform(features))).set_index(features.index)

    def contrasts(self, features: pd.DataFrame, *, top: int = 3) -> pd.DataFrame:
        """Name what sets each row's effect apart most: feature_1, part_1 (signed, its unit), ..., same index."""
        parts = self.contributions(features)
        order = np.argsort(-parts.abs().to_numpy(), axis=1, kind="stable")[:, :top]
        strongest = np.take_along_axis(parts.to_numpy(), order, axis=1)
        columns = {}
        for place in range(order.shape[1]):
            columns[f"feature_{place + 1}"] = parts.columns.to_numpy()[order[:, place]]
            columns[f"part_{place + 1}"] = strongest[:, place]
        return pd.DataFrame(columns, index=features.index)


def fit_effect(rows: pd.DataFrame, features: Sequence[str], *, unit: Unit, seed: int = 7) -> EffectFit:
    """Learn whom an action moves: one row per assigned contact  =>  EffectFit.

    rows: ``customer_id, is_treated``, ``chance`` (of the arm it got), ``outcome``, the features. Folds hold customers
    whole. For each fold, the learner and its penalty are chosen on the others, by models that saw neither the fold
    nor the rows they are judged on; so the out-of-fold effects may judge the whole procedure.

    Raises
    ------
    DataContractError : a column is missing or does not hold what it should.
    NotEnoughDataError : an arm has fewer than 200 customers, or the outcome never varies.
    """
    _check(rows, features, unit)
    design = Design.fit(rows, features)
    outcome, chance = (rows[name].to_numpy(float) for name in ("outcome", "chance"))
    data = ArmRows(design.transform(rows), outcome, rows["is_treated"].to_numpy(bool), chance)
    folds = _folds(rows["customer_id"], seed)
    chosen, overall = _choose(data, folds, unit, seed)
    expected = np.empty((2, len(rows)))
    for fold, candidate in enumerate(chosen):
        learner = _fit(data, folds != fold, candidate, unit, seed)
        expected[:, folds == fold] = learner.arms(data.design[folds == fold])
    learner = _fit(data, folds >= 0, overall, unit, seed)
    raw, pseudo = expected[0] - expected[1], _pseudo(data, expected, np.arange(len(rows)))
    treated, control = learner.arms(data.design)
    return EffectFit(
        "light trees" if overall == TREES else "tied regressions", learner, design, unit,
        mean_of(pseudo, rows["customer_id"]), slope_of(raw, pseudo, chance, rows["customer_id"], folds), raw, pseudo,
        (expected[0], expected[1]), float((treated - control).mean()),
    )  # fmt: skip


def _fit(data: ArmRows, mine: NDArray[np.bool_], candidate: int, unit: Unit, seed: int) -> Learner:
    numbers = np.flatnonzero(mine)
    if candidate == TREES:
        return LightTrees.fit(data, numbers, unit, seed)
    return TiedArms.fit(data, numbers, unit, APART[candidate])


def _fit_all(data: ArmRows, mine: NDArray[np.bool_], unit: Unit, seed: int) -> list[Learner]:
    """Fit every candidate, each regression from the one before it."""
    numbers, found, tied = _thinned(mine), list[Learner](), None
    for apart in APART:
        tied = TiedArms.fit(data, numbers, unit, apart, tied)
        found.append(tied)
    return [*found, LightTrees.fit(data, numbers, unit, seed)]


def _thinned(mine: NDArray[np.bool_]) -> Numbers:
    """Take evenly spaced rows where there are more than choosing needs."""
    numbers = np.flatnonzero(mine)
    return numbers[:: max(1, -(-len(numbers) // MOST_CHOOSING))]


def _choose(data: ArmRows, folds: NDArray[np.intp], unit: Unit, seed: int) -> tuple[list[int], int]:
    """Choose a candidate for each fold, by the other folds, and one for all rows.

    A model fitted without two folds judges each of them for the other: nested, at half the fits.
    """
    # By fold and candidate: gains summed over rows, and the squares of what sets them apart from the trees'.
    gained, counted = np.zeros((FOLDS, TREES + 1, 2)), np.zeros(FOLDS)
    for pair in combinations(range(FOLDS), 2):
        learners = _fit_all(data, ~np.isin(folds, pair), unit, seed)
        for fold, judge in (pair, pair[::-1]):
            mine = _thinned(folds == judge)
            gains = np.column_stack([_gain(data, np.stack(one.arms(data.design[mine])), mine) for one in learners])
            gained[fold, :, 0] += gains.sum(axis=0)
            gained[fold, :, 1] += ((gains - gains[:, [TREES]]) ** 2).sum(axis=0)
            counted[fold] += len(mine)
    return [_best(gained[fold], counted[fold]) for fold in range(FOLDS)], _best(gained.sum(axis=0), counted.sum())


def _gain(data: ArmRows, expected: Array, mine: Numbers) -> Array:
    """Say by row how much nearer the predicted differences are to the pseudo-outcomes than none would be."""
    raw, pseudo = expected[0] - expected[1], _pseudo(data, expected, mine)
    chance, one = data.chance[mine], np.zeros(len(raw), dtype=np.intp)
    raw, pseudo = centred(raw, chance, one), centred(pseudo, chance, one)
    return overlap(chance) * (pseudo * raw - raw**2 / 2)


def _pseudo(data: ArmRows, expected: Array, mine: Numbers) -> Array:
    return pseudo_outcomes(data.outcome[mine], data.is_treated[mine], data.chance[mine], expected[0], expected[1])


def _best(gained: Array, count: float) -> int:
    """Take the penalty that gains most, and the trees only where they gain more by a standard error."""
    tied = int(np.argmax(gained[:TREES, 0]))
    ahead = gained[TREES, 0] - gained[tied, 0]
    error = np.sqrt(max(0.0, gained[tied, 1] - ahead**2 / count))
    return TREES if ahead > error else tied


def _folds(customers: pd.Series, seed: int) -> NDArray[np.intp]:
    codes, known = pd.factorize(customers)
    return np.asarray((np.random.default_rng(seed).permutation(len(known)) % FOLDS)[codes])


def _check(rows: pd.DataFrame, features: Sequence[str], unit: Unit) -> None:
    """Refuse rows from which no effect can be learnt honestly."""
    missing = {"customer_id", "is_treated", "chance", "outcome", *features} - set(rows.columns)
    if missing:
        raise DataContractError(
            f"Assigned contacts: no column {', '.join(sorted(missing))}. Expected one row per contact: customer_id, "
            "is_treated, chance, outcome and the features."
        )
    bad = ~rows["chance"].between(0, 1, inclusive="neither") | ~np.isfinite(rows["outcome"].astype(float))
    if unit == "share":
        bad |= ~rows["outcome"].isin([0, 1])
    if bad.any():
        first = rows.loc[bad, ["customer_id", "chance", "outcome"]].iloc[0].to_dict()
        raise DataContractError(
            f"Assigned contacts: {int(bad.sum()):,} of {len(rows):,} rows are unusable (first: {first}). Expected a "
            "chance above 0 and below 1 (leave out contacts that were not drawn), and an outcome of "
            f"{'0 or 1' if unit == 'share' else 'a finite amount'}."
        )
    arms = rows.groupby(rows["is_treated"].astype(bool))["customer_id"].nunique()
    counts = [int(arms.get(arm, 0)) for arm in (True, False)]
    if min(counts) < FEWEST or rows["outcome"].nunique() < 2:
        raise NotEnoughDataError(
            f"Effect: {counts[0]:,} customers treated, {counts[1]:,} withheld, {rows['outcome'].nunique()} different "
            f"outcomes. Expected at least {FEWEST} customers in each arm and an outcome that varies; keep exploring."
        )

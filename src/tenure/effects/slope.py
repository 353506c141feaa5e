"""How much of the predicted differences between customers comes true."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tenure.effects.estimate import Array, Estimate, from_influence


def pseudo_outcomes(
    outcome: Array, is_treated: NDArray[np.bool_], chance: Array, treated: Array, control: Array
) -> Array:
    """Give each row's doubly robust pseudo-outcome, whose mean over any customers is unbiased for their effect.

    ``chance``: of the arm the row got; ``treated, control``: the expected outcome of each arm, from a model that did
    not see the row. Inverse chances are scaled to add up to the number of rows in each arm.

    Source: Robins, Rotnitzky, Zhao (1994); Kennedy (2023), Towards optimal doubly robust estimation.

    >>> pseudo_outcomes(np.array([1.0, 0.0]), np.array([True, False]), np.array([0.5, 0.5]), np.zeros(2), np.zeros(2))
    array([2., 0.])
    """
    found = treated - control
    for mine, expected, sign in ((is_treated, treated, 1), (~is_treated, control, -1)):
        weight = 1 / chance[mine]
        found[mine] += sign * weight * (len(outcome) / weight.sum()) * (outcome - expected)[mine]
    return found


def slope_of(raw: Array, pseudo: Array, chance: Array, customers: ArrayLike, folds: NDArray[np.intp]) -> Estimate:
    """Regress pseudo-outcomes on effects predicted out of fold, inside each fold: 0 = all alike, 1 = as predicted.

    Across folds the two move against each other: what is high in one fold makes the others' models predict less. A row
    counts by chance x (1 - chance): whose arm was nearly certain says little, at a great weight.

    Source: Chernozhukov, Demirer, Duflo, Fernandez-Val (2018), the best linear predictor of an effect.
    """
    apart, moved, weight = centred(raw, chance, folds), centred(pseudo, chance, folds), overlap(chance)
    power = float((weight * apart**2).mean())
    if power <= 1e-18:
        return Estimate(0.0, -np.inf, np.inf)
    value = float((weight * apart * moved).mean()) / power
    return from_influence(value, weight * apart * (moved - value * apart) / power, customers)


def overlap(chance: Array) -> Array:
    """Weigh rows by how much their arm was left to chance: 1 where it was even."""
    return 4 * chance * (1 - chance)


def centred(values: Array, chance: Array, folds: NDArray[np.intp]) -> Array:
    """Take each fold's weighted mean from its rows."""
    weight = overlap(chance)
    return np.asarray(values - (np.bincount(folds, weight * values) / np.bincount(folds, weight))[folds])

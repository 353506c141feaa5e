"""Pseudo-outcomes and the slope, against plain formulas."""

import numpy as np
import pytest

from tenure.effects.estimate import from_influence, mean_of
from tenure.effects.slope import pseudo_outcomes, slope_of


def test_with_constant_predictions_the_mean_is_the_difference_of_the_arms():
    outcome, treated = np.array([1.0, 0, 1, 1, 0, 0, 1]), np.array([True, True, True, False, False, False, False])
    found = pseudo_outcomes(outcome, treated, np.where(treated, 0.3, 0.7), np.full(7, 0.9), np.full(7, 0.2))
    assert found.mean() == pytest.approx(2 / 3 - 1 / 2)


def test_pseudo_outcomes_are_right_on_average_whatever_is_predicted():
    """Oracle: all draws of two customers' arms, each by its chance."""
    truth, chance = np.array([[0.6, 0.5], [0.9, 0.1]]), 0.5  # outcome treated, not
    sums = np.zeros(2)
    for first in (True, False):
        for second in (True, False):
            treated = np.array([first, second])
            if first != second:  # both arms are there
                outcome = np.where(treated, truth[:, 0], truth[:, 1])
                sums += pseudo_outcomes(outcome, treated, np.full(2, chance), np.zeros(2), np.zeros(2)) / 2
    assert sums == pytest.approx(truth[:, 0] - truth[:, 1])


def test_the_slope_is_that_of_a_weighted_regression_inside_each_fold():
    """Oracle: least squares with an intercept for each fold, rows weighted by chance x (1 - chance)."""
    generator = np.random.default_rng(2)
    raw, folds, chance = generator.normal(size=300), np.arange(300) % 3, generator.uniform(0.1, 0.9, 300)
    pseudo = 0.4 * raw + folds + generator.normal(size=300)
    root = np.sqrt(chance * (1 - chance))
    design = np.column_stack([raw, *(folds == fold for fold in range(3))])
    oracle = np.linalg.lstsq(design * root[:, None], pseudo * root, rcond=None)[0][0]
    found = slope_of(raw, pseudo, chance, np.arange(300), folds)
    assert found.value == pytest.approx(oracle)
    assert found.low < 0.4 < found.high


def test_where_nothing_differs_there_is_no_slope():
    found = slope_of(np.full(4, 0.2), np.array([1.0, 0, 1, 0]), np.full(4, 0.5), np.arange(4), np.array([0, 0, 1, 1]))
    assert (found.value, found.low, found.high) == (0.0, -np.inf, np.inf)


def test_the_interval_of_a_mean_is_students():
    values = np.array([2.0, 4, 4, 7])
    found = mean_of(values, np.arange(4))
    half = 3.182446 * values.std(ddof=1) / 2  # t of 3 degrees of freedom
    assert (found.value, found.low, found.high) == pytest.approx((4.25, 4.25 - half, 4.25 + half))


def test_one_customer_proves_nothing():
    assert from_influence(1.0, [0.1, -0.1], ["ana", "ana"]).low == -np.inf

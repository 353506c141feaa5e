"""Metrics against independent oracles."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tenure.core.auc import auc_difference, auc_with_interval
from tenure.models.evaluate import decile_of, lift_by_decile, value_curve
from tenure.models.result_warnings import expected_half_width, rate_shift


@pytest.fixture
def scored():
    generator = np.random.default_rng(3)
    labels = (generator.random(4000) < 0.2).astype(int)
    return labels, np.round(labels * 0.8 + generator.normal(size=4000), 1)  # rounded: many ties


def test_auc_equals_scikit_learns_with_ties(scored):
    labels, scores = scored
    assert auc_with_interval(labels, scores).value == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_the_delong_interval_agrees_with_a_bootstrap(scored):
    labels, scores = scored
    generator = np.random.default_rng(5)
    drawn = [roc_auc_score(labels[i], scores[i]) for i in (generator.integers(0, 4000, 4000) for _ in range(400))]
    auc = auc_with_interval(labels, scores)
    assert (auc.high - auc.low) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.12)


def test_a_paired_difference_is_narrower_than_two_single_intervals(scored):
    labels, scores = scored
    other = scores + np.random.default_rng(1).normal(scale=0.3, size=len(scores))
    difference = auc_difference(labels, scores, other)
    single = auc_with_interval(labels, scores)
    assert difference.high - difference.low < single.high - single.low
    assert difference.value == pytest.approx(roc_auc_score(labels, scores) - roc_auc_score(labels, other))


def test_decile_1_holds_the_highest_propensities():
    assert list(decile_of(np.arange(20))) == [10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def test_lift_is_the_decile_rate_over_the_base_rate():
    labels = np.array([1, 1] + [0] * 17 + [1])
    table = lift_by_decile(labels, np.linspace(1, 0, 20))
    assert table["lift"].iloc[0] == pytest.approx(1.0 / 0.15)


def test_value_counts_realised_positives_and_the_cost_of_contacts():
    # Of labels 1, 0, 1 with 100, 100 and 50 at stake, at a rate of a tenth and a cost of 1.
    curve = value_curve(np.array([3, 2, 1]), np.array([9.0, -1.0, 4.0]), points=4)
    assert list(curve["value"]) == pytest.approx([0, 9, 8, 12])


def test_the_expected_width_is_that_of_hanley_and_mcneil():
    # Hanley and McNeil (1982) by hand, AUC .75: Q1 = .75 / 1.25, Q2 = 2 * .75^2 / 1.75
    q1, q2 = 0.6, 2 * 0.5625 / 1.75
    variance = (0.1875 + 49 * (q1 - 0.5625) + 49 * (q2 - 0.5625)) / 2500
    assert expected_half_width(50, 50) == pytest.approx(1.959964 * variance**0.5)
    assert expected_half_width(47, 115) > expected_half_width(470, 1150)


def test_a_base_rate_that_moved_beyond_chance_is_seen():
    assert rate_shift(50, 1000, 52, 1000) > 0.5
    assert rate_shift(50, 1000, 120, 1000) < 1e-4

"""Intervals over several cutoffs count customers, not rows; metrics of copies are metrics of a table with those rows repeated."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from tenure.core.auc import auc_difference, mean_auc_difference
from tenure.models.evaluate import evaluate
from tenure.models.resampling import RankedCustomers, metric_intervals


@pytest.fixture
def scored():
    generator = np.random.default_rng(3)
    propensities = np.round(generator.random(500), 2)  # rounded: ties
    labels = (generator.random(500) < propensities).astype(int)
    other = np.clip(propensities + generator.normal(0, 0.2, 500), 0.01, 0.99)
    return np.arange(500), labels, propensities, other


def test_rows_repeated_at_every_cutoff_do_not_make_the_interval_narrower(scored):
    once = mean_auc_difference([scored])
    thrice = mean_auc_difference([scored, scored, scored])
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx((once.value, once.low, once.high))


def test_rows_repeated_within_a_cutoff_do_not_make_the_interval_much_narrower(scored):
    customers, labels, propensities, other = scored
    once = auc_difference(labels, propensities, other, customers)
    doubled = [np.concatenate([column, column]) for column in (labels, propensities, other, customers)]
    twice = auc_difference(*doubled)
    assert twice.value == pytest.approx(once.value)
    assert twice.high - twice.low == pytest.approx(once.high - once.low, rel=0.01)
    pretended = auc_difference(*doubled[:3])
    assert pretended.high - pretended.low < 0.8 * (once.high - once.low)


def test_the_clustered_interval_agrees_with_drawing_customers(scored):
    generator = np.random.default_rng(5)
    customers = np.repeat(np.arange(300), 3)
    own = np.repeat(generator.normal(0, 1, 300), 3)
    labels = (generator.random(900) < 1 / (1 + np.exp(-own))).astype(int)
    first, second = own + generator.normal(0, 0.7, 900), generator.normal(0, 1, 900)
    differences = []
    for _ in range(400):
        rows = (3 * generator.integers(0, 300, 300)[:, None] + np.arange(3)).ravel()
        differences.append(roc_auc_score(labels[rows], first[rows]) - roc_auc_score(labels[rows], second[rows]))
    found = auc_difference(labels, first, second, customers)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.std(differences), rel=0.12)


def test_metrics_of_single_copies_are_those_of_scikit_learn(scored):
    _, labels, propensities, _ = scored
    clipped = np.clip(propensities, 1e-6, 1 - 1e-6)
    found = RankedCustomers(labels, propensities).metrics(np.ones(500), 0.1)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, propensities))
    assert found["log_loss"] == pytest.approx(log_loss(labels, clipped))
    own = evaluate(labels, propensities, {}).metrics
    for name in ("ece", "lift_top_decile", "lift_at_capacity"):
        assert found[name] == pytest.approx(own[name], abs=1e-5)


def test_metrics_of_copies_are_those_of_the_repeated_rows(scored):
    _, labels, propensities, _ = scored
    copies = np.random.default_rng(1).integers(0, 4, 500)
    order = np.argsort(-propensities, kind="stable")
    found = RankedCustomers(labels, propensities).metrics(copies, 0.1)
    rows = np.repeat(order, copies)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels[rows], propensities[rows]))


def test_intervals_hold_the_value_and_shrink_with_more_customers(scored):
    _, labels, propensities, _ = scored
    few = metric_intervals(labels[:125], propensities[:125], 0.1)
    many = metric_intervals(labels, propensities, 0.1)
    value = average_precision_score(labels, propensities)
    assert many["average_precision_low"] < value < many["average_precision_high"]
    width = {n: ends["log_loss_high"] - ends["log_loss_low"] for n, ends in (("few", few), ("many", many))}
    assert width["few"] / width["many"] == pytest.approx(2, rel=0.4)

"""The population stability index, by hand and in its limits."""

import numpy as np
import pytest

from tenure.models.shift import population_stability


def test_the_same_values_have_not_shifted():
    values = np.random.default_rng(1).random(1000)
    assert population_stability(values, values) == 0
    assert population_stability(values, np.random.default_rng(2).random(1000)) < 0.03


def test_two_bins_by_hand():
    # Halves of the former lie below and above 1; of the latter a quarter lies below.
    former, latter = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert population_stability(former, latter, bins=2) == pytest.approx(expected)


def test_another_population_is_far_above_the_threshold():
    generator = np.random.default_rng(3)
    assert population_stability(generator.normal(0, 1, 500), generator.normal(1, 1, 500)) > 0.25


def test_values_that_became_unknown_are_a_shift_of_their_own():
    values = np.random.default_rng(4).random(1000)
    half_unknown = np.where(np.arange(1000) % 2, values, np.nan)
    assert population_stability(values, half_unknown) > 0.25
    assert population_stability(np.full(10, np.nan), np.full(10, np.nan)) == 0

"""Qini and kept promises: by hand, and by drawing customers."""

import numpy as np
import pytest

from tenure.effects.policy_value import promise_kept, qini, qini_curve, qini_difference

FOUR = ["ana", "bo", "cy", "di"]


def test_the_area_of_a_perfect_ranking_by_hand():
    """Gains 4, 2, 0, -2: the curve 0, 1, 1.5, 1.5, 1 of four customers; at random 0, .25, .5, .75, 1.

    Trapezoids: (.375 + .875 + .875 + .375) / 4 less nothing at the ends, per 1,000 customers.
    """
    curve = qini_curve([9, 8, 7, 6], [4, 2, 0, -2])
    assert curve["gain"].tolist() == [0, 1_000, 1_500, 1_500, 1_000]
    assert curve["at_random"].tolist() == [0, 250, 500, 750, 1_000]
    by_hand = np.trapezoid(curve["gain"] - curve["at_random"], curve["spent"])
    assert qini([9, 8, 7, 6], [4, 2, 0, -2], FOUR).value == pytest.approx(by_hand) == pytest.approx(625)


def test_the_area_turns_its_sign_with_the_ranking_and_is_0_where_all_rank_alike():
    gains = [4, 2, 0, -2]
    assert qini([6, 7, 8, 9], gains, FOUR).value == -qini([9, 8, 7, 6], gains, FOUR).value
    assert qini([1, 1, 1, 1], gains, FOUR).value == 0


def test_with_costs_the_area_lies_over_what_is_spent():
    """The dear one first: three quarters of the budget for half of the gain."""
    found = qini([2, 1], [1.0, 1.0], FOUR[:2], cost=[3.0, 1.0])
    curve = qini_curve([2, 1], [1.0, 1.0], [3.0, 1.0])
    assert curve["spent"].tolist() == [0, 0.75, 1]
    by_hand = np.trapezoid(curve["gain"] - curve["at_random"], curve["spent"])
    assert found.value == pytest.approx(by_hand) == pytest.approx(-125)


def test_the_interval_is_that_of_drawing_customers():
    generator = np.random.default_rng(1)
    count = 1_500
    customers = np.arange(count) // 2
    ranking = generator.normal(size=750)[customers] + 0.1 * generator.normal(size=count)
    other = generator.normal(size=count)
    gains = 0.3 * ranking + generator.normal(size=count) + generator.normal(size=750)[customers] + 0.5
    cost = generator.uniform(1, 3, count)
    drawn = []
    for _ in range(1_000):
        own = generator.integers(0, 750, 750)
        rows = np.concatenate([2 * own, 2 * own + 1])
        one, two = (qini(each[rows], gains[rows], rows, cost=cost[rows]).value for each in (ranking, other))
        drawn.append((one, one - two))
    for place, found in enumerate(
        (qini(ranking, gains, customers, cost=cost), qini_difference(ranking, other, gains, customers, cost=cost))
    ):
        assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn, axis=0)[place], rel=0.12)


def test_a_promise_is_divided_by_what_came_true_of_the_contacted():
    found = promise_kept([0.2, 0.4, 9.0, 9.0], [0.1, 0.2, 0.0, 5.0], [True, True, False, False], FOUR)
    assert found.value == pytest.approx(2.0)
    assert promise_kept([1.0, 1.0], [1.0, 1.0], [False, False], FOUR[:2]).low == -np.inf

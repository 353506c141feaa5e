"""Chances by eye, and thousands of redraws against them: every draw within the limits, every frequency as logged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenure.core.errors import UsageError
from tenure.decisions.allocation import Limit
from tenure.decisions.chances import assign
from tenure.decisions.rounding import ONE, draw_options, round_counts

NAN = float("nan")
REDRAWS = 10_000
ACTIONS = ("call", "call", "letter", "letter", "gift")  # by two channels, and a gift by one


def hashes(customers, seed=1):
    return np.random.default_rng(seed).integers(0, 2**63, customers).astype(np.uint64)


def tight_day(customers=14, seed=5):
    """A day in which the budget, a channel and an action bind, and some cells are closed or negative."""
    generator = np.random.default_rng(seed)
    values = generator.normal(2, 3, (customers, len(ACTIONS)))
    values[generator.random(values.shape) < 0.25] = NAN
    limits = [
        Limit("budget", 1.1 * customers, np.array([1.0, 0.5, 3.0, 2.0, 4.0])),
        Limit("post", customers // 3, np.array([1.0, 0.0, 1.0, 0.0, 1.0])),
        Limit("gift", 2, np.array([0.0, 0.0, 0.0, 0.0, 1.0])),
    ]
    return values, limits


def logged(day, customer):
    """=> the chance of each column of a customer, those of one column summed."""
    chances = {}
    for column, chance in zip(day.options[customer].tolist(), day.chances[customer].tolist(), strict=True):
        chances[column] = chances.get(column, 0) + chance / ONE
    return {column: round(chance, 4) for column, chance in chances.items() if chance > 0}


def test_the_best_has_what_the_floors_of_the_others_leave():
    day = assign(np.array([[5.0, 3.0, 2.0, NAN, -1.0]]), ACTIONS, [], hashes(1), explore=0.02, explore_total=0.2)
    assert logged(day, 0) == {0: 0.94, 2: 0.02, 4: 0.02, -1: 0.02}, "the other channel of the call is no alternative"


def test_all_exploration_together_stays_below_its_most():
    day = assign(np.array([[5.0, NAN, 2.0, NAN, 1.0]]), ACTIONS, [], hashes(1), explore=0.02, explore_total=0.03)
    assert logged(day, 0) == {0: 0.97, 2: 0.01, 4: 0.01, -1: 0.01}


def test_a_share_to_explore_beyond_everything_is_refused():
    for share in (-0.1, 1.5, NAN):
        with pytest.raises(UsageError, match="explore_total .* Expected shares from 0 to 1"):
            assign(np.ones((1, 5)), ACTIONS, [], hashes(1), explore=0.02, explore_total=share)
    whole = assign(np.ones((1, 5)), ACTIONS, [], hashes(1), explore=1, explore_total=1)
    assert (whole.chances >= 0).all()
    assert sorted(logged(whole, 0).values()) == [0.0, 0.3333, 0.3333, 0.3333], "all to explore, none left for the best"


def test_where_nothing_is_best_every_open_action_is_explored():
    day = assign(np.array([[-5.0, -3.0, -2.0, NAN, NAN]]), ACTIONS, [], hashes(1), explore=0.02, explore_total=0.2)
    assert logged(day, 0) == {1: 0.02, 2: 0.02, -1: 0.96}
    assert day.best.choice.tolist() == [-1]


def test_one_call_a_day_is_explored_by_the_highest_equal_chance_that_fits():
    calls = Limit("calls", 1, np.ones(1))
    day = assign(np.array([[9.0], [5.0], [3.0]]), ["call"], [calls], hashes(3), explore=0.02, explore_total=0.05)
    assert [logged(day, n) for n in range(3)] == [{0: 0.98, -1: 0.02}, {0: 0.01, -1: 0.99}, {0: 0.01, -1: 0.99}]


def test_whole_contacts_are_kept_back_for_exploration_before_the_best_are_chosen():
    calls = Limit("calls", 100, np.ones(1))
    values = np.arange(1.0, 1001.0)[:, None]
    day = assign(values, ["call"], [calls], hashes(1000), explore=0.02, explore_total=0.05)
    assert (day.best.choice == 0).sum() == 95, "exploration would have 20 calls, and has 5 and what the best set free"
    assert logged(day, 0)[0] == pytest.approx((5 + 95 * 0.02) / 905, abs=1e-4)
    roomy = assign(values, ["call"], [Limit("calls", 1000, np.ones(1))], hashes(1000), explore=0.02, explore_total=0.05)
    assert (roomy.best.choice == 0).all()


def test_a_wave_gives_all_open_actions_and_nothing_the_same_chance():
    values = np.array([[9.0, 1.0, 4.0, NAN, NAN], [9.0, NAN, NAN, NAN, NAN]])
    day = assign(values, ACTIONS, [], hashes(2), explore=0.02, explore_total=0.05, uniform=True)
    assert [logged(day, n) for n in range(2)] == [{0: 0.3333, 2: 0.3333, -1: 0.3333}, {0: 0.5, -1: 0.5}]
    calls = Limit("calls", 3, np.array([1.0, 1.0, 0.0, 0.0, 0.0]))
    full = assign(np.tile(values, (10, 1)), ACTIONS, [calls], hashes(20), explore=0, explore_total=0, uniform=True)
    assert logged(full, 0) == {0: 0.15, 2: 0.3333, -1: 0.5167}, "three calls for twenty customers"


def test_the_arm_says_whether_the_best_was_drawn():
    values = np.array([[5.0, NAN, 2.0, NAN, NAN], [-5.0, NAN, -1.0, NAN, NAN]])
    day = assign(values, ACTIONS, [], hashes(2), explore=0.25, explore_total=0.9)
    seen = {
        (n, int(c), str(a))
        for s in range(60)
        for d in [day.draw(seed=s)]
        for n, (c, a) in enumerate(zip(d.chosen, d.arm, strict=True))
    }
    assert {one for one in seen if one[0] == 0} == {(0, 0, "best"), (0, 2, "explored"), (0, -1, "withheld")}
    assert {one for one in seen if one[0] == 1} == {(1, -1, "best"), (1, 0, "explored"), (1, 2, "explored")}


@pytest.mark.parametrize("uniform", [False, True], ids=["usual", "wave"])
def test_ten_thousand_redraws_match_each_logged_chance_and_keep_every_limit(uniform):
    values, limits = tight_day()
    day = assign(values, ACTIONS, limits, hashes(14), explore=0.05, explore_total=0.15, uniform=uniform)
    customers, options = day.options.shape
    # All redraws at once: each has columns of its own, hashes of its own, and so coins of its own.
    offset = np.repeat(np.arange(REDRAWS) * 100, customers)[:, None]
    columns = np.tile(day.options, (REDRAWS, 1)) + offset
    place = draw_options(columns, np.tile(day.chances, (REDRAWS, 1)), hashes(REDRAWS * customers), seed=11)
    chosen = day.options[np.tile(np.arange(customers), REDRAWS), place].reshape(REDRAWS, customers)
    for limit in limits:
        assert (np.append(limit.use, 0.0)[chosen].sum(axis=1) <= limit.amount + 1e-9).all()
    drawn = np.array(
        [[(place.reshape(REDRAWS, -1)[:, n] == o).mean() for o in range(options)] for n in range(customers)]
    )
    chance = day.chances / ONE
    assert (drawn[chance == 0] == 0).all()
    varies = (chance > 0) & (chance < 1)
    off = (drawn - chance)[varies] / np.sqrt((chance * (1 - chance))[varies] / REDRAWS)
    assert np.abs(off).max() < 4.5
    assert (off**2).mean() < 1.6
    expected = np.array([chance[day.options == column].sum() for column in range(5)])
    counts = np.array([(chosen == column).sum(axis=1) for column in range(5)])
    assert (np.floor(expected - 1e-9) <= counts.min(axis=1)).all()
    assert (counts.max(axis=1) <= np.ceil(expected + 1e-9)).all()


@pytest.mark.parametrize("uniform", [False, True], ids=["usual", "wave"])
def test_a_day_drawn_by_other_seeds_keeps_its_limits_and_its_logged_chances(uniform):
    values, limits = tight_day()
    day = assign(values, ACTIONS, limits, hashes(14), explore=0.05, explore_total=0.15, uniform=uniform)
    draws = [day.draw(seed=seed) for seed in range(200)]
    for drawn in draws:
        for limit in limits:
            assert np.append(limit.use, 0.0)[drawn.chosen].sum() <= limit.amount + 1e-9
    share_of_best = np.mean([drawn.chosen == day.best.choice for drawn in draws], axis=0)
    promised = np.array([logged(day, n)[int(column)] for n, column in enumerate(day.best.choice)])
    assert (np.abs(share_of_best - promised) <= 4.5 * np.sqrt(promised * (1 - promised) / 200) + 1e-3).all()


def test_the_order_of_rows_makes_no_difference_and_a_seed_always_draws_the_same():
    values, limits = tight_day(400)
    ties, shuffled = hashes(400), np.random.default_rng(2).permutation(400)
    day = assign(values, ACTIONS, limits, ties, explore=0.05, explore_total=0.15)
    again = assign(values[shuffled], ACTIONS, limits, ties[shuffled], explore=0.05, explore_total=0.15)
    assert day.draw(seed=4).chosen[shuffled].tolist() == again.draw(seed=4).chosen.tolist()
    assert day.draw(seed=4).chosen.tolist() != day.draw(seed=5).chosen.tolist()


@pytest.mark.parametrize("uniform", [False, True], ids=["usual", "wave"])
def test_nobody_no_open_column_no_column_and_a_limit_of_nothing_all_end_in_nothing(uniform):
    values, limits = tight_day(3)
    nothing = [Limit("budget", 0, np.ones(5))]
    cases = [
        (values[:0], ACTIONS, limits),
        (values * NAN, ACTIONS, limits),
        (values, ACTIONS, nothing),
        (values[:, :0], (), []),
    ]
    for cells, actions, within in cases:
        day = assign(cells, actions, within, hashes(len(cells)), explore=0.05, explore_total=0.15, uniform=uniform)
        drawn = day.draw(seed=1)
        assert drawn.chosen.tolist() == [-1] * len(cells)
        assert drawn.chance.tolist() == [1.0] * len(cells)
        assert drawn.arm.tolist() == ["best"] * len(cells)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.booleans(), st.sampled_from([0.0, 0.02, 0.3]))
def test_no_draw_of_any_day_breaks_a_limit(seed, customers, uniform, explore):
    generator = np.random.default_rng(seed)
    values = generator.normal(1, 3, (customers, 5))
    values[generator.random(values.shape) < 0.3] = NAN
    cents = generator.integers(0, 500, 5)
    amounts = generator.integers(0, customers * 200, 1)[0], *generator.integers(0, max(customers // 2, 1), 2)
    uses = [cents / 100, np.array([1.0, 0, 1, 0, 1]), np.array([0.0, 1, 0, 1, 0])]
    limits = [
        Limit(name, amount / (100 if name == "budget" else 1), use)
        for name, amount, use in zip(("budget", "post", "mail"), amounts, uses, strict=True)
    ]
    day = assign(
        values, ACTIONS, limits, hashes(customers, seed), explore=explore, explore_total=2 * explore, uniform=uniform
    )
    assert (day.chances >= 0).all()
    assert (day.chances.sum(axis=1) == ONE).all()
    for draw in range(5):
        drawn = day.draw(seed=draw)
        chosen = drawn.chosen[drawn.chosen >= 0]
        assert np.isfinite(values[drawn.chosen >= 0, chosen]).all()
        assert cents[chosen].sum() <= amounts[0]
        assert [uses[n][chosen].sum() <= amounts[n] for n in (1, 2)] == [True, True]


def test_counts_are_rounded_without_bias():
    expected = np.array([[ONE // 3, ONE // 4, ONE - ONE // 3 - ONE // 4], [5 * ONE // 2, ONE // 2, 0]])
    columns = np.array([[0, 1, -1], [0, 1, -1]])
    rounded = np.array([round_counts(columns, expected, seed=seed) for seed in range(400)])
    assert (rounded.sum(axis=2) == [1, 3]).all()
    assert rounded.mean(axis=0) == pytest.approx(expected / ONE, abs=0.1)
    assert set(rounded[:, :, 0].sum(axis=1)) == {2, 3}, "2.83 in all"
    assert set(rounded[:, :, 1].sum(axis=1)) == {0, 1}, ".75 in all"


def test_an_action_for_a_person_to_approve_is_neither_explored_nor_drawn_before():
    values = np.array([[9.0, NAN, 5.0, NAN, NAN], [1.0, NAN, 5.0, NAN, 2.0]])
    for uniform in (False, True):
        day = assign(values, ACTIONS, [], hashes(2), explore=0.02, explore_total=0.2, uniform=uniform, later=["call"])
        assert logged(day, 0) == {0: 1.0}
        assert set(logged(day, 1)) == {2, 4, -1}

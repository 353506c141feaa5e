"""The allocation against brute force and a mixed-integer solver, which share no code with it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from tenure.core.errors import UsageError
from tenure.decisions.allocation import Limit, allocate

NAN = float("nan")


def hashes(customers, seed=1):
    return np.random.default_rng(seed).integers(0, 2**63, customers).astype(np.uint64)


def best_by_brute_force(values, limits):
    """Try every assignment, in whole cents."""
    customers, columns = values.shape
    most = 0.0
    for choice in product(range(-1, columns), repeat=customers):
        chosen = [(i, j) for i, j in enumerate(choice) if j >= 0]
        if any(not values[i, j] > -np.inf for i, j in chosen):
            continue
        if all(sum(round(100 * u.use[j]) for _, j in chosen) <= round(100 * u.amount) for u in limits):
            most = max(most, sum(values[i, j] for i, j in chosen))
    return most


def cents_used(limit, choice):
    return sum(round(100 * limit.use[j]) for j in choice if j >= 0)


@st.composite
def small_days(draw):
    customers, columns = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    cell = st.one_of(st.just(NAN), st.just(-np.inf), st.integers(-3, 12).map(float), st.floats(0.01, 50))
    values = np.array(
        draw(st.lists(st.lists(cell, min_size=columns, max_size=columns), min_size=customers, max_size=customers))
    )
    cents = st.lists(st.integers(0, 300), min_size=columns, max_size=columns).map(lambda c: np.array(c) / 100)
    amounts = draw(st.lists(st.integers(0, 700), min_size=0, max_size=3))
    return values, [Limit(f"limit {n}", cent / 100, draw(cents)) for n, cent in enumerate(amounts)]


@settings(max_examples=150, deadline=None)
@given(small_days(), st.integers(0, 1000))
def test_small_days_are_solved_outright_and_nothing_is_broken(day, seed):
    values, limits = day
    found = allocate(values, limits, hashes(len(values), seed))
    best = best_by_brute_force(values, limits)
    assert found.value == pytest.approx(best, rel=1e-6, abs=1e-9)
    assert found.bound >= best * (1 - 1e-9)
    assert found.value == pytest.approx(sum(values[i, j] for i, j in enumerate(found.choice) if j >= 0))
    for limit in limits:
        assert cents_used(limit, found.choice) <= round(100 * limit.amount)
        assert found.used[limit.name] == pytest.approx(cents_used(limit, found.choice) / 100)
        assert found.prices[limit.name] >= 0


def larger_day(customers, columns, seed):
    """Values with many ties: what is worth the same in several columns, but for their costs."""
    generator = np.random.default_rng(seed)
    costs = generator.integers(0, 400, columns) / 100
    values = np.round(generator.lognormal(1, 1, (customers, 1)) * generator.integers(1, 3, (1, columns)), 1) - costs
    values[generator.random(values.shape) < 0.3] = NAN
    share = generator.uniform(0.05, 0.4, 3) * customers
    first = (np.arange(columns) % 2 == 0).astype(float)
    limits = [Limit("budget", round(share[0] * 2, 2), costs), Limit("even", share[1] // 1, first)]
    return values, [*limits, Limit("odd", share[2] // 1, 1 - first)]


@pytest.mark.parametrize("seed", range(12))
def test_a_day_of_two_hundred_customers_is_within_its_integrality_gap(seed):
    values, limits = larger_day(200, 4, seed)
    found = allocate(values, limits, hashes(200))
    who, where = np.nonzero(np.isfinite(values))
    rows = np.vstack([np.equal.outer(np.arange(200), who), [limit.use[where] for limit in limits]])
    most = np.append(np.ones(200), [limit.amount for limit in limits])
    oracle = milp(-values[who, where], integrality=1, bounds=Bounds(0, 1), constraints=LinearConstraint(rows, ub=most))
    # A vertex of the relaxed problem splits at most one customer per limit.
    assert -oracle.fun - np.nanmax(values) * len(limits) <= found.value <= -oracle.fun * (1 + 1e-6)
    assert -oracle.fun <= found.bound * (1 + 1e-9)
    assert found.bound - found.value <= 0.01 * found.bound
    for limit in limits:
        assert cents_used(limit, found.choice) <= round(100 * limit.amount)
    idle, room = found.choice == -1, np.array([limit.amount - found.used[limit.name] for limit in limits])
    for column in range(4):
        if all(limit.use[column] <= left - 1e-9 for limit, left in zip(limits, room, strict=True)):
            assert not (values[idle, column] > 0).any(), "who has nothing could have had this"


def test_three_customers_and_one_euro():
    cost = Limit("budget", 1.0, np.array([0.5]))
    found = allocate(np.array([[3.0], [9.0], [5.0]]), [cost], hashes(3))
    assert (found.choice.tolist(), found.value, found.used) == ([-1, 0, 0], 14.0, {"budget": 1.0})
    assert found.prices["budget"] == pytest.approx(6.0), "half a euro more would bring the third customer's 3"


def test_three_times_ten_cents_are_thirty_cents_as_a_person_adds_them():
    assert allocate(np.ones((3, 1)), [Limit("budget", 0.3, np.array([0.1]))], hashes(3)).choice.tolist() == [0, 0, 0]
    assert (allocate(np.ones((3, 1)), [Limit("budget", 0.29, np.array([0.1]))], hashes(3)).choice == 0).sum() == 2


def test_a_limit_that_does_not_bind_has_no_price():
    values = np.array([[4.0, 3.0], [2.0, 1.0]])
    calls, letters = Limit("calls", 1, np.array([1.0, 0.0])), Limit("letters", 2, np.array([0.0, 1.0]))
    found = allocate(values, [calls, letters], hashes(2))
    assert (found.value, found.prices["letters"]) == (5.0, 0.0)
    assert found.prices["calls"] == pytest.approx(1.0)


def test_equals_are_told_apart_by_their_hash_and_not_by_their_row():
    values, limits = larger_day(5000, 4, 3)
    ties = hashes(5000)
    shuffled = np.random.default_rng(2).permutation(5000)
    found, again = allocate(values, limits, ties), allocate(values[shuffled], limits, ties[shuffled])
    assert found.choice[shuffled].tobytes() == again.choice.tobytes()
    assert (found.value, found.bound, found.prices) == (again.value, again.bound, again.prices)


def test_a_sample_leads_to_the_prices_of_everyone():
    values, limits = larger_day(60_000, 4, 5)
    found = allocate(values.astype(np.float32), limits, hashes(60_000))
    assert found.bound - found.value <= 0.0005 * found.bound
    assert all(cents_used(limit, found.choice) <= round(100 * limit.amount) for limit in limits)
    near = allocate(values.astype(np.float32), limits, hashes(60_000), prices=found.prices)
    assert near.value == pytest.approx(found.value, rel=0.0005)


@pytest.mark.parametrize("shape", [(0, 2), (3, 0), (0, 0)])
def test_without_customers_or_columns_nothing_is_chosen(shape):
    found = allocate(np.ones(shape), [Limit("budget", 5, np.ones(shape[1]))], hashes(shape[0]))
    assert (found.choice.tolist(), found.value, found.bound) == ([-1] * shape[0], 0.0, 0.0)


def test_a_limit_of_nothing_gives_nothing_and_says_what_the_first_unit_would_bring():
    found = allocate(np.array([[5.0], [3.0]]), [Limit("calls", 0, np.ones(1))], hashes(2))
    assert (found.choice.tolist(), found.value) == ([-1, -1], 0.0)
    assert found.prices["calls"] == pytest.approx(5.0, rel=1e-6)


def test_without_a_limit_everyone_has_the_best():
    found = allocate(np.array([[5.0, 7.0], [-1.0, NAN]]), [], hashes(2))
    assert (found.choice.tolist(), found.value, found.bound, found.prices) == ([1, -1], 7.0, 7.0, {})


@pytest.mark.parametrize(("amount", "use"), [(-1.0, 1.0), (NAN, 1.0), (1.0, -1.0), (1.0, NAN)])
def test_a_limit_that_is_no_number_is_refused(amount, use):
    with pytest.raises(UsageError, match="limit 'calls': amount .* Expected numbers from 0 on"):
        Limit("calls", amount, np.array([use]))
    assert Limit("calls", np.inf, np.ones(1)).amount == np.inf

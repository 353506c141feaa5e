"""The difference of two arms, against formulas of textbooks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tenure.core.shrinkage import shrunk
from tenure.measure.difference import (
    balance,
    customers_needed,
    detectable,
    difference,
    sample_ratio,
    sequence_width,
)


def table(treated, control, **columns):
    count = len(treated) + len(control)
    rows = pd.DataFrame({"customer_id": np.arange(count), "is_treated": [True] * len(treated) + [False] * len(control),
                         "weight": 1.0, "chance": np.nan, "y": [*map(float, (*treated, *control))]})  # fmt: skip
    return rows.assign(**columns)


def drawn(count, seed=1, effect=0.0):
    """Rows with a covariate that tells half of the outcome."""
    generator = np.random.default_rng(seed)
    known, treated = generator.normal(size=count), generator.random(count) < 0.7
    return pd.DataFrame({"customer_id": np.arange(count), "is_treated": treated, "weight": 1.0, "x": known, "chance": np.nan,
                         "y": known + effect * treated + generator.normal(size=count)})  # fmt: skip


def test_the_difference_is_the_treated_mean_less_the_control_mean():
    found = difference(table([1, 1, 0, 1], [0, 1, 0, 0]), "y")
    assert (found.treated_mean, found.control_mean, found.effect, found.relative) == (0.75, 0.25, 0.5, 2.0)


def test_the_interval_is_welchs():
    rows = table([5, 7, 1, 9, 4, 4], [2, 3, 1])
    found = difference(rows, "y")
    peer = stats.ttest_ind(rows["y"][rows["is_treated"]], rows["y"][~rows["is_treated"]], equal_var=False)
    interval = peer.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_adjusted_effect_is_that_of_a_weighted_regression():
    """Oracle: least squares on an intercept, the arm and x, each row weighted by 1 / (n x (n - 1)), n the customers of its arm."""
    rows = drawn(500, effect=0.5)
    count = rows.groupby("is_treated")["y"].transform("size")
    design, root = (
        np.column_stack([np.ones(500), rows["is_treated"], rows["x"]]),
        (count * (count - 1)).to_numpy() ** -0.5,
    )
    slopes = np.linalg.solve((design * root[:, None] ** 2).T @ design, (design * root[:, None] ** 2).T @ rows["y"])
    residuals = rows["y"] - design @ slopes
    error = np.sqrt(sum((own**2).sum() / len(own) / (len(own) - 2) for _, own in residuals.groupby(rows["is_treated"])))
    found = difference(rows, "y", ["x"])
    assert (found.effect, found.error) == pytest.approx((slopes[1], error))
    assert found.error < difference(rows, "y").error * 0.8


def test_a_covariate_that_everybody_shares_or_nobody_has_changes_nothing():
    rows = drawn(100).assign(same=1.0, unknown=np.nan)
    assert difference(rows, "y", ["same", "unknown"]).high == difference(rows, "y").high


def test_rows_of_one_customer_count_as_one_observation():
    """Each customer twice, in the same arm with the same outcome: no surer than once."""
    rows = drawn(400)
    once, twice = difference(rows, "y"), difference(pd.concat([rows, rows]), "y")
    assert twice.effect == pytest.approx(once.effect)
    assert twice.error == pytest.approx(once.error, rel=0.01)


def test_unequal_chances_are_weighted_back():
    """Rates .8 and .2 in two groups, whose treated chances are .9 and .1: nobody was moved, the plain means differ."""
    groups = [(0.9, 0.8), (0.1, 0.2)]
    parts = []
    for chance, rate in groups:
        for treated, share in ((True, chance), (False, 1 - chance)):
            count = round(1_000 * share)
            parts.append(
                pd.DataFrame({"is_treated": treated, "weight": 1 / share, "y": np.arange(count) < round(rate * count)})
            )
    rows = pd.concat(parts, ignore_index=True).assign(customer_id=lambda t: t.index).astype({"y": float})
    assert difference(rows, "y").effect == pytest.approx(0.0)
    assert difference(rows.assign(weight=1.0), "y").effect == pytest.approx(0.48)


def test_the_sequence_is_the_formula_of_theorem_2_2():
    """With rho such that it is narrowest at 1,000: at t * rho^2 = 7.94 it is 3.03 standard errors wide."""
    rho = np.sqrt((-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1)) / 1_000)
    for t in (50, 1_000, 40_000):
        seen = t * rho**2
        expected = np.sqrt(2 * (seen + 1) / (t**2 * rho**2) * np.log(np.sqrt(seen + 1) / 0.05)) * np.sqrt(t)
        assert sequence_width(t) == pytest.approx(expected)
    assert sequence_width(1_000) == pytest.approx(3.03, abs=0.01)


def test_daily_looks_raise_false_alarms_by_the_interval_and_hardly_any_by_the_sequence():
    generator, alarms = np.random.default_rng(11), np.zeros(2)
    for _ in range(40):
        rows = pd.DataFrame({"customer_id": np.arange(1_200), "weight": 1.0, "is_treated": np.arange(1_200) % 10 > 0,
                             "y": (generator.random(1_200) < 0.06).astype(float)})  # fmt: skip
        looks = [difference(rows.iloc[:seen], "y") for seen in range(300, 1_201, 100)]
        alarms += [
            any(f.low > 0 or f.high < 0 for f in looks),
            any(f.always_low > 0 or f.always_high < 0 for f in looks),
        ]
    assert alarms[0] >= 4 and alarms[1] <= 1


def test_the_interval_covers_the_truth_in_about_nineteen_of_twenty_campaigns():
    covered = [
        (found := difference(drawn(300, seed, effect=0.3), "y", ["x"])).low <= 0.3 <= found.high for seed in range(150)
    ]
    assert 0.91 <= np.mean(covered) <= 0.99


def test_sizes_are_judged_by_the_logged_chances():
    """630 of 1,000 with a chance of .7 is no accident, 690 may be; scipy's binomial test agrees."""
    for treated in (630, 690):
        rows = table([0] * treated, [0] * (1_000 - treated))
        rows["chance"] = np.where(rows["is_treated"], 0.7, 0.3)
        assert sample_ratio(rows) == pytest.approx(stats.binomtest(treated, 1_000, 0.7).pvalue, abs=0.03)
    assert (
        sample_ratio(table([0] * 630, [0] * 370).assign(chance=lambda t: np.where(t["is_treated"], 0.7, 0.3))) < 0.001
    )
    assert np.isnan(sample_ratio(drawn(10)))


def test_arms_of_chance_are_alike_and_arms_of_choice_are_not():
    rows = drawn(2_000).assign(z=lambda t: t["x"] ** 2)
    assert balance(rows, ["x", "z"]) > 0.001
    assert balance(rows.assign(is_treated=rows["x"] + rows["y"] > 0), ["x", "z"]) < 1e-9
    assert np.isnan(balance(rows.assign(x=1.0), ["x"]))


def test_balance_of_one_covariate_is_welchs_test():
    rows = drawn(60)
    peer = stats.ttest_ind(rows["x"][rows["is_treated"]], rows["x"][~rows["is_treated"]], equal_var=False)
    assert balance(rows, ["x"]) == pytest.approx(peer.pvalue, rel=0.1)


def test_the_planner_says_what_could_be_told():
    assert detectable(2_000, 0.05, 0.05) == pytest.approx(0.063, abs=0.0005)
    assert detectable(200_000, 0.05, 0.05) == pytest.approx(0.0063, abs=0.00005)
    needed = customers_needed(0.01, 0.1, 0.05)
    assert detectable(needed, 0.1, 0.05) <= 0.01 < detectable(needed - 1, 0.1, 0.05)


def test_effects_that_differ_by_no_more_than_noise_shrink_to_their_mean():
    assert shrunk(np.array([1.0, 2.0, 3.0]), np.full(3, 2.0))[0] == pytest.approx([2.0, 2.0, 2.0])
    assert shrunk(np.array([0.0, 100.0]), np.full(2, 0.1))[0] == pytest.approx([0.0, 100.0], abs=0.01)

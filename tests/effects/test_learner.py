"""Whom an action moves: planted effects are found, their absence is said, and nothing is judged on what it learnt from."""

import numpy as np
import pandas as pd
import pytest
from randomised import FEATURES, contacts
from scipy import optimize, special

from tenure.core.errors import DataContractError, NotEnoughDataError
from tenure.effects.arms import SHARED, ArmRows, LightTrees, TiedArms
from tenure.effects.design import Design
from tenure.effects.learner import fit_effect


@pytest.fixture(scope="module")
def moved():
    rows = contacts(12_000)
    return rows, fit_effect(rows, FEATURES, unit="share")


@pytest.mark.parametrize("unit", ["share", "currency"])
def test_a_planted_effect_is_found_with_its_size_and_its_slope(unit):
    rows = contacts(8_000, unit=unit)
    fit = fit_effect(rows, FEATURES, unit=unit)
    assert fit.mean.low < rows["effect"].mean() < fit.mean.high
    assert fit.slope.low < 1 < fit.slope.high
    assert np.corrcoef(fit.raw, rows["effect"])[0, 1] > 0.85
    fresh = contacts(5_000, unit=unit, seed=2)
    assert np.corrcoef(fit.predict(fresh), fresh["effect"])[0, 1] > 0.85


def test_where_all_customers_react_alike_the_slope_holds_0_and_the_promise_is_the_mean():
    rows = contacts(6_000, slope=0.0)
    fit = fit_effect(rows, FEATURES, unit="share")
    assert fit.slope.low < 0.5
    assert fit.calibrated(fit.raw).std() < 0.02
    assert fit.calibrated(fit.predict(rows)).mean() == pytest.approx(fit.mean.value)


def test_the_mean_effect_is_right_where_chances_depend_on_the_customer():
    """Who needs more was contacted more often: the plain difference of the arms is far off."""
    rows = contacts(12_000)
    chance = special.expit(1.5 * rows["need"]) * 0.8 + 0.1
    draws = np.random.default_rng(5)
    treated = draws.random(len(rows)) < chance
    rate = 0.4 + 0.2 * np.tanh(rows["need"]) + treated * rows["effect"]
    rows = rows.assign(is_treated=treated, chance=np.where(treated, chance, 1 - chance), outcome=(draws.random(len(rows)) < rate).astype(float))  # fmt: skip
    plain = rows.groupby("is_treated")["outcome"].mean()
    fit = fit_effect(rows, FEATURES, unit="share")
    assert plain[True] - plain[False] > fit.mean.high + 0.05
    assert fit.mean.low < rows["effect"].mean() < fit.mean.high


def test_rows_of_one_customer_count_as_one_observation():
    once = contacts(2_000)
    fourfold = pd.concat([once] * 4, ignore_index=True)
    single, repeated = (fit_effect(rows, FEATURES, unit="share") for rows in (once, fourfold))
    width = [fit.mean.high - fit.mean.low for fit in (single, repeated)]
    assert width[1] == pytest.approx(width[0], rel=0.1)


def test_no_customer_is_predicted_by_a_model_that_saw_them():
    """Labels that only their own customer could know: repeated rows would give them away."""
    once = contacts(1_500, slope=0.0, mean=0.0).assign(noise_1=lambda rows: rows["customer_id"])
    repeated = pd.concat([once] * 6, ignore_index=True)
    fit = fit_effect(repeated, FEATURES, unit="share")
    assert fit.slope.low <= 0.6 and abs(np.corrcoef(fit.raw, fit.pseudo)[0, 1]) < 0.05


def test_a_fit_is_the_same_again(moved):
    rows, fit = moved
    again = fit_effect(rows, FEATURES, unit="share")
    assert np.array_equal(again.raw, fit.raw) and np.array_equal(again.predict(rows), fit.predict(rows))


def test_the_tied_regressions_minimise_their_penalised_loss():
    """Oracle: a general minimiser of the loss as it is written down."""
    rows = contacts(400)
    design = Design.fit(rows, ["need", "noise_1"]).transform(rows)
    outcome, treated = rows["outcome"].to_numpy(), rows["is_treated"].to_numpy()
    apart, width = 30.0, design.shape[1] + 1

    def loss(both):
        one, other = both[:width], both[width:]
        raw = np.where(treated, one[0] + design @ one[1:], other[0] + design @ other[1:])
        mean, half = (one + other)[1:] / 2, (one - other)[1:]
        fit = (np.logaddexp(0, raw) - outcome * raw).sum()
        return fit + SHARED / 2 * (mean**2).sum() + apart / 2 * (half**2).sum()

    oracle = optimize.minimize(loss, np.zeros(2 * width), tol=1e-10).x
    found = TiedArms.fit(ArmRows(design, outcome, treated, np.full(400, 0.5)), np.arange(400), "share", apart)
    assert np.concatenate([found.treated, found.control]) == pytest.approx(oracle, abs=2e-4)


def test_each_customers_effect_is_the_sum_of_its_features_and_the_average_customers(moved):
    rows, fit = moved
    parts, effects = fit.contributions(rows.head(50)), fit.predict(rows.head(50))
    rest = effects - parts.sum(axis=1)
    assert list(parts.columns) == FEATURES
    assert np.ptp(rest) < 1e-5
    assert parts.abs().mean().idxmax() == "need"


def test_trees_name_the_feature_that_moves_too():
    rows = contacts(6_000)
    design = Design.fit(rows, FEATURES)
    matrix = design.transform(rows)
    data = ArmRows(matrix, rows["outcome"].to_numpy(), rows["is_treated"].to_numpy(), np.full(len(rows), 0.5))
    trees = LightTrees.fit(data, np.arange(len(rows)), "share", 7)
    parts = design.by_feature(trees.parts(matrix[:100]))
    treated, control = trees.arms(matrix[:100])
    assert parts.abs().mean().idxmax() == "need"
    assert np.corrcoef(parts.sum(axis=1), treated - control)[0, 1] > 0.9


def test_a_contrast_names_what_sets_a_customers_effect_apart(moved):
    rows, fit = moved
    found = fit.contrasts(rows.assign(customer=rows["customer_id"]).set_index("customer").loc[[3, 5, 8]], top=2)
    assert list(found.columns) == ["feature_1", "part_1", "feature_2", "part_2"]
    assert list(found.index) == [3, 5, 8]
    assert (found["feature_1"] == "need").all()
    assert (np.sign(found["part_1"]) == np.sign(rows["need"].loc[[3, 5, 8]])).all()


def test_a_level_or_an_unknown_value_that_nobody_saw_does_not_stop_a_prediction(moved):
    rows, fit = moved
    fresh = rows.head(3).assign(town=["z", None, "a"], need=[np.nan, 1e9, 0.0])
    assert np.isfinite(fit.predict(fresh)).all()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.assign(is_treated=True), "0 withheld"),
        (
            lambda rows: rows[~rows["is_treated"] | (rows.groupby("is_treated").cumcount() < 150)],
            "150 customers treated",
        ),
        (lambda rows: rows.assign(outcome=1.0), "1 different outcomes"),
    ],
)
def test_too_few_rows_or_one_arm_give_no_effect(spoil, said):
    rows = contacts(1_000)
    fit_effect(rows, FEATURES, unit="share")  # the honest twin
    with pytest.raises(NotEnoughDataError, match=said):
        fit_effect(spoil(rows), FEATURES, unit="share")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.drop(columns="chance"), "no column chance"),
        (lambda rows: rows.assign(chance=rows["chance"].where(rows["customer_id"] > 0, 0.0)), "1 of 1,000 rows"),
        (lambda rows: rows.assign(chance=1.0), "leave out contacts that were not drawn"),
        (lambda rows: rows.assign(outcome=rows["outcome"] * 2), "an outcome of 0 or 1"),
        (lambda rows: rows.assign(outcome=rows["outcome"].where(rows["customer_id"] > 1)), "2 of 1,000 rows"),
        (lambda rows: rows.drop(columns="need"), "need"),
    ],
)
def test_rows_that_say_nothing_certain_are_refused(spoil, said):
    with pytest.raises(DataContractError, match=said):
        fit_effect(spoil(contacts(1_000)), FEATURES, unit="share")

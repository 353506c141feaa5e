"""Planted effects are found, noise is not, and a saved model is the same model."""

import numpy as np
import pandas as pd
import pytest
import shap
from lightgbm import Booster

from tenure.core.auc import auc_with_interval
from tenure.core.errors import DataContractError, StoredFormatError
from tenure.models.calibrate import fit_calibrator
from tenure.models.encoding import Encoding, from_json, to_json
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.explain import phrase, reasons
from tenure.models.folds import grouped_folds
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.train import train_model

SETTINGS = TrainingSettings(max_trees=150, learning_rate=0.05)
MEANINGS = (
    FeatureMeaning("failed", "failed payments", "count", "failed payments", "", 30),
    FeatureMeaning("silence", "usage", "days", "since the last usage", ""),
    FeatureMeaning("plan", "plan", "category", "plan", ""),
    FeatureMeaning("noise", "noise", "number", "noise", ""),
)


def world(rows=3000, seed=1):
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "failed": generator.poisson(0.3, rows).astype(float),
            "silence": np.where(generator.random(rows) < 0.1, np.nan, generator.exponential(10, rows)),
            "plan": generator.choice(["Solo", "House", None], rows, p=[0.6, 0.3, 0.1]),
            "noise": generator.normal(size=rows),
        }
    )
    odds = -2.5 + 1.2 * table["failed"] + 0.05 * table["silence"].fillna(10) + 0.8 * (table["plan"] == "Solo")
    labels = (generator.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    return table, labels, np.arange(rows) // 3


@pytest.fixture(scope="module")
def trained():
    table, labels, customers = world()
    return train_model(table, labels, customers, MEANINGS, SETTINGS, about={"currency": "EUR"})


def test_planted_effects_are_found_on_fresh_customers(trained):
    table, labels, _ = world(20_000, seed=2)
    truth = 1.2 * table["failed"] + 0.05 * table["silence"].fillna(10) + 0.8 * (table["plan"] == "Solo")
    best = auc_with_interval(labels, truth.to_numpy()).value
    assert auc_with_interval(labels, trained.model.propensities(table)).value > best - 0.02


def test_shuffled_labels_give_an_auc_near_one_half():
    table, labels, customers = world()
    shuffled = np.random.default_rng(4).permutation(labels)
    result = train_model(table, shuffled, customers, MEANINGS, SETTINGS)
    auc = auc_with_interval(shuffled, result.out_of_fold)
    assert auc.low < 0.5 + 0.02


def test_no_customer_lies_on_both_sides_of_a_fold():
    _, labels, customers = world()
    for fitting, held_out in grouped_folds(labels, customers, SETTINGS):
        assert not set(customers[fitting]) & set(customers[held_out])


def test_what_constraints_cost_is_seen_on_customers_that_two_folds_held_out():
    table, labels, customers = world()
    folds = grouped_folds(labels, customers, SETTINGS)
    both = train_model(
        table, labels, customers, MEANINGS, SETTINGS, monotone={"failed": -1}, folds=folds, with_unconstrained=True
    )
    seen = np.flatnonzero(~np.isnan(both.unconstrained))
    assert set(seen) == {*folds[0][1], *folds[1][1]}
    free, held = (
        auc_with_interval(labels[seen], scores[seen]).value for scores in (both.unconstrained, both.out_of_fold)
    )
    assert free > held + 0.05, "failed payments raise the odds; held to lower them they are lost"
    assert (
        train_model(table, labels, customers, MEANINGS, SETTINGS, folds=folds, with_unconstrained=True).unconstrained
        is None
    )


def test_contributions_add_up_and_equal_shaps_tree_explainer(trained):
    table, _, _ = world(200, seed=3)
    model = trained.model
    contributions = model.contributions(table)
    log_odds = np.log(model.propensities(table) / (1 - model.propensities(table)))
    np.testing.assert_allclose(contributions.sum(axis=1), log_odds, atol=1e-8)
    explainer = shap.TreeExplainer(Booster(model_str=model.estimator.text))
    values = np.asarray(explainer.shap_values(model.encoding.transform(table)))
    np.testing.assert_allclose(contributions[:, :-1], values * model.calibrator.slope, atol=1e-6)


def test_propensities_keep_the_promise_on_average(trained):
    table, labels, _ = world(20_000, seed=6)
    assert trained.model.propensities(table).mean() == pytest.approx(labels.mean(), abs=0.015)


def test_a_saved_model_scores_the_same(trained, tmp_path):
    table, _, _ = world(50, seed=7)
    trained.model.save(tmp_path)
    loaded = PropensityModel.load(tmp_path)
    assert loaded.fingerprint == trained.model.fingerprint
    np.testing.assert_array_equal(loaded.propensities(table), trained.model.propensities(table))


def test_a_model_one_of_whose_files_is_gone_is_refused_by_its_name(trained, tmp_path):
    for name in ("booster.txt", "model.json"):
        trained.model.save(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(StoredFormatError, match=f"{name} is missing"):
            PropensityModel.load(tmp_path)


def test_training_twice_gives_the_same_model_with_one_thread_or_two(trained):
    table, labels, customers = world()
    again = train_model(
        table,
        labels,
        customers,
        MEANINGS,
        TrainingSettings(max_trees=150, learning_rate=0.05, threads=2),
        about={"currency": "EUR"},
    )
    fresh, _, _ = world(300, seed=8)
    np.testing.assert_array_equal(again.model.propensities(fresh), trained.model.propensities(fresh))


def test_the_calibrator_never_turns_the_ranking_around():
    raw = np.linspace(-1, 1, 200)
    against = (raw < 0).astype(int)
    calibrated = fit_calibrator(raw, against).propensity(raw)
    assert (np.diff(calibrated) > 0).all()


def test_reasons_name_the_strongest_driver_in_words(trained):
    row = pd.DataFrame({"failed": [4.0], "silence": [9.0], "plan": ["House"], "noise": [0.0]})
    first = reasons(trained.model, row).iloc[0]
    assert first["reason_1"] == "▲ 4 failed payments in 30 days, usually 0"
    assert len(set(first)) == 3


def test_phrases_read_like_sentences():
    meaning = FeatureMeaning("paid_amount_90d", "payments", "currency", "paid", "", 90, usual=45.0)
    assert phrase(meaning, 12.5, "EUR") == "EUR 12.50 paid in 90 days, usually EUR 45.00"
    since = FeatureMeaning("x", "orders", "days", "since the last order", "", None, usual=18.0)
    assert phrase(since, 1.0) == "1 day since the last order, usually 18"
    share = FeatureMeaning("x", "allowance", "share", "of the month's allowance used in 30 days", "", None, usual=0.6)
    assert phrase(share, 0.92) == "92% of the month's allowance used in 30 days, usually 60%"
    born = FeatureMeaning("x", "who they are", "days", "since birth date", "", None, usual=13880.0)
    assert phrase(born, 14610.0) == "40 years since birth date, usually 38"
    assert phrase(born, 900.0) == "900 days since birth date, usually 13,880"
    assert phrase(born, np.nan) == "days since birth date: unknown, usually 13,880"
    visits = FeatureMeaning("count_visits_30d", "engagement", "count", "visit{s}", "", 30, usual=4.0)
    assert phrase(visits, 1.0) == "1 visit in 30 days, usually 4"
    assert phrase(visits, 0.0) == "0 visits in 30 days, usually 4"
    searches = FeatureMeaning("x", "engagement", "count", "search{es|}", "", None)
    assert [phrase(searches, n) for n in (1.0, 2.0)] == ["1 search", "2 searches"]
    assert phrase(visits, np.nan) == "visits in 30 days: unknown, usually 4"
    size = FeatureMeaning("customer_household_size", "who they are", "category", "household size", "", None, usual=2.0)
    assert phrase(size, 4.0) == "household size is 4, usually 2"


def test_a_driver_speaks_through_a_feature_that_has_words_and_a_value():
    meanings = (
        FeatureMeaning("pace", "orders", "ratio", "", ""),
        FeatureMeaning("gap", "orders", "days", "between orders", ""),
        FeatureMeaning("recency", "orders", "days", "since the last order", "", usual=9.0),
    )
    generator = np.random.default_rng(5)
    recency = generator.exponential(20, 2000)
    gap = np.where(generator.random(2000) < 0.5, np.nan, recency + generator.normal(0, 3, 2000))
    table = pd.DataFrame({"pace": 1 / (1 + recency), "gap": gap, "recency": recency})
    labels = (generator.random(2000) < 1 / (1 + np.exp(2 - 0.08 * recency))).astype(int)
    model = train_model(table, labels, np.arange(2000), meanings, SETTINGS).model
    silent = pd.DataFrame({"pace": [1 / 81], "gap": [np.nan], "recency": [80.0]})
    assert (
        reasons(model, silent)["reason_1"].iloc[0]
        == f"▲ 80 days since the last order, usually {np.median(recency):.1f}"
    )


@pytest.fixture(scope="module")
def of_four_drivers():
    """A model of four features, one to a driver; tests bring contributions of their own."""
    generator = np.random.default_rng(5)
    table = pd.DataFrame({name: generator.poisson(4, 400).astype(float) for name in ("a", "b", "c", "d")})
    meanings = tuple(FeatureMeaning(name, name, "days", f"since {name}", "") for name in table)
    labels = (generator.random(400) < 0.3).astype(int)
    return train_model(table, labels, np.arange(400), meanings, SETTINGS).model


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("abcd", ["▲ 9 days since a", "▼ 9 days since b", "▲ 9 days since c"]),
        ("bcd", ["▼ 9 days since b", "▲ 9 days since c", "▲ days since a: unknown"]),
        ("d", ["▲ 9 days since d", "▲ days since a: unknown", "▼ days since b: unknown"]),
        ("", ["▲ days since a: unknown", "▼ days since b: unknown", "▲ days since c: unknown"]),
    ],
)
def test_a_reason_whose_value_is_unknown_comes_after_those_whose_is_known(of_four_drivers, known, told):
    row = pd.DataFrame({name: [9.0 if name in known else np.nan] for name in "abcd"})
    contributions = np.array([[0.9, -0.5, 0.3, 0.1, 0.0]])
    found = reasons(of_four_drivers, row, contributions).iloc[0]
    assert [reason.partition(", usually")[0] for reason in found] == told


def test_a_driver_speaks_through_a_value_that_is_not_the_usual_one():
    meanings = (
        FeatureMeaning("weeks", "orders", "count", "week{s} with an order", ""),
        FeatureMeaning("orders", "orders", "count", "order{s}", ""),
    )
    generator = np.random.default_rng(5)
    weeks = generator.poisson(4, 2000).astype(float)
    table = pd.DataFrame({"weeks": weeks, "orders": weeks + generator.poisson(2, 2000)})
    labels = (generator.random(2000) < 1 / (1 + np.exp(0.8 * weeks - 3))).astype(int)
    model = train_model(table, labels, np.arange(2000), meanings, SETTINGS).model
    usual = {meaning.name: meaning.usual for meaning in model.meanings}
    assert usual["weeks"] == 4
    contributions = np.array([[0.9, 0.1, 0.0]])  # the weeks weigh more, but four of them are what everybody has
    row = pd.DataFrame({"weeks": [4.0], "orders": [usual["orders"] + 3]})
    assert reasons(model, row, contributions)["reason_1"].iloc[0].startswith(f"▲ {usual['orders'] + 3:.0f} orders")
    both = pd.DataFrame({"weeks": [4.0], "orders": [usual["orders"]]})
    assert reasons(model, both, contributions)["reason_1"].iloc[0] == "▲ 4 weeks with an order, usually 4"


def test_a_text_of_very_many_levels_is_read_by_how_common_its_level_is():
    town = pd.Series([f"town{n}" for n in range(300) for _ in range(2)] + ["Linz"] * 400 + ["once", None])
    encoding = Encoding.fit(pd.DataFrame({"town": town}), ["town"], min_rows=1)
    matrix = encoding.transform(pd.DataFrame({"town": ["Linz", "town7", "once", "never seen", None]}))
    assert matrix[:, 0].tolist() == pytest.approx([400 / 1002, 2 / 1002, 0, 0, np.nan], nan_ok=True)
    assert not encoding.category_indices and encoding.columns[0].is_text
    assert from_json(to_json(encoding)) == encoding


def test_rows_without_any_of_the_features_are_refused_not_answered_with_nothing(trained):
    with pytest.raises(DataContractError, match="4 of 4 features are missing"):
        trained.model.propensities(pd.DataFrame(index=range(1)))
    assert len(trained.model.propensities(pd.DataFrame())) == 0

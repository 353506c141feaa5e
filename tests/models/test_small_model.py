"""Few data bear a small model: it explains itself exactly, survives saving, and gives way where trees see more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import QuantileTransformer

from tenure.core.auc import auc_with_interval
from tenure.models.best_feature import strengths, train_best_feature
from tenure.models.choice import choose_model
from tenure.models.estimators.logistic_baseline import Linear, rank_among
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.folds import grouped_folds
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.train import train_logistic, train_model

SETTINGS = TrainingSettings(max_trees=150, learning_rate=0.05, folds=3)
MEANINGS = tuple(FeatureMeaning(name, name, "count", f"{name}s", "") for name in ("failed", "silence"))


def world(rows, odds, seed=1):
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "failed": generator.poisson(1.0, rows).astype(float),
            "silence": np.where(generator.random(rows) < 0.1, np.nan, generator.exponential(10, rows)),
        }
    )
    labels = (generator.random(rows) < 1 / (1 + np.exp(-odds(table)))).astype(int)
    return table, labels, np.arange(rows) // 2


def additive(table):
    return -1 + 0.6 * table["failed"].to_numpy()


def of_two(table):
    return -1.5 + 0.9 * table["failed"].to_numpy() + 0.1 * table["silence"].fillna(10).to_numpy()


def interacting(table):
    silent = table["silence"].fillna(0).to_numpy() > 7
    return -2 + 4 * (silent ^ (table["failed"].to_numpy() > 0))


def chosen(rows, odds, heuristic=None):
    table, labels, customers = world(rows, odds)
    folds = grouped_folds(labels, customers, SETTINGS)
    fits = {
        "feature": train_best_feature(table, labels, customers, MEANINGS, SETTINGS, folds),
        "logistic": train_logistic(table, labels, customers, MEANINGS, SETTINGS, folds=folds),
        "trees": train_model(table, labels, customers, MEANINGS, SETTINGS, folds=folds),
    }
    return choose_model(fits, np.zeros(rows) if heuristic is None else heuristic(table), labels, customers)


def test_ranks_are_those_of_scikit_learns_quantile_transformer():
    values = np.random.default_rng(2).poisson(2, 400).astype(float)  # many ties
    oracle = QuantileTransformer(n_quantiles=50).fit(values.reshape(-1, 1))
    fresh = np.array(
        [-1, 1, 2.5, 3, 99]
    )  # not the lowest itself, which scikit-learn puts at 0 and here lies amid its ties
    found = rank_among(fresh, tuple(oracle.quantiles_[:, 0]))
    assert found == pytest.approx(oracle.transform(fresh.reshape(-1, 1))[:, 0])


def test_contributions_of_the_small_model_add_up_to_its_log_odds():
    table, labels, customers = world(600, additive)
    model = train_logistic(table, labels, customers, MEANINGS, SETTINGS).model
    propensities = model.propensities(table)
    np.testing.assert_allclose(model.contributions(table).sum(axis=1), np.log(propensities / (1 - propensities)))
    assert propensities.mean() == pytest.approx(labels.mean(), abs=0.02)


def test_a_saved_small_model_scores_the_same(tmp_path):
    table, labels, customers = world(600, additive)
    model = train_logistic(table, labels, customers, MEANINGS, SETTINGS).model
    model.save(tmp_path)
    loaded = PropensityModel.load(tmp_path)
    assert isinstance(loaded.estimator, Linear) and loaded.fingerprint == model.fingerprint
    np.testing.assert_array_equal(loaded.propensities(table), model.propensities(table))


def test_where_one_count_ranks_as_well_as_anything_it_is_taken_and_named():
    choice = chosen(600, additive)
    assert (choice.taken, choice.trained.model.feature_names) == ("feature", ["failed"])
    assert choice.reason.startswith(
        "The best single feature “faileds” was taken, for nothing more complex is better beyond noise"
    )
    table, _, _ = world(5, additive)
    model = choice.trained.model
    explained = model.contributions(table)
    assert explained.shape == (5, 2), "its reasons are of one term, and the base"
    np.testing.assert_allclose(
        explained.sum(axis=1), np.log(model.propensities(table) / (1 - model.propensities(table)))
    )


def test_where_two_features_add_up_the_logistic_regression_is_taken():
    choice = chosen(1500, of_two)
    assert (choice.taken, choice.baseline) == ("logistic", "logistic")
    assert choice.reason.startswith("The logistic regression on 2 features was taken, for nothing more complex")


def test_trees_are_taken_where_they_see_what_a_line_cannot_and_are_asked_to_beat_the_best_baseline():
    choice = chosen(1500, interacting)
    assert choice.taken == "trees" and choice.baseline in ("feature", "logistic")
    heuristic = chosen(1500, interacting, heuristic=interacting)
    assert heuristic.taken == "trees" and heuristic.baseline == "heuristic", "the twin: the team knows better"


def test_at_the_test_cutoff_a_tie_gives_the_place_to_the_simpler_which_was_settled_before():
    choice = chosen(1500, interacting)
    labels, generator = np.tile([0, 1], 400), np.random.default_rng(5)
    good, noise = labels + generator.normal(0, 1, 800), generator.normal(0, 1, 800)
    kept = choice.confirmed(labels, {"trees": good, choice.baseline: noise})
    assert kept is choice
    tied = choice.confirmed(labels, {"trees": good, choice.baseline: good})
    assert tied.taken == choice.instead.taken != "trees" and "only tie with the baseline" in tied.reason
    asked = replace(choice, instead=None, is_asked_for=True)
    assert asked.confirmed(labels, {"trees": good, choice.baseline: good}).taken == "trees", (
        "who asked for trees gets them"
    )


def test_the_best_feature_is_the_one_of_the_highest_auc_either_way_with_the_unknown_at_an_end():
    generator = np.random.default_rng(4)
    labels = np.tile([0, 1], 200)
    table = pd.DataFrame(
        {
            "noise": generator.normal(0, 1, 400),
            "few": 2.0 * labels + generator.normal(0, 1, 400),
            "low": -labels + generator.normal(0, 0.1, 400),  # the lower the likelier
            "silent": np.where(labels == 1, np.nan, 1.0),  # unknown of all positives
        }
    )
    folds = grouped_folds(labels, np.arange(400), SETTINGS)
    found = strengths(table, labels, folds)
    assert found.shape == (4, 4) and found[-1, 3] == 0.5
    for column, name in enumerate(("noise", "few", "low")):
        for row, fitting in enumerate([*(fitting for fitting, _ in folds), np.arange(400)]):
            auc = auc_with_interval(labels[fitting], table[name].to_numpy()[fitting]).value
            assert found[row, column] == pytest.approx(abs(auc - 0.5), abs=0.005)


def test_the_best_feature_is_chosen_without_the_customers_that_a_fold_holds_out():
    generator = np.random.default_rng(6)
    names = [f"noise_{number}" for number in range(60)]
    table = pd.DataFrame(generator.normal(0, 1, (300, 60)), columns=names)
    labels, customers = generator.permutation(np.tile([0, 1], 150)), np.arange(300)
    meanings = [FeatureMeaning(name, name, "number", name, "") for name in names]
    folds = grouped_folds(labels, customers, SETTINGS)
    trained = train_best_feature(table, labels, customers, meanings, SETTINGS, folds)
    best = auc_with_interval(labels, trained.model.raw_scores(table)).value
    assert best > 0.56, "the best of sixty looks good by chance"
    assert auc_with_interval(labels, trained.out_of_fold).low < 0.5


def test_without_any_numeric_feature_everyone_is_promised_the_base_rate():
    table, labels, customers = world(300, additive)
    model = train_logistic(table, labels, customers, (), SETTINGS).model
    assert np.ptp(model.propensities(table)) == 0
    assert model.propensities(table)[0] == pytest.approx(labels.mean(), abs=0.01)


def test_a_monotone_feature_only_raises_the_propensity():
    table, labels, customers = world(800, lambda t: 1 - 0.5 * t["failed"].to_numpy())
    held = train_model(table, labels, customers, MEANINGS, SETTINGS, monotone={"failed": 1}).model
    free = train_model(table, labels, customers, MEANINGS, SETTINGS).model
    grid = pd.DataFrame({"failed": np.arange(5.0), "silence": 5.0})
    assert (np.diff(held.propensities(grid)) >= 0).all()
    assert (np.diff(free.propensities(grid)) < 0).any()


def test_a_logistic_regression_that_only_ties_with_the_heuristic_gives_way_to_the_one_feature():
    found = chosen(1500, of_two)
    labels = np.random.default_rng(3).integers(0, 2, 400)
    good, noise = labels + np.random.default_rng(4).normal(size=400), np.random.default_rng(5).normal(size=400)
    assert found.taken == "logistic"
    assert found.confirmed(labels, {"logistic": good, "heuristic": noise}).taken == "logistic"
    assert found.confirmed(labels, {"logistic": good, "heuristic": np.zeros(400)}).taken == "logistic", "none to beat"
    tied = found.confirmed(labels, {"logistic": good, "heuristic": good})
    assert tied.taken == "feature" and "only ties with the heuristic" in tied.reason

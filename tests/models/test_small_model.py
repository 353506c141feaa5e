"""Few data bear a small model: it explains itself exactly, survives saving, and gives way where trees see more."""

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import QuantileTransformer

from tenure.models.choice import choose_model
from tenure.models.estimators.logistic_baseline import Linear, rank_among
from tenure.models.estimators.settings import TrainingSettings
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


def interacting(table):
    silent = table["silence"].fillna(0).to_numpy() > 7
    return -2 + 4 * (silent ^ (table["failed"].to_numpy() > 0))


def both(rows, odds):
    table, labels, customers = world(rows, odds)
    trees = train_model(table, labels, customers, MEANINGS, SETTINGS)
    plain = train_logistic(table, labels, customers, MEANINGS, SETTINGS)
    return choose_model(trees, plain, labels, customers)


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


def test_few_additive_data_take_the_logistic_regression_and_say_why():
    choice = both(300, additive)
    assert not choice.took_trees and isinstance(choice.trained.model.estimator, Linear)
    assert choice.reason.startswith(
        "The logistic regression on 2 features was taken, for the trees are no better beyond noise"
    )


def test_trees_are_taken_where_they_see_what_a_line_cannot():
    assert both(1500, interacting).took_trees


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

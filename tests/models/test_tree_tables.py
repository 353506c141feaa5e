"""Looked-up contributions are SHAP's own: numbers, categories, missing values, features asked twice."""

import lightgbm as lgb
import numpy as np
import pytest
import shap

from tenure.models.estimators.boosted_trees import WORTH_TABLES, Trees
from tenure.models.estimators.tree_tables import look_up, tables_of


def world(rows=3000, seed=1):
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(rows, 6))
    matrix[:, 1] = generator.integers(0, 12, rows)  # a category
    matrix[:, 2] = np.where(generator.random(rows) < 0.3, np.nan, matrix[:, 2])
    matrix[:, 3] = np.where(
        generator.random(rows) < 0.2, np.nan, generator.integers(0, 3, rows)
    )  # a category, sometimes unknown
    odds = matrix[:, 0] ** 2 + np.isin(matrix[:, 1], [2, 5, 7]) - np.isnan(matrix[:, 2]) + matrix[:, 0] * matrix[:, 4]
    return matrix, (generator.random(rows) < 1 / (1 + np.exp(1 - odds))).astype(int)


def booster(leaves, depth=-1):
    matrix, labels = world()
    data = lgb.Dataset(matrix, labels, categorical_feature=[1, 3])
    settings = {
        "objective": "binary",
        "num_leaves": leaves,
        "max_depth": depth,
        "extra_trees": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    return lgb.train(settings | {"bagging_fraction": 0.7, "bagging_freq": 1}, data, num_boost_round=60)


@pytest.mark.parametrize(("leaves", "depth"), [(8, 4), (9, -1), (2, -1)])
def test_contributions_equal_shaps_tree_explainer(leaves, depth):
    trees = Trees(booster(leaves, depth).model_to_string())
    fresh, _ = world(WORTH_TABLES + 500, seed=2)
    fresh[:5] = np.nan  # nothing known, where fitting knew it
    fresh[5:9, 1] = 99  # a level never seen
    found = trees.contributions(fresh)
    explainer = shap.TreeExplainer(trees.booster)
    np.testing.assert_allclose(found[:, :-1], np.asarray(explainer.shap_values(fresh)), atol=1e-6)
    np.testing.assert_allclose(found, trees.booster.predict(fresh, pred_contrib=True), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), trees.raw_scores(fresh), atol=1e-12)


def test_a_chunk_border_changes_nothing():
    trees = booster(8, 4)
    tables = tables_of(trees.dump_model()["tree_info"])
    fresh, _ = world(20_000, seed=3)
    np.testing.assert_array_equal(look_up(tables, fresh)[8190:8200], look_up(tables, fresh[8190:8200]))


def test_trees_of_many_splits_are_left_to_lightgbm():
    deep = booster(31)
    assert tables_of(deep.dump_model()["tree_info"]) is None
    fresh, _ = world(WORTH_TABLES, seed=4)
    found = Trees(deep.model_to_string()).contributions(fresh)
    np.testing.assert_array_equal(found, deep.predict(fresh, pred_contrib=True))

"""The registered model on Spark's executors gives the scores and reasons it gives on one machine."""

from dataclasses import replace
from datetime import date

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema

import local_spark  # noqa: F401 -- a Spark, or a skip
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.explain import reasons
from tenure.models.fit_target import meaning_of
from tenure.models.model import FeatureMeaning
from tenure.models.train import train_model
from tenure.scoring.score import ScoringModel, score_customers
from tenure.scoring.spark import score_on_spark
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.readers.spark_session import spark_session
from tenure.sources.source import read_source


@pytest.fixture(scope="module")
def trained():
    """A small model of a count with gaps and a category, and a table to score."""
    generator = np.random.default_rng(5)
    failed = np.where(generator.random(400) < 0.2, np.nan, generator.poisson(1.0, 400).astype(float))
    plan = generator.choice(["Solo", "Duo"], 400)
    labels = (generator.random(400) < 1 / (1 + np.exp(1 - np.nan_to_num(failed) - (plan == "Duo")))).astype(int)
    table = pd.DataFrame({"failed": failed, "plan": plan})
    meanings = (
        FeatureMeaning("failed", "payments", "count", "failed payment{s}", "Failed."),
        FeatureMeaning("plan", "plan", "category", "plan", "Plan."),
    )
    settings = TrainingSettings(max_trees=40, learning_rate=0.1, folds=3)
    model = train_model(table, labels, np.arange(400), meanings, settings).model
    return model, table.assign(customer_id=[f"c{n}" for n in range(400)])


@pytest.fixture(scope="module")
def features(trained, tmp_path_factory):
    """The table as Spark reads it."""
    path = tmp_path_factory.mktemp("features") / "features.parquet"
    trained[1].to_parquet(path)
    return spark_session().read.parquet(str(path))


def test_scores_and_reasons_on_executors_are_those_of_one_machine(trained, features):
    model, table = trained
    found = score_on_spark(features.repartition(3), model, explain=True).toPandas().set_index("customer_id")
    found = found.loc[table["customer_id"]].reset_index()
    np.testing.assert_array_equal(found["propensity"], model.propensities(table))
    pd.testing.assert_frame_equal(found[["reason_1", "reason_2", "reason_3"]], reasons(model, table), check_dtype=False)


def test_the_pyfunc_as_it_is_registered_scores_as_a_spark_udf(trained, features, tmp_path):
    model, table = trained
    model.save(tmp_path / "data")
    signature = ModelSignature(
        Schema([ColSpec("double", "failed", required=False), ColSpec("string", "plan", required=False)]),
        Schema([ColSpec("double", "propensity")]),
    )
    mlflow.pyfunc.save_model(
        str(tmp_path / "model"), loader_module="tenure.models.pyfunc", data_path=str(tmp_path / "data"),
        signature=signature, pip_requirements=["tenure"],
    )  # fmt: skip
    score = mlflow.pyfunc.spark_udf(spark_session(), str(tmp_path / "model"), result_type="double", env_manager="local")
    found = features.select("customer_id", score("failed", "plan").alias("propensity")).toPandas()
    found = found.set_index("customer_id").loc[table["customer_id"], "propensity"]
    np.testing.assert_array_equal(found, model.propensities(table))


def test_the_scored_customers_of_a_source_are_the_same_whichever_engine_scores_them(tmp_path):
    generate_demo(tmp_path / "data" / "raw" / "demo", tmp_path / "truth", customers=150, months=12)
    workspace = Workspace(tmp_path)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    here = Snapshots(workspace, staged, staged.default_as_of)
    lapse = here.targets["lapse"]
    fitting = read_rows(here, lapse, [date(2024, 7, 1)], here.columns)
    meanings = [
        meaning_of(c) for c in here.columns if c.name in ("days_since_order", "count_order_lines_90d", "latest_plan")
    ]
    settings = TrainingSettings(max_trees=40, learning_rate=0.1, folds=3)
    labels, customers = fitting["label"].to_numpy(dtype=int), fitting["customer_id"].to_numpy()
    about = {"fitted_through": str(here.as_of), "currency": "EUR", "definition": lapse.fingerprint}
    model = train_model(fitting, labels, customers, meanings, settings, about=about).model
    here.build_features([here.as_of])
    expected = score_customers(here, {"lapse": ScoringModel(model, "1")})
    found = score_customers(replace(here, engine="spark"), {"lapse": ScoringModel(model, "1")})
    assert len(expected.ranked["lapse"]) > 50
    pd.testing.assert_frame_equal(found.customers, expected.customers)
    pd.testing.assert_frame_equal(found.ranked["lapse"], expected.ranked["lapse"])

"""A champion of features that the source no longer has: it does not hold up other targets, and nobody overlooks it."""

from dataclasses import replace

import mlflow
import numpy as np
import pandas as pd
import pytest

from tenure.errors import DataContractError
from tenure.models.model import FeatureMeaning
from tenure.models.registry import Registry
from tenure.models.settings import TrainingSettings
from tenure.models.study_log import log_model
from tenure.models.train import train_model
from tenure.steps.opening import open_run
from tenure.steps.review import review_run
from tenure.steps.score import score
from tenure.workspace import Workspace


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A shop of orders alone, whose champion was trained when it still had a table of payments."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path)
    workspace.raw("shop").mkdir(parents=True)
    orders = [f"c{n},2024-{month:02}-10,{n}-{month},5" for n in range(50) for month in range(1, 13)]
    (workspace.raw("shop") / "order_lines.csv").write_text(
        "\n".join(["customer_id,occurred_at,order_id,amount", *orders])
    )
    generator = np.random.default_rng(5)
    table = pd.DataFrame({"count_failed_payments_90d": generator.poisson(1.0, 200).astype(float)})
    labels = (generator.random(200) < 0.1 + 0.2 * table["count_failed_payments_90d"]).astype(int).to_numpy()
    meanings = tuple(FeatureMeaning(name, name, "count", f"{name}{{s}}", f"{name}.") for name in table)
    model = train_model(table, labels, np.arange(200), meanings, TrainingSettings(max_trees=5, folds=3)).model
    model = replace(model, about={"fitted_through": "2024-06-01", "test_cutoff": "2024-06-01"})
    registry = Registry(workspace)
    registry.check()
    with registry.client() as client, mlflow.start_run(experiment_id=registry._experiment(client, "shop-lapse")):
        mlflow.register_model(log_model(model), "shop-lapse")
    registry.promote("shop-lapse", "1")
    return open_run("shop", workspace=str(tmp_path), run_kind="scheduled")


def test_a_run_scores_without_it_and_the_review_says_so_with_an_error(run):
    scores = score(run, {"lapse": "1"})
    assert len(scores.customers) == 50 and not scores.ranked
    (alert,) = [alert for alert in review_run(run).alerts if alert.about == "lapse"]
    assert (
        alert.severity == "error"
        and "(first: count_failed_payments_90d)" in alert.text
        and "nobody was scored" in alert.text
    )


def test_scoring_with_the_champion_is_refused(run):
    with pytest.raises(DataContractError, match="needs 1 features that shop cannot give any more"):
        score(run)

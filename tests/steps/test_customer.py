"""One customer's page reads one customer's rows, and says clearly when there is none."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import UsageError
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning
from tenure.models.train import train_logistic
from tenure.reporting.customer_page import customer_text
from tenure.steps.customer import describe_customer, levers_of, write_customer
from tenure.steps.opening import open_run

AS_OF = date(2024, 7, 1)
ORDERS = (
    "customer_id occurred_at known_at order_id product_id amount",
    "ana 2024-06-30 2024-06-30 a1 tea 10",
    "ana 2024-06-30 2024-06-30 a1 tea 10",
    "ana 2024-03-01 2024-07-05 a2 cake 99",  # known too late
    "anb 2024-06-30 2024-06-30 b1 cup 10",
)


@pytest.fixture
def run(tmp_path):
    staged(tmp_path, order_lines=ORDERS)
    run = open_run("shop", workspace=str(tmp_path), as_of=str(AS_OF))
    run.output.mkdir(parents=True)
    scored = {
        "customer_id": ["ana", "anb"], "as_of": str(AS_OF), "lapse_propensity": [0.25, None], "lapse_decile": [3, None],
        "lapse_reason_1": ["▲ <b>few</b> orders", None], "phase": ["run", "acquire"],
    }  # fmt: skip
    pd.DataFrame(scored).to_parquet(run.output / "scored_customers.parquet")
    for day, propensity, hindsight in (
        ("2024-05-01", 0.1, False),
        ("2024-06-01", 0.2, True),
        ("2024-08-01", 0.9, False),
    ):
        folder = run.workspace.scores / "source=shop" / "target=lapse" / f"as_of={day}"
        folder.mkdir(parents=True)
        row = {
            "customer_id": ["ana", "anb"], "propensity": [propensity, 0.5], "decile": [1, 2], "run_kind": "scheduled",
            "scored_at": pd.Timestamp(day), "is_hindsight": hindsight,
        }  # fmt: skip
        pd.DataFrame(row).to_parquet(folder / "scheduled-1.parquet")
    return run


def test_the_page_holds_what_was_known_and_foretold_by_the_as_of(run):
    page = describe_customer(run, "ana")
    assert page.timeline[["what", "times"]].to_numpy().tolist() == [["bought tea", 2]]
    assert page.history["propensity"].tolist() == [0.1]  # no hindsight, nothing said later
    html = write_customer(run, page).read_text(encoding="utf-8")
    assert "bought tea" in html and "25.0%" in html and "&lt;b&gt;few" in html
    assert "bought tea (2 times)" in customer_text(page.row, page.timeline, page.levers)


def test_an_unknown_customer_is_one_message_with_the_nearest(run):
    with pytest.raises(UsageError, match=r"Customer 'amb' is not among those scored in 2024-07-01. Nearest: an"):
        describe_customer(run, "amb")
    with pytest.raises(UsageError, match="is not among"):
        describe_customer(run, "ana' OR '1'='1")


def test_who_is_not_eligible_has_a_page_too(run):
    page = describe_customer(run, "anb")
    assert page.levers.empty and "No target asks of this customer" in write_customer(run, page).read_text(
        encoding="utf-8"
    )


def test_an_as_of_without_scores_says_what_to_do(tmp_path):
    staged(tmp_path, order_lines=ORDERS)
    with pytest.raises(UsageError, match="run 'tenure run' or 'tenure score' first"):
        describe_customer(open_run("shop", workspace=str(tmp_path)), "ana")


def test_a_lever_is_the_exact_score_with_one_feature_at_its_usual_value():
    generator = np.random.default_rng(1)
    table = pd.DataFrame({"failed": generator.poisson(1.0, 600).astype(float), "noise": generator.normal(size=600)})
    labels = (generator.random(600) < 1 / (1 + np.exp(1 - table["failed"]))).to_numpy().astype(int)
    meanings = tuple(FeatureMeaning(name, name, "count", f"{name} payments", "", usual=1.0) for name in table)
    model = train_logistic(table, labels, np.arange(600), meanings, TrainingSettings(folds=3)).model
    customer = pd.DataFrame({"failed": [5.0], "noise": [0.0]})
    levers = levers_of(model, customer)
    assert levers[0]["feature"] == "failed" and levers[0]["found"].startswith("5 failed payments")
    usual = model.meanings[model.feature_names.index("failed")].usual
    assert levers[0]["propensity_if_usual"] == model.propensities(customer.assign(failed=usual))[0]
    assert levers[0]["propensity"] == model.propensities(customer)[0] > levers[0]["propensity_if_usual"]

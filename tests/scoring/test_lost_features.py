"""A champion of features that the source no longer has: it does not hold up other targets, and nobody overlooks it."""

from dataclasses import replace

import pytest

from registered import make_champion
from tenure.core.errors import DataContractError, NotEnoughDataError, RegistryError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.steps.opening import open_run
from tenure.steps.results import scoring_outcomes
from tenure.steps.review import review_run
from tenure.steps.score import score


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A shop of orders alone, whose champion was trained when it still had a table of payments."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path)
    workspace.raw("shop").mkdir(parents=True)
    orders = [f"c{n},2024-{month:02}-10,{n}-{month},5" for n in range(50) for month in range(1, 13)]
    (workspace.raw("shop") / "order_lines.csv").write_text(
        "\n".join(["customer_id,occurred_at,order_id,amount", *orders])
    )
    make_champion(workspace, "shop-lapse", "count_failed_payments_90d")
    return workspace


@pytest.fixture
def run(workspace):
    return replace(open_run("shop", workspace=str(workspace.root)), run_kind="scheduled")


def test_a_run_scores_without_it_and_the_review_says_so_with_an_error(run):
    scores = score(run, {"lapse": "1"})
    assert len(scores.customers) == 50 and not scores.ranked
    (problem,) = [problem for problem in review_run(run).problems if problem.about == "lapse"]
    assert (
        problem.level == "error"
        and "(first: count_failed_payments_90d)" in problem.text
        and "nobody was scored" in problem.text
    )


def test_scoring_with_the_champion_is_refused(run):
    with pytest.raises(DataContractError, match="needs 1 features that shop cannot give any more"):
        score(run)


def test_scoring_goes_on_for_champions_that_have_all_they_need(workspace):
    subscriptions = [f"c{n},2024-01-05,started,basic" for n in range(50)]
    (workspace.raw("shop") / "subscription_events.csv").write_text(
        "\n".join(["customer_id,occurred_at,event,plan", *subscriptions])
    )
    make_champion(workspace, "shop-churn", "subscription_tenure_days")
    run = replace(open_run("shop", workspace=str(workspace.root)), run_kind="scheduled")
    run.output.mkdir(parents=True)
    (run.output / "lapse.csv").write_text(
        "customer_id,propensity\nc1,0.9\n"
    )  # of the same day, when it was scored still
    assert set(score(run).ranked) == {"churn"}
    assert not (run.output / "lapse.csv").exists() and (run.output / "churn.csv").is_file()
    assert [problem.about for problem in review_run(run).problems if "nobody was scored" in problem.text] == ["lapse"]
    assert set(score(run, targets="churn,lapse").ranked) == set(score(run, targets="churn").ranked) == {"churn"}
    assert set(score(run, targets="lapse,upsell").ranked) == {"churn"}, "what was scored before is scored again"
    outcomes = scoring_outcomes(run.output)
    assert {name: (one["outcome"], one["code"]) for name, one in outcomes.items()} == {
        "churn": ("scored", "scored"), "lapse": ("error", "lost_features"), "upsell": ("error", "no_champion"),
    }  # fmt: skip
    assert "'tenure run shop --targets upsell'" in outcomes["upsell"]["reason"]


def test_scoring_is_refused_where_nobody_asked_for_has_a_champion(run):
    with pytest.raises(NotEnoughDataError, match="upsell on shop: "):
        score(run, targets="upsell")
    with pytest.raises(DataContractError, match="lapse: version 1 needs 1 features"):
        score(run, targets="lapse")
    Registry(run.workspace).point_champion("shop-lapse", None)
    with pytest.raises(
        RegistryError, match="lapse has no champion in the MLflow store.*run 'tenure run shop --targets lapse' first"
    ):
        score(run, targets="lapse")
    with pytest.raises(RegistryError, match="no target has a champion in "):
        score(run)

"""The whole flow through Papermill on a small demo, and training on real data where it is present."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tenure.core.errors import DataContractError, NotEnoughDataError, RegistryError, UnknownNameError, UsageError
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.registry.registry import Registry
from tenure.runs.run import run_flow
from tenure.runs.score import score_flow
from tenure.sources.fetch import fetch_source
from tenure.steps.opening import open_run
from tenure.steps.parameters import complete
from tenure.steps.run_record import sealed_runs
from tenure.steps.training import train


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A quick run of the demo with 1,200 customers: everything a user gets, once."""
    workspace = Workspace(tmp_path_factory.mktemp("company"))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=1200)
    return workspace, run_flow("demo", workspace=str(workspace.root), quick=True)


def tenure(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tenure", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_run_writes_reports_scores_notebooks_and_its_commit_mark(company):
    _, result = company
    names = {path.name for path in result.folder.iterdir()}
    assert {
        "index.html",
        "churn.html",
        "upsell.html",
        "lapse.html",
        "scored_customers.parquet",
        "scored_customers.csv",
        "churn.csv",
        "run.json",
        "notebooks",
    } <= names
    document = json.loads((result.folder / "run.json").read_text())
    status = {name: target["status"] for name, target in document["targets"].items()}
    assert status == {"churn": "trained", "upsell": "trained", "lapse": "trained", "convert": "refused"}
    assert "Expected at least" in document["targets"]["convert"]["reason"], "the demo has too few trials"
    for rows in document["rows"].values():
        assert rows["read"] == rows["staged"] + rows["rejected"]
    executed = {path.stem for path in (result.folder / "notebooks").glob("*.ipynb")}
    assert executed == {
        "01_ingest",
        "02_features",
        "03_train_churn",
        "03_train_upsell",
        "03_train_lapse",
        "03_train_convert",
        "04_score",
        "05_report",
        "06_review",
        "09_decide",
        "10_measure",
        "11_effects",
        "12_kpis",
    }
    assert "All campaigns together" in [one["about"] for one in document["campaigns"]]
    assert 'href="campaigns.html"' in (result.folder / "index.html").read_text(encoding="utf-8")


def test_the_executed_training_notebook_shows_its_figures_and_no_warnings(company):
    _, result = company
    notebook = json.loads((result.folder / "notebooks" / "03_train_churn.ipynb").read_text())
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 7
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]


def test_nothing_in_mlflow_names_a_customer(company):
    workspace, _ = company
    texts = [path.read_bytes().decode(errors="replace") for path in workspace.mlruns.rglob("*") if path.is_file()]
    assert len(texts) > 50 and not [text[:100] for text in texts if re.search(r"\bc\d{6}\b", text)]


def test_every_customer_has_one_row_and_scores_only_where_eligible(company):
    _, result = company
    scores = pd.read_parquet(result.folder / "scored_customers.parquet")
    assert scores["customer_id"].is_unique
    for target in ("churn", "upsell", "lapse"):
        scored = scores[scores[f"{target}_propensity"].notna()]
        assert 0 < len(scored) < len(scores)
        assert scored[f"{target}_propensity"].between(0, 1).all() and set(scored[f"{target}_decile"]) == set(
            range(1, 11)
        )
        assert scored[f"{target}_reason_1"].str.match("[▲▼] ").all()


def test_every_column_of_the_scored_customers_is_in_the_data_dictionary(company):
    _, result = company
    scores = pd.read_parquet(result.folder / "scored_customers.parquet")
    dictionary = pd.read_csv(result.folder / "data_dictionary.csv")
    assert list(dictionary["column"]) == list(scores.columns)
    assert dictionary["meaning"].str.endswith(".").all()


def test_pages_are_self_contained_small_and_say_that_the_run_is_quick(company):
    _, result = company
    for page in result.folder.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert len(text) < 5_000_000
        assert "<script" not in text and 'src="http' not in text and "@import" not in text
        assert text.count("<img") == text.count('alt="') and "Quick run" in text


def test_the_registered_champion_loads_with_plain_mlflow_and_gives_the_scored_propensities(company):
    import mlflow

    workspace, result = company
    mlflow.set_tracking_uri(f"sqlite:///{workspace.mlruns}/mlflow.db")
    try:
        model = mlflow.pyfunc.load_model("models:/demo-churn@champion")
        inputs = [column.name for column in model.metadata.get_input_schema().inputs]
        table = pd.read_parquet(next((workspace.snapshots("demo") / "features").glob("2026-01-01-*.parquet")))
        table = table[table["eligible__churn"]].reset_index(drop=True)
        predicted = model.predict(table[inputs], params={"explain": True})
        for nothing in ([{}], [{"unheard": 1}, {"unheard": 2}]):
            with pytest.raises(DataContractError, match="features are missing"):
                model.predict(pd.DataFrame(nothing))
    finally:
        mlflow.set_tracking_uri(None)
    scored = pd.read_parquet(result.folder / "scored_customers.parquet").set_index("customer_id")
    listed = pd.read_csv(result.folder / "churn.csv", dtype={"customer_id": str}).set_index("customer_id")
    scored, listed = scored.loc[table["customer_id"]], listed.loc[table["customer_id"]]
    np.testing.assert_allclose(predicted["propensity"], scored["churn_propensity"], rtol=1e-12)
    np.testing.assert_allclose(predicted["propensity"], listed["propensity"], rtol=5e-4)  # four digits
    assert list(predicted["reason_1"]) == list(listed["reason_1"]) == list(scored["churn_reason_1"])


def contents(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_repeat_with_nothing_changed_runs_nothing(company):
    workspace, result = company
    before = contents(result.folder) | contents(workspace.scores)
    again = run_flow("demo", workspace=str(workspace.root), quick=True)
    assert again.performed.executed == [] and "03_train_churn" in again.performed.reused
    assert contents(result.folder) | contents(workspace.scores) == before
    assert {t["model_version"] for t in again.run_json["targets"].values() if t["status"] == "trained"} == {"1"}


def test_a_run_of_one_target_keeps_the_others_and_trains_only_what_was_lost(company, here):
    workspace, result = company
    (result.folder / "training" / "churn" / "record.json").unlink()
    again = run_flow("demo", targets=["churn"], workspace=str(workspace.root), quick=True)
    executed = {timing.name for timing in again.performed.executed}
    assert "03_train_churn" in executed and "03_train_lapse" not in executed
    assert set(again.run_json["targets"]) >= {"churn", "convert", "lapse", "upsell"}
    assert again.run_json["targets"]["churn"]["model_version"] == "1", "the same content is the same version"
    assert (again.folder / "lapse.html").is_file() and (again.folder / "lapse.csv").is_file()
    assert sorted(path.name for path in again.folder.parent.iterdir()) == [again.folder.name]


def test_scoring_needs_a_champion_that_has_not_seen_the_day(company, here):
    workspace, _ = company
    with pytest.raises(Exception, match="was fitted on outcomes until"):
        score_flow("demo", as_of="2024-12-01", workspace=str(workspace.root))


def test_promote_and_rollback_move_the_champion(company):
    workspace, _ = company
    registry = Registry(workspace)
    assert registry.champion("demo-lapse") == "1"
    with pytest.raises(UnknownNameError, match="Version of demo-lapse '9'"):
        registry.promote("demo-lapse", "9")
    with pytest.raises(RegistryError, match="no champion before version 1"):
        registry.rollback("demo-lapse")
    (champion,) = registry.versions("demo-lapse")
    mark = json.loads(champion.tags["tenure.promoted"])
    assert mark["why"] == "passed every gate" and mark["who"] and mark["when"].endswith("+00:00")
    assert registry.overridden_gates("demo-lapse", "1") == []


def test_every_version_has_a_card_that_says_what_it_is_for_and_what_not(company):
    _, result = company
    card = (result.folder / "training" / "lapse" / "model_card.md").read_text(encoding="utf-8")
    for part in (
        "demo-lapse version 1",
        "**Purpose.**",
        "**Not for.**",
        "**Protocol.**",
        "**Verdict.** passed no error of the audit",
    ):
        assert part in card
    record = json.loads((result.folder / "training" / "lapse" / "record.json").read_text())
    assert [check["differing"] for check in record["judgement"]["audit_checks"]] == [0, 0, 0, 0]
    assert json.loads((result.folder / "run.json").read_text())["alarms"] == []


def test_an_unknown_parameter_is_refused_before_a_kernel_starts():
    with pytest.raises(UsageError, match="Did you mean 'target'"):
        complete("03_train", {"targt": "churn"})


def test_a_source_too_small_for_any_target_is_refused_and_leaves_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.raw("tiny").mkdir(parents=True)
    (workspace.raw("tiny") / "order_lines.csv").write_text(
        "customer_id,occurred_at,order_id,quantity,amount\nana,2024-01-05,1,1,9\n"
    )
    with pytest.raises(NotEnoughDataError, match="every target was refused"):
        run_flow("tiny", workspace=str(tmp_path))
    assert not sealed_runs(workspace, "tiny") and not list((tmp_path / "reports" / "tiny").glob("[0-9]*"))


def test_the_command_line_answers_bad_usage_with_one_message_and_exit_code_2(tmp_path):
    wrong = tenure("run", "online_retial", "--workspace", str(tmp_path))
    assert wrong.returncode == 2 and "Did you mean 'online_retail'" in wrong.stderr and "Traceback" not in wrong.stderr
    date = tenure("run", "cdnow", "--as-of", "tomorrow", "--workspace", str(tmp_path))
    assert date.returncode == 2 and "Expected YYYY-MM-DD" in date.stderr
    listed = tenure("sources", "--workspace", str(tmp_path))
    assert listed.returncode == 0 and "online_retail" in listed.stdout


def test_the_web_shop_is_staged_from_the_files_of_the_provider_and_in_make_soak_reaches_a_champion(tmp_path, test_data):
    fetch_source(Workspace(tmp_path), "online_retail", test_data / "online_retail")
    shop = open_run("online_retail", workspace=str(tmp_path), quick=True)
    lines = shop.staged.tables["order_lines"]
    assert (lines.read, lines.staged, lines.rejected, lines.rules) == (
        541_909, 406_829, 135_080, {"no customer": 135_080},
    )  # fmt: skip
    if "TENURE_SOAK" not in os.environ:
        return  # that models learn from real facts, benchmarks/lapse.py shows, too
    lapse = train(shop, "lapse").record
    assert lapse.data.test_cutoff == "2011-09-05"
    assert (lapse.data.counts["eligible"], lapse.data.counts["positives"]) == (2779, 1074)
    assert lapse.status == "trained" and lapse.results.metrics["auc_low"] > lapse.results.metrics["auc_heuristic"]


def test_an_mlflow_server_that_does_not_answer_ends_the_run_with_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ana:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(
        RegistryError, match="MLflow store .*refused.*check MLFLOW_TRACKING_URI.*champion is as it was"
    ) as told:
        Registry(Workspace(tmp_path)).check()
    assert "secret" not in str(told.value)

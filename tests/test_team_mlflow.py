"""A team's MLflow: a real tracking server on a real PostgreSQL, with passwords; and the champion served over HTTP."""

import json
import os
import shutil
import sys
import urllib.request
from contextlib import contextmanager

import mlflow
import pandas as pd
import pytest

from servers import ADMIN, ADMIN_PASSWORD, free_port, running, team_mlflow
from shop import TODAY, YESTERDAY, place_built, run_lapse
from tenure.core.errors import RegistryError, TenureError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.privacy.forget import forget_customer
from tenure.runs.score import score_flow
from tenure.sources.identity_key import KEY
from tenure.steps.opening import open_run
from tenure.steps.training import train


@pytest.fixture(scope="module")
def server(tmp_path_factory, postgresql):
    pytest.importorskip("flask_wtf", reason="MLflow's passwords need the package flask-wtf")
    with team_mlflow(tmp_path_factory.mktemp("mlflow"), postgresql) as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", started.url)
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN_PASSWORD)
        patch.setenv(KEY, "a key of the tests' own")
        yield started


@pytest.fixture(scope="module")
def shop(tmp_path_factory, quick_shop, server):
    """A small web shop, run quickly against the team's server: the workspace and what it came to."""
    workspace = Workspace(tmp_path_factory.mktemp("shop"))
    place_built(workspace, quick_shop)
    return workspace, run_lapse(workspace)


def test_versions_verdicts_aliases_and_artefacts_are_on_the_server_alone(server, shop):
    workspace, result = shop
    (version,) = Registry(workspace).versions("shop-lapse")
    assert sorted(version.aliases) == ["challenger", "champion"] and version.is_promotable
    assert {gate["passed"] for gate in json.loads(version.tags["tenure.gates"])} == {True}
    stored = {path.name for path in (server.folder / "artefacts").rglob("*")}
    assert {"MLmodel", "model.json", "model_card.md", "03_train_lapse.ipynb"} <= stored
    assert not list(workspace.mlruns.rglob("*.db")) and not list(workspace.mlruns.rglob("MLmodel"))
    assert result.run_json["targets"]["lapse"]["promoted"]


def test_training_the_same_again_registers_nothing_new(shop):
    workspace, _ = shop
    again = train(open_run("shop", workspace=str(workspace.root), quick=True), "lapse").record
    assert (again.status, again.model.version) == ("trained", "1")
    assert [found.version for found in Registry(workspace).versions("shop-lapse")] == ["1"]


def test_a_server_that_vanishes_midway_is_one_message_and_the_same_command_finishes_once_it_is_back(server, shop, here):
    workspace, result = shop

    def vanish(event):
        if (event.step, event.what) == ("04_score", "started"):
            server.vanish()

    days = {"as_of": YESTERDAY, "workspace": str(workspace.root)}
    with pytest.raises(
        TenureError, match="04_score: MLflow store http://127.0.0.1.*refused.*The champion is as it was"
    ):
        score_flow("shop", **days, progress=vanish)
    left = {path.name for path in result.folder.parent.iterdir()}
    assert left == {result.folder.name, "failures.txt"}, "nothing half-written is left"
    server.start()
    assert Registry(workspace).champion("shop-lapse") == "1"
    scored = pd.read_csv(score_flow("shop", **days).folder / "lapse.csv")
    assert set(scored["model_version"]) == {1} and scored["propensity"].between(0, 1).all()


def test_a_wrong_password_is_one_message_that_does_not_repeat_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter22")
    with pytest.raises(RegistryError, match="does not know this user and password.*MLFLOW_TRACKING_PASSWORD") as told:
        Registry(Workspace(tmp_path)).check()
    assert "hunter22" not in str(told.value) and "\n" not in str(told.value)


def test_the_password_is_in_no_file_of_the_workspace_or_the_artefact_store(server, shop):
    workspace, _ = shop
    for folder in (workspace.root, server.folder / "artefacts"):
        for path in folder.rglob("*"):
            assert path.is_dir() or ADMIN_PASSWORD.encode() not in path.read_bytes(), path


def test_a_model_damaged_in_the_artefact_store_is_refused(server, shop):
    workspace, _ = shop
    (stored,) = (server.folder / "artefacts").rglob("model.json")
    whole = stored.read_bytes()
    for damaged in (whole.replace(b'"intercept": ', b'"intercept": 3'), whole[:500], b""):
        stored.write_bytes(damaged)
        with pytest.raises(RegistryError, match="shop-lapse version 1: .*damaged.*'tenure rollback shop-lapse'"):
            Registry(workspace).load("shop-lapse", "1")
    stored.unlink()
    with pytest.raises(RegistryError, match=r"version 1: data/model: model.json is missing"):
        Registry(workspace).load("shop-lapse", "1")
    stored.write_bytes(whole)
    assert Registry(workspace).load("shop-lapse", "1").feature_names


def test_a_second_company_with_a_source_of_the_same_name_is_refused_and_a_copy_of_the_first_is_not(
    shop, quick_shop, tmp_path, here
):
    workspace, _ = shop
    other = Workspace(tmp_path / "other")
    place_built(other, quick_shop)
    with pytest.raises(TenureError, match="shop of another owner, 'shop0-.*write owner = "):
        run_lapse(other)
    with pytest.raises(RegistryError, match="shop of another owner, 'shop0-"):
        Registry(other).promote("shop-lapse", "1")
    shutil.copytree(workspace.root, tmp_path / "copy")
    assert Registry(Workspace(tmp_path / "copy")).load("shop-lapse", "1").feature_names
    assert [found.version for found in Registry(workspace).versions("shop-lapse")] == ["1"]


@contextmanager
def served(model, folder):
    """Serve a registered model as MLflow does it for anyone; gives the address that answers."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port),
    ]  # fmt: skip
    # MLflow starts its web server by name.
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    with running(command, f"http://127.0.0.1:{port}/health", folder / "log", PATH=path):
        yield f"http://127.0.0.1:{port}/invocations"


def ask(address, table, **params):
    """POST a table of features as JSON; gives the table of predictions."""
    body = {"dataframe_split": json.loads(table.to_json(orient="split", index=False)), "params": params}
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return pd.DataFrame(json.load(answer)["predictions"])


def test_the_served_champion_answers_with_the_scored_propensities_and_with_reasons_when_asked(shop, tmp_path):
    workspace, result = shop
    scores = pd.read_csv(result.folder / "lapse.csv").set_index("customer_id").head(20)
    table = pd.read_parquet(next((workspace.snapshots("shop") / "features").glob(f"{TODAY}-*.parquet")))
    table = table.set_index("customer_id").loc[scores.index]
    model = Registry(workspace).load("shop-lapse", "1")
    with served("models:/shop-lapse@champion", tmp_path) as address:
        plain = ask(address, table[model.feature_names])
        explained = ask(address, table[model.feature_names], explain=True)
    assert list(plain.columns) == ["propensity"]
    assert list(plain["propensity"]) == pytest.approx(list(scores["propensity"]), rel=5e-4)  # a CSV has four digits
    assert list(explained["reason_1"]) == list(scores["reason_1"])


def test_a_customer_whom_people_named_on_the_server_is_forgotten_there(server, shop):
    workspace, result = shop
    customer = pd.read_csv(result.folder / "lapse.csv")["customer_id"].iloc[-1]
    client = mlflow.MlflowClient(server.url)
    (version,) = client.search_model_versions("name = 'shop-lapse'")
    client.log_text(version.run_id, f"{customer} wrote", "notes/by_hand.md")
    client.log_model_artifact(version.source.removeprefix("models:/"), str(result.folder / "lapse.csv"))
    client.set_model_version_tag("shop-lapse", "1", "note", f"{customer} wrote")
    done = forget_customer(workspace, "shop", customer)
    assert done.changed["MLflow files and tags"] >= 3 and done.texts > 50
    stored = [path.read_bytes() for path in (server.folder / "artefacts").rglob("*") if path.is_file()]
    assert not [content[:100] for content in stored if customer.encode() in content]
    assert client.get_model_version("shop-lapse", "1").tags["note"] == "[forgotten] wrote"
    assert Registry(workspace).load("shop-lapse", "1").feature_names

"""What people delete, archive or move through MLflow's own API: the registry answers, or says in one message what is missing."""

import os
import shutil
import sqlite3
from contextlib import closing

import mlflow
import pytest

from drawn import soaked
from gated_shop import copied
from registered import NAME, artefacts, register, small_model
from tenure.cli.main import main
from tenure.core.errors import RegistryError, UnknownNameError
from tenure.core.workspace import Workspace
from tenure.models.registry import mlflow_store
from tenure.models.registry.contents import stored_texts
from tenure.models.registry.registry import Registry

FIRST, SECOND = small_model(5), small_model(6)
PASSED = {
    "tenure.verdict": "promotable", "tenure.quick": "False", "tenure.as_of": "2024-07-01", "tenure.definition": "d1",
    "tenure.test_cutoff": "2024-03-01", "tenure.test_auc": "0.7500", "tenure.test_auc_low": "0.7100",
}  # fmt: skip
BLOCKED = PASSED | {"tenure.verdict": "blocked", "tenure.quick": "True"}


@pytest.fixture(scope="module")
def versions(tmp_path_factory, stores):
    """Version 1 was champion before version 2 is; version 3 is blocked and is the challenger. To be copied."""
    workspace = Workspace(tmp_path_factory.mktemp("versions"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for model, tags in ((FIRST, PASSED), (SECOND, PASSED), (small_model(7), BLOCKED)):
            register(workspace, model, **tags)
        Registry(workspace).promote(NAME, "1")
        Registry(workspace).promote(NAME, "2")
    return workspace


@pytest.fixture
def registry(versions, tmp_path, monkeypatch):
    """A copy of their registry."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Registry(copied(versions, tmp_path))


@pytest.fixture
def client(registry):
    """MLflow's own client, as people use it."""
    return mlflow.MlflowClient(registry.uri, registry.uri)


def test_a_version_says_what_it_was_judged_as(registry):
    champion = registry.champion_version(NAME)
    assert (champion.version, champion.aliases, champion.fingerprint) == ("2", ("champion",), SECOND.fingerprint)
    assert (champion.is_promotable, champion.is_quick, champion.was_promoted) == (True, False, True)
    assert (champion.definition, champion.as_of, champion.test_cutoff) == ("d1", "2024-07-01", "2024-03-01")
    assert (champion.metric("auc"), champion.metric("auc_low"), champion.metric("auc_high")) == (0.75, 0.71, None)
    third = registry.find(NAME, "3")
    assert (third.is_promotable, third.is_quick, third.was_promoted, third.aliases) == (False, True, False, ())
    assert [version.version for version in registry.versions(NAME)] == ["3", "2", "1"]


@pytest.mark.parametrize("version", ["9", "01", "", *soaked("x", "1.0", "-1")])
def test_a_version_there_is_not_is_told_with_those_there_are(registry, version):
    for ask in (registry.find, registry.load, registry.promote, registry.overridden_gates):
        with pytest.raises(
            UnknownNameError, match=f"Version of shop-lapse '{version}' is not defined. Defined: 1, 2, 3"
        ):
            ask(NAME, version)


def test_a_deleted_version_is_gone_and_so_is_its_alias(registry, client):
    client.delete_model_version(NAME, "2")
    assert registry.champion(NAME) is None and registry.champion_version(NAME) is None
    with pytest.raises(UnknownNameError, match="Defined: 1, 3"):
        registry.load(NAME, "2")
    assert registry.promote(NAME, "1") is None and registry.load(NAME, "1").fingerprint == FIRST.fingerprint


def test_a_rollback_to_a_version_that_was_deleted_is_refused(registry, client):
    client.delete_model_version(NAME, "1")
    with pytest.raises(RegistryError, match="no champion before version 2, for version 1 was deleted.*tenure promote"):
        registry.rollback(NAME)
    assert registry.champion(NAME) == "2"


def test_a_deleted_alias_is_no_champion(registry, client):
    client.delete_registered_model_alias(NAME, "champion")
    assert registry.champion(NAME) is None
    with pytest.raises(RegistryError, match="shop-lapse: no champion. Expected one to go back to"):
        registry.rollback(NAME)
    assert registry.load(NAME, "2").fingerprint == SECOND.fingerprint


def test_a_deleted_registered_model_is_no_model(registry, client):
    client.delete_registered_model(NAME)
    assert registry.versions(NAME) == [] and registry.champion(NAME) is None and registry.model_names() == []
    with pytest.raises(UnknownNameError, match="Defined: none.*'tenure run shop'"):
        registry.load(NAME, "2")
    assert register(registry.workspace, FIRST) == "1"
    assert registry.promote(NAME, "1") is None and registry.load(NAME, "1").fingerprint == FIRST.fingerprint


@pytest.mark.parametrize("what", ["run", "logged model", "experiment"])
def test_what_is_deleted_but_restorable_takes_no_version_away(registry, client, what, tmp_path):
    champion = registry.champion_version(NAME)
    (tmp_path / "note").write_text("x")
    if what == "run":
        client.delete_run(champion.run_id)
    elif what == "logged model":
        client.delete_logged_model(client.get_model_version(NAME, "2").source.removeprefix("models:/"))
    else:
        client.delete_experiment(client.get_experiment_by_name(NAME).experiment_id)
    assert registry.champion(NAME) == "2" and registry.load(NAME, "2").fingerprint == SECOND.fingerprint
    registry.attach(champion.run_id, tmp_path / "note")
    assert registry.rollback(NAME) == ("2", "1")


def test_a_run_that_is_gone_for_good_is_told_as_missing_and_not_as_an_address(registry, tmp_path):
    (tmp_path / "note").write_text("x")
    registry.attach(registry.find(NAME, "1").run_id, tmp_path / "note")
    with pytest.raises(RegistryError, match="'?beef'? not found. Expected it as Tenure left it") as told:
        registry.attach("beef", tmp_path / "note")
    assert "MLFLOW_TRACKING_URI" not in str(told.value)


def test_deleted_artefacts_are_one_message(registry):
    shutil.rmtree(artefacts(registry.workspace)[1])
    with pytest.raises(
        RegistryError, match="version 2: data/model: model.json is missing.*'tenure rollback shop-lapse'"
    ):
        registry.load(NAME, "2")
    assert registry.rollback(NAME) == ("2", "1") and registry.load(NAME, "1").fingerprint == FIRST.fingerprint


def test_a_deleted_experiment_is_told_before_anything_is_fitted_with_what_restores_it(registry, client):
    registry.check_loggable(NAME)
    experiment = client.get_experiment_by_name(NAME).experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(RegistryError, match=f"experiments restore --experiment-id {experiment}'") as told:
        registry.check_loggable(NAME)
    assert f"'MLFLOW_TRACKING_URI={registry.uri} mlflow experiments restore" in str(told.value)
    client.restore_experiment(experiment)
    registry.check_loggable(NAME)


def test_a_training_can_be_logged_where_nothing_is_there_yet(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    registry = Registry(Workspace(tmp_path / "new"))
    registry.check_loggable(NAME)
    assert register(registry.workspace, FIRST) == "1"
    assert len(artefacts(registry.workspace)) == 1 and [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_store_that_may_not_be_written_is_told_before_anything_is_fitted(registry):
    with closing(sqlite3.connect(registry.workspace.mlruns / "mlflow.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryError, match="the database is locked"):
            registry.check_loggable(NAME)
    registry.check_loggable(NAME)


@pytest.mark.filterwarnings("ignore:.*transition_model_version_stage")
def test_an_archived_champion_is_the_champion_still_for_the_alias_decides(registry, client):
    client.transition_model_version_stage(NAME, "2", "Archived")
    assert registry.champion(NAME) == "2" and registry.load(NAME, "2").fingerprint == SECOND.fingerprint


def test_an_alias_moved_by_hand_to_a_blocked_version_shows(registry, client):
    client.set_registered_model_alias(NAME, "champion", "3")
    champion = registry.champion_version(NAME)
    assert (champion.version, champion.is_promotable, champion.was_promoted) == ("3", False, False)
    with pytest.raises(RegistryError, match="no champion before version 3"):
        registry.rollback(NAME)
    assert registry.promote(NAME, "2") == "3" and registry.rollback(NAME) == ("2", "3")


@pytest.mark.parametrize(
    "source", ["models:/m-0123", "s3://bucket/nothing", *soaked("/nowhere", "REDACTED", "runs:/0123/model")]
)
def test_a_version_made_by_hand_is_refused_and_listed(registry, client, source, monkeypatch, capsys):
    with closing(sqlite3.connect(registry.workspace.mlruns / "mlflow.db")) as database, database:
        database.execute(
            "UPDATE model_versions SET source = ?, storage_location = ? WHERE version = 2", [source, source]
        )
    with pytest.raises(RegistryError, match="shop-lapse version 2: .*'tenure run shop'") as told:
        registry.load(NAME, "2")
    assert "\n" not in str(told.value)
    for key in client.get_model_version(NAME, "2").tags:
        client.delete_model_version_tag(NAME, "2", key)
    assert registry.champion_version(NAME).tags == {} and registry.overridden_gates(NAME, "2") == []
    assert [change.version for change in registry.changes(NAME)] == ["1"]
    with pytest.raises(RegistryError, match="version 2: has no tag tenure.fingerprint"):
        registry.load(NAME, "2")
    monkeypatch.setattr("sys.argv", ["tenure", "status", "--workspace", str(registry.workspace.root)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert ended.value.code == 0
    assert told == [
        "shop-lapse v3 - AUC 0.7500 at 2024-03-01 blocked",
        "shop-lapse v2 champion AUC ? at ?",
        "shop-lapse v1 - AUC 0.7500 at 2024-03-01 promotable",
    ]


# MLflow gives at most 10,000 versions, 1,000 experiments and 1,000 runs at a time; asked for fewer, fewer show it.
PAGE, EXPERIMENTS, MANY = (1000, 1100, 10_050) if "TENURE_SOAK" in os.environ else (20, 70, 90)


def test_a_store_of_more_than_any_page_is_seen_whole(registry, monkeypatch):
    monkeypatch.setattr(mlflow_store, "PAGE", PAGE)

    def copies(table, key, value):
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        picked = ", ".join(value if name == key else name for name in names)
        return (
            f"WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) "
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {picked} FROM n, (SELECT * FROM {table} ORDER BY {key} DESC LIMIT 1)"
        )

    with closing(sqlite3.connect(registry.workspace.mlruns / "mlflow.db")) as database, database:
        database.execute(copies("model_versions", "version", "i"))
        database.execute(copies("runs", "run_uuid", "printf('%032d', i)"))
        names = [row[1] for row in database.execute("PRAGMA table_info(experiments)")]
        other = ", ".join(
            {"experiment_id": "i", "name": "'shop-' || printf('%05d', i)"}.get(name, name) for name in names
        )
        database.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < {EXPERIMENTS}) "
            f"INSERT INTO experiments ({', '.join(names)}) SELECT {other} FROM n, (SELECT * FROM experiments WHERE name = 'shop-lapse')"
        )
        last = "SELECT run_uuid FROM runs ORDER BY run_uuid LIMIT 1"
        database.execute(f"UPDATE runs SET status = 'RUNNING', experiment_id = {EXPERIMENTS} WHERE run_uuid = ({last})")
        database.execute(f"INSERT INTO tags (key, value, run_uuid) SELECT 'source', 'shop', ({last})")
    assert len(registry.versions(NAME)) == MANY - 10 + 3
    assert registry.find(NAME, str(MANY)).version == str(MANY) and registry.champion(NAME) == "2"
    assert registry.end_interrupted("shop") == 1 and registry.end_interrupted("shop") == 0
    with registry.client() as client:
        runs = {text.place.split()[1] for text in stored_texts(client, [NAME]) if text.place.startswith("run ")}
    assert len(runs) == MANY - 10 + 3 - 1

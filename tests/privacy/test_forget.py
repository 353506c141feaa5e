"""Forgetting one customer: gone from every place, proven by search, and a repeat does not bring them back."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
import pytest

from tables import read, staged
from tenure.cli.main import main
from tenure.core.errors import RunError, UsageError
from tenure.core.workspace import Workspace
from tenure.identity.events import Event, Ledger
from tenure.models.registry import mlflow_store
from tenure.models.registry.registry import Registry
from tenure.privacy.forget import CARD_NOTE, forget_customer
from tenure.scoring.ledger import append_to_ledger, entries, read_definition
from tenure.scoring.score import Scores
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import known_customers
from tenure.sources.identities import Identities
from tenure.sources.identity_key import KEY
from tenure.sources.source import read_source
from tenure.targets.catalogue import all_targets

AS_OF = date(2024, 3, 1)
LAPSE = all_targets()["lapse"]
ORDERS = (
    "customer_id occurred_at order_id amount",
    "c1 2024-01-05 1 3", "c12 2024-01-09 2 4", "c2 2024-01-06 3 1", "c1 someday 4 1", "c1 2024-02-07 5 2",
)  # fmt: skip


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY, "a key of the tests' own")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def scores(*customers):
    rows = [(customer, 0.5 / rank, rank, 1.0, "1") for rank, customer in enumerate(customers, start=1)]
    table = pd.DataFrame(rows, columns=["customer_id", "propensity", "decile", "heuristic_score", "model_version"])
    return Scores(table[["customer_id"]], {"lapse": table}, targets={"lapse": LAPSE})


def lived_in(root, toml=""):
    """A workspace after a run: staged, snapshots, ledger, reports, a notebook, an MLflow run with its card."""
    facts = staged(root, toml, order_lines=ORDERS)
    workspace = Workspace(root)
    own = Identities.of(workspace, facts.source)
    name, other = own.name_of("c1"), own.name_of("c12")
    Snapshots(workspace, facts, AS_OF).build_features([date(2024, 2, 1)])
    append_to_ledger(workspace, scores(name, other), source="shop", as_of=AS_OF, run_id="r", run_kind="scheduled")
    folder = workspace.reports("shop", AS_OF)
    (folder / "notebooks").mkdir(parents=True)
    (folder / "lapse.html").write_text(f"<p>{name} before {other}</p>")
    (folder / "notebooks/04_score.ipynb").write_text(json.dumps({"cells": [{"outputs": [{"text": [f"0  {name}\n"]}]}]}))
    (folder / "scored_customers.csv").write_text(f"customer_id,lapse_decile\n{name},1\n{other},2\n")
    (folder / "run.json").write_text(json.dumps({"run_id": "r", "outputs": {"lapse.html": "as it was"}}))
    registry = Registry(workspace)
    registry.check()
    client = mlflow.MlflowClient(registry.uri)
    experiment = client.create_experiment("shop-lapse", f"file://{workspace.mlruns}/artifacts/shop-lapse")
    run = client.create_run(experiment).info.run_id
    client.log_text(run, f"# Model card\n\nFirst: {name}.\n", "card/model_card.md")
    register_by_hand(client, experiment, run, name)
    return workspace, facts, own


def register_by_hand(client, experiment, run, name):
    """A version whose files name a customer as a level of a category, and tags in which people wrote of one."""
    model = client.create_logged_model(experiment, "model", source_run_id=run)
    with TemporaryDirectory() as folder:
        (Path(folder) / "model.json").write_text(json.dumps({"levels": ["L", name], "shares": {name: 0.1}}))
        client.log_model_artifact(model.model_id, f"{folder}/model.json", "data")
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("shop-lapse", description=f"Ask {name}.")
    client.create_model_version("shop-lapse", model.model_uri, run, description=f"{name} wrote.")
    client.set_model_version_tag("shop-lapse", "1", "tenure.promoted", json.dumps({"why": f"{name} complained"}))
    client.set_tag(run, "note", f"look at {name}")
    client.set_logged_model_tags(model.model_id, {"note": f"and {name}"})


def files_naming(root, *words):
    """Search without the code under test: every byte, and every cell of Parquet."""
    found = set()
    for path in root.rglob("*"):
        if path.is_file() and "raw" not in path.parts:
            text = (
                str(pd.read_parquet(path).to_dict("list"))
                if path.suffix == ".parquet"
                else path.read_bytes().decode(errors="replace")
            )
            found |= {path.name for word in words if re.search(rf"\b{word}\b", text)}
    return found


@pytest.mark.parametrize("toml", ["", "pseudonymise = true\n"])
def test_the_customer_is_gone_from_every_place_and_everyone_else_stays(tmp_path, toml):
    workspace, before, own = lived_in(tmp_path, toml)
    name, other = own.name_of("c1"), own.name_of("c12")
    assert {
        "04_score.ipynb",
        "lapse.html",
        "scored_customers.csv",
        "model_card.md",
        "order_lines.parquet",
        "model.json",
        "mlflow.db",
    } <= files_naming(tmp_path, name)
    done = forget_customer(workspace, "shop", "c1")
    assert not files_naming(tmp_path, "c1", name)
    assert done.files > 5 and done.artifacts == 2 and [path.name for path in done.raw_files] == ["order_lines.csv"]
    assert read(before.path("order_lines"), "customer_id") == [(other,), (own.name_of("c2"),)]
    folder = workspace.reports("shop", AS_OF)
    assert (folder / "lapse.html").read_text() == f"<p>[forgotten] before {other}</p>"
    assert (folder / "scored_customers.csv").read_text() == f"customer_id,lapse_decile\n{other},2\n"
    assert json.loads((folder / "run.json").read_text())["outputs"].keys() == {
        "lapse.html", "scored_customers.csv", "notebooks/04_score.ipynb",
    }  # fmt: skip
    assert not workspace.snapshots("shop").exists()


def test_a_repeat_brings_nobody_back_and_adds_no_scores_twice(tmp_path):
    workspace, before, _ = lived_in(tmp_path)
    forget_customer(workspace, "shop", "c1")
    again = staged(tmp_path, order_lines=ORDERS)
    assert again.reused and again.fingerprint != before.fingerprint and again.tables["order_lines"].read == 2
    assert known_customers(again, AS_OF)["customer_id"].to_list() == ["c12", "c2"]
    ledger = workspace.scores / "source=shop"
    (kept,) = ledger.rglob("*.parquet")
    assert pd.read_parquet(kept)["customer_id"].to_list() == ["c12"]
    (entry,) = entries(workspace, "shop")
    assert (entry.sequence, entry.definition, entry.model_version) == (1, LAPSE.fingerprint, "1")
    assert read_definition(workspace, "shop", entry.definition)["question"] == LAPSE.question
    left = scores("c1", "c12")
    left = replace(left, ranked={"lapse": left.ranked["lapse"].iloc[1:]})
    assert append_to_ledger(workspace, left, source="shop", as_of=AS_OF, run_id="s", run_kind="scheduled") == 0


def test_forgetting_ends_where_staging_refuses_other_names(tmp_path):
    """Pseudonyms were switched on after persons were found: a run is refused, but nobody stays who asked to go."""
    workspace, _, _ = lived_in(tmp_path)
    Ledger(workspace.identity_events("shop")).append([Event(datetime(2024, 1, 9), "c12", "c2", "joined", "same phone")])
    toml = "pseudonymise = true\n"
    (workspace.raw("shop") / "source.toml").write_text(toml)
    forget_customer(workspace, "shop", "c1")
    assert not files_naming(tmp_path, "c1")
    with pytest.raises(UsageError, match="from before pseudonymise was set"):
        staged(tmp_path, toml, order_lines=ORDERS)


def test_the_card_says_once_that_the_model_stays(tmp_path):
    workspace, _, _ = lived_in(tmp_path)
    for customer in ("c1", "c2"):
        forget_customer(workspace, "shop", customer)
    (card,) = (workspace.mlruns / "artifacts").rglob("model_card.md")
    assert card.read_text() == f"# Model card\n\nFirst: [forgotten].\n\n{CARD_NOTE}\n"


def test_what_cannot_be_mended_is_named_and_the_command_fails(tmp_path, capsys, monkeypatch):
    workspace, _, _ = lived_in(tmp_path)
    stray = workspace.reports("shop", AS_OF) / "by_hand.docx"
    stray.write_bytes(b"\x00 c1 \x00")
    with pytest.raises(
        RunError, match=r"1 of \d+ files and texts searched still name the customer:\n  - .*by_hand\.docx"
    ):
        forget_customer(workspace, "shop", "c1")
    stray.unlink()
    monkeypatch.setattr("sys.argv", ["tenure", "forget", "shop", "c1", "--workspace", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().out
    assert (
        ended.value.code == 0 and "none names the customer" in told and "order_lines.csv" in told and "c1 " not in told
    )


def test_a_customer_nobody_names_is_refused_before_anything_changes(tmp_path, monkeypatch):
    workspace, before, own = lived_in(tmp_path)
    with pytest.raises(UsageError, match="names this customer"):
        forget_customer(workspace, "shop", "c")
    monkeypatch.delenv(KEY)
    with pytest.raises(UsageError, match=f"{KEY} is not set"):
        forget_customer(workspace, "shop", "c1")
    assert not own.forgotten and staged(tmp_path, order_lines=ORDERS).fingerprint == before.fingerprint


def test_what_the_store_tells_of_its_models_stays_but_for_the_name(tmp_path):
    workspace, _, _ = lived_in(tmp_path)
    done = forget_customer(workspace, "shop", "c1")
    assert (
        done.changed["MLflow files and tags"] == 7
    )  # card, model, note of the run and of the model, why, two descriptions
    (version,) = Registry(workspace).versions("shop-lapse")
    assert json.loads(version.tags["tenure.promoted"]) == {"why": "[forgotten] complained"}
    (model,) = (workspace.mlruns / "artifacts").rglob("model.json")
    assert json.loads(model.read_text()) == {"levels": ["L", "[forgotten]"], "shares": {"[forgotten]": 0.1}}
    assert not forget_customer(workspace, "shop", "c1").changed["MLflow files and tags"]


def test_a_parameter_which_mlflow_keeps_for_good_is_named(tmp_path):
    workspace, _, _ = lived_in(tmp_path)
    client = mlflow.MlflowClient(Registry(workspace).uri)
    experiment = client.get_experiment_by_name("shop-lapse").experiment_id
    client.log_param(client.create_run(experiment).info.run_id, "segment", "without c1")
    with pytest.raises(RunError, match=r"still name the customer:\n  - sqlite:.*: run \w+ segment\n"):
        forget_customer(workspace, "shop", "c1")


def test_another_source_keeps_its_customer_of_the_same_id(tmp_path):
    workspace, _, _ = lived_in(tmp_path)
    other = staged(tmp_path, name="shop-two", order_lines=ORDERS)
    forget_customer(workspace, "shop", "c1")
    assert ("c1",) in read(other.path("order_lines"), "customer_id")
    assert not Identities.of(workspace, read_source(workspace, "shop-two")).forgotten


def test_raw_files_that_can_no_longer_be_staged_are_no_excuse(tmp_path):
    workspace, before, _ = lived_in(tmp_path)
    (workspace.raw("shop") / "order_lines.csv").write_text("customer_id\nc1\n")
    forget_customer(workspace, "shop", "c1")
    assert not before.folder.exists() and not files_naming(tmp_path, "c1")


def test_a_log_that_a_schedule_keeps_beside_the_data_names_the_customer_no_more(tmp_path):
    workspace, _, _ = lived_in(tmp_path)
    log = tmp_path / "tenure.log"
    log.write_text('{"event": "failed", "message": "1 row is rejected (first: c1)"}\n{"event": "end", "of": "c12"}\n')
    forget_customer(workspace, "shop", "c1")
    first, second = log.read_text().splitlines()
    assert "c1" not in first and json.loads(first)["event"] == "failed" and "c12" in second


GLUED = (
    "customer_id occurred_at order_id amount",
    "c000276 2024-01-05 Oc000276-4 3", "c000311 2024-01-09 Oc000311-1 4", "c0002761 2024-01-06 Oc0002761-2 1",
    "c000311 2024-01-07 REFc000276 1",
)  # fmt: skip


def test_a_name_that_letters_are_glued_to_is_found_and_goes(tmp_path, capsys, monkeypatch):
    facts = staged(tmp_path, order_lines=GLUED)
    folder = Workspace(tmp_path).reports("shop", AS_OF)
    folder.mkdir(parents=True)
    (folder / "by_hand.txt").write_text("Oc000276-4 before Oc0002761-2")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("sys.argv", ["tenure", "forget", "shop", "c000276", "--workspace", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().out
    assert ended.value.code == 0 and "none names the customer" in told
    assert (folder / "by_hand.txt").read_text() == "O[forgotten]-4 before Oc0002761-2"
    assert sorted(read(facts.path("order_lines"), "customer_id, order_id")) == [
        ("c0002761", "Oc0002761-2"), ("c000311", "Oc000311-1"), ("c000311", "REF[forgotten]"),
    ]  # fmt: skip
    assert "Not searched: in the workspace elsewhere; other sources" in told and "backups" in told


def test_a_file_that_cannot_be_mended_is_named_for_a_glued_id_too(tmp_path):
    staged(tmp_path, order_lines=GLUED)
    stray = Workspace(tmp_path).reports("shop", AS_OF) / "by_hand.docx"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"\x00 Oc000276-4 \x00")
    with pytest.raises(RunError, match=r"still name the customer:\n  - .*by_hand\.docx"):
        forget_customer(Workspace(tmp_path), "shop", "c000276")


def insert(database, table, rows):
    """Put rows into a table of MLflow's store, as a thousand trainings of colleagues would."""
    columns = ", ".join(rows[0])
    with closing(sqlite3.connect(database)) as connection, connection:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in rows]
        )


def test_no_number_of_newer_experiments_of_others_hides_what_the_store_says(tmp_path, monkeypatch):
    """1,100 experiments on a shared store, all newer than the source's own: the store gives 1,000 at once."""
    shared = tmp_path / "shared.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}")
    lived_in(tmp_path / "own")
    new = 10**14
    insert(shared, "experiments", [
        {"experiment_id": 1_000 + n, "name": f"other-{n}", "artifact_location": "/x", "lifecycle_stage": "active",
         "creation_time": new + n, "last_update_time": new + n} for n in range(1_100)
    ])  # fmt: skip
    done = forget_customer(Workspace(tmp_path / "own"), "shop", "c1")
    assert done.changed["MLflow files and tags"] == 7 and not files_naming(tmp_path, "c1")
    assert done.not_searched == ["mlruns"], "the folder of another store than the one in use"


def test_what_lies_beyond_a_page_of_the_store_is_found_whatever_it_is(tmp_path, monkeypatch):
    """Three experiments, runs, logged models, registered models and versions each, and the name in the oldest."""
    monkeypatch.setattr(mlflow_store, "PAGE", 2)
    workspace, _, _ = lived_in(tmp_path)
    client = mlflow.MlflowClient(Registry(workspace).uri)
    experiment = client.get_experiment_by_name("shop-lapse").experiment_id
    for number in range(2):
        client.create_experiment(f"other-{number}")
        run = client.create_run(experiment).info.run_id
        model = client.create_logged_model(experiment, "model", source_run_id=run)
        client.create_registered_model(f"other-{number}")
        client.create_model_version("shop-lapse", model.model_uri, run)
    assert len(Registry(workspace).versions("shop-lapse")) == 3 and len(Registry(workspace).model_names()) == 3
    done = forget_customer(workspace, "shop", "c1")
    assert done.changed["MLflow files and tags"] == 7 and not files_naming(tmp_path, "c1")

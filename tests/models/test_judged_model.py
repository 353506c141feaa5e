"""The model on disk is the model that was judged: whatever else lies in its place is refused in one message, before anything computes with it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from gated_shop import copied
from registered import NAME, artefacts, customers, make_champion, register, small_model
from tenure.core.errors import RegistryError, StoredFormatError
from tenure.core.workspace import Workspace
from tenure.models.estimators.logistic_baseline import Linear
from tenure.models.model import PropensityModel, revise_sealed
from tenure.models.registry.registry import Registry
from tenure.models.version import FINGERPRINT_TAG
from tenure.steps.opening import open_run
from tenure.steps.score import score

MODEL = small_model()
SMALL = PropensityModel(
    Linear((), -1.0), small_model().encoding, MODEL.calibrator, MODEL.meanings, {"target": "lapse"}, "logistic"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory, stores):
    """A workspace whose only version is champion; to be copied."""
    workspace = Workspace(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        register(workspace, MODEL)
        Registry(workspace).promote(NAME, "1")
    return workspace


@pytest.fixture
def workspace(made, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copied(made, tmp_path)


@pytest.fixture
def folder(workspace):
    """Where the champion's own files lie."""
    (found,) = artefacts(workspace)
    return found / "data" / "model"


def edit(folder, change):
    document = json.loads((folder / "model.json").read_text())
    change(document)
    (folder / "model.json").write_text(json.dumps(document))


def shift(folder):
    edit(folder, lambda document: document["calibrator"].update(intercept=document["calibrator"]["intercept"] + 3))


def cut(folder):
    text = (folder / "booster.txt").read_text()
    (folder / "booster.txt").write_text(text[: len(text) // 2])


def swap(folder):
    """Put another whole model there, of this or another workspace."""
    small_model(8).save(folder)


def truncate(size):
    return lambda folder: os.truncate(folder / "model.json", size)


DAMAGES = {
    "an intercept changed by 3": (shift, "so they were changed or damaged. Expected {fingerprint}"),
    "a booster cut short": (cut, "so they were changed or damaged. Expected {fingerprint}"),
    "another whole model": (swap, "so they were changed or damaged. Expected {fingerprint}"),
    "an empty booster": (lambda folder: (folder / "booster.txt").write_text(""), "changed or damaged"),
    "no booster": (lambda folder: (folder / "booster.txt").unlink(), "booster.txt is missing"),
    "an empty document": (truncate(0), "model.json: cut short or damaged"),
    "half a document": (truncate(300), "model.json: cut short or damaged"),
    "no document": (lambda folder: (folder / "model.json").unlink(), "model.json is missing"),
    "no folder": (lambda folder: shutil.rmtree(folder.parent), "model.json is missing"),
    "bytes": (lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"), "model.json is not text"),
    "a list": (lambda folder: (folder / "model.json").write_text("[]"), "holds a list"),
    "brackets": (lambda folder: (folder / "model.json").write_text("[" * 100_000), "describes no model of Tenure"),
    "another document": (lambda folder: (folder / "model.json").write_text('{"linear": {}}'), "changed or damaged"),
    "a gigabyte": (truncate(1 << 30), "model.json has 1,074 MB. Expected a model of at most 200 MB"),
    "a gigabyte of trees": (lambda folder: os.truncate(folder / "booster.txt", 1 << 30), "booster.txt has 1,074 MB"),
    "a newer format": (lambda folder: edit(folder, lambda d: d.update(format_version=9)), "a newer Tenure wrote it"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_what_is_not_the_judged_model_is_refused_in_one_message_that_says_what_to_do(workspace, folder, what):
    damage, told = DAMAGES[what]
    damage(folder)
    with pytest.raises(RegistryError) as refused:
        Registry(workspace).load(NAME, "1")
    message = str(refused.value)
    assert message.startswith("shop-lapse version 1: ") and "\n" not in message
    assert told.format(fingerprint=MODEL.fingerprint) in message
    assert message.endswith(
        "Go back with 'tenure rollback shop-lapse', choose another with 'tenure promote shop-lapse VERSION', or train again with 'tenure run shop'."
    )


@pytest.mark.parametrize("what", [what for what in DAMAGES if what not in ("another whole model", "no folder")])
def test_the_pyfunc_refuses_it_too(folder, what):
    """It knows no tag, but the document says what it was saved as."""
    DAMAGES[what][0](folder)
    with pytest.raises(StoredFormatError):
        mlflow.pyfunc.load_model(str(folder.parents[1]))


def test_the_whole_model_is_loaded_to_the_bit_and_so_is_its_pyfunc(workspace, folder):
    expected = MODEL.propensities(customers())
    loaded = Registry(workspace).load(NAME, "1")
    assert loaded.fingerprint == MODEL.fingerprint and loaded.texts() == MODEL.texts()
    np.testing.assert_array_equal(loaded.propensities(customers()), expected)
    served = mlflow.pyfunc.load_model(str(folder.parents[1])).predict(customers())
    np.testing.assert_array_equal(served["propensity"], expected)


@pytest.mark.parametrize("model", [MODEL, SMALL], ids=["trees", "logistic regression"])
def test_a_model_of_before_it_held_its_fingerprint_is_still_read_and_checked(tmp_path, model):
    model.save(tmp_path)
    edit(tmp_path, lambda document: [document.pop(key) for key in ("format_version", "fingerprint")])
    assert PropensityModel.load(tmp_path, fingerprint=model.fingerprint).fingerprint == model.fingerprint
    assert PropensityModel.load(tmp_path).fingerprint == model.fingerprint
    shift(tmp_path)
    with pytest.raises(StoredFormatError, match="changed or damaged"):
        PropensityModel.load(tmp_path, fingerprint=model.fingerprint)


def test_an_old_booster_cut_short_does_not_end_the_process(tmp_path):
    MODEL.save(tmp_path)
    edit(tmp_path, lambda document: document.pop("fingerprint"))
    cut(tmp_path)
    code = f"from tenure.models.model import PropensityModel; from pathlib import Path; PropensityModel.load(Path({str(tmp_path)!r}))"
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": source}, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1 and "booster.txt is cut short" in done.stderr


def test_what_the_mlmodel_names_is_not_executed(workspace, folder, tmp_path, monkeypatch):
    (tmp_path / "intruder.py").write_text(
        f"open({str(tmp_path / 'executed')!r}, 'w').close()\ndef _load_pyfunc(path):\n    return None\n"
    )
    described = folder.parents[1] / "MLmodel"
    described.write_text(described.read_text().replace("tenure.models.pyfunc", "intruder"))
    monkeypatch.syspath_prepend(tmp_path)
    model = Registry(workspace).load(NAME, "1")
    np.testing.assert_array_equal(model.propensities(customers()), MODEL.propensities(customers()))
    assert not (tmp_path / "executed").exists()
    with pytest.raises(mlflow.exceptions.MlflowException):
        mlflow.pyfunc.load_model(str(folder.parents[1]))
    assert (tmp_path / "executed").exists(), "MLflow itself executes it"


class Constant(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str]) -> list[str]:
        return model_input


@pytest.mark.parametrize("tags", [{}, {FINGERPRINT_TAG: MODEL.fingerprint}])
def test_a_version_of_another_flavour_under_our_name_is_refused(workspace, tags):
    registry = Registry(workspace)
    with registry.client() as client, mlflow.start_run():
        logged = mlflow.pyfunc.log_model(name="model", python_model=Constant(), pip_requirements=[])
        mlflow.register_model(logged.model_uri, NAME, tags=tags)
        client.set_registered_model_alias(NAME, "champion", "2")
    champion = registry.champion_version(NAME)
    assert (champion.version, champion.is_promotable, champion.metric("auc"), champion.definition) == ("2", False, None, "")  # fmt: skip
    told = "model.json is missing" if tags else f"has no tag {FINGERPRINT_TAG}, so Tenure did not register it"
    with pytest.raises(RegistryError, match=f"shop-lapse version 2: .*{told}.*'tenure run shop'"):
        registry.load(NAME, "2")
    assert registry.load(NAME, "1").fingerprint == MODEL.fingerprint


def test_nobody_is_scored_by_a_damaged_champion(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    workspace = Workspace(tmp_path)
    workspace.raw("shop").mkdir(parents=True)
    orders = [f"c{n},2024-{month:02}-10,{n}-{month},5" for n in range(50) for month in range(1, 13)]
    lines = "\n".join(["customer_id,occurred_at,order_id,amount", *orders])
    (workspace.raw("shop") / "order_lines.csv").write_text(lines)
    make_champion(workspace, NAME, "count_orders_90d")
    run = open_run("shop", workspace=str(tmp_path))
    assert len(score(run).ranked["lapse"]) == 50
    ledger = sorted(workspace.scores.rglob("*.parquet"))
    (folder,) = artefacts(workspace)
    shift(folder / "data" / "model")
    with pytest.raises(RegistryError, match="changed or damaged.*'tenure rollback shop-lapse'"):
        score(run)
    assert sorted(workspace.scores.rglob("*.parquet")) == ledger


def test_training_the_same_again_mends_a_damaged_version(workspace, folder):
    registry = Registry(workspace)
    assert registry._same_content(NAME, MODEL).version == "1"
    shift(folder)
    assert registry._same_content(NAME, MODEL) is None
    register(workspace, MODEL)
    assert registry._same_content(NAME, MODEL).version == "2"


def test_a_model_from_which_a_name_was_taken_out_is_whole_again_and_one_damaged_before_is_not(workspace, folder):
    def without_solo(path):
        path.write_text(path.read_text().replace('"Solo"', '"[forgotten]"'))
        return True

    registry = Registry(workspace)
    registry.revise_files([NAME], lambda path: revise_sealed(path, without_solo if path.name == "model.json" else lambda _: False))  # fmt: skip
    assert (
        "Solo" not in (folder / "model.json").read_text() and registry.find(NAME, "1").fingerprint == MODEL.fingerprint
    )
    table = customers().replace("Solo", "[forgotten]")
    np.testing.assert_array_equal(registry.load(NAME, "1").propensities(table), MODEL.propensities(customers()))
    shift(folder)
    revise_sealed(folder / "model.json", without_solo)
    with pytest.raises(RegistryError, match="changed or damaged"):
        registry.load(NAME, "1")

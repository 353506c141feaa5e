"""A small shop with champions for lapse and churn, and the ways in which people change an MLflow store by its own interface."""

import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from pytest import MonkeyPatch

from tenure.audit import audit
from tenure.core.workspace import Workspace
from tenure.customers import phase, view
from tenure.demo import generate_demo
from tenure.models.registry.registry import Registry
from tenure.reporting import training_figures
from tenure.steps.opening import open_run
from tenure.steps.score import score
from tenure.steps.training import train

# Without their features a snapshot takes less time.
UNUSED = ("usage", "support_tickets", "loyalty", "contacts", "declared", "products")
AS_OF, EARLIER, LATER = "2025-09-01", "2025-08-01", "2025-10-01"
TOML = 'name = "shop"\ncurrency = "EUR"\n'


def place_company(root):
    """Place raw files of a small demo company as the source 'shop'."""
    workspace = Workspace(root)
    generate_demo(workspace.raw("shop"), workspace.truth("shop"), customers=800, months=21)
    for table in UNUSED:
        (workspace.raw("shop") / f"{table}.parquet").unlink()
    (workspace.raw("shop") / "source.toml").write_text(TOML)
    return workspace


def opened(workspace, as_of=AS_OF, *, quick=True):
    return replace(open_run("shop", as_of=as_of, workspace=str(workspace.root), quick=quick), run_kind="scheduled")


def trained(workspace, as_of=AS_OF, target="lapse", *, quick=True):
    """Train as a run does, the move of the alias as its last act; give the record."""
    run = opened(workspace, as_of, quick=quick)
    record = train(run, target, walk_cutoffs=1).record
    if record.status == "trained":
        run.registry.promote(record.model.name, record.model.version)
    return record


def champions(root):
    """Make the shop with quick champions of lapse and churn, and scored by them."""
    workspace = place_company(root)
    with MonkeyPatch.context() as patch:
        hurry(patch)
        assert [trained(workspace, target=target).status for target in ("lapse", "churn")] == ["trained", "trained"]
        score(opened(workspace))
        warm(workspace)
    return workspace


def warm(workspace):
    """Leave beside the shop the snapshots, checks and fits of what tests train and score most: they look at what comes after."""
    with TemporaryDirectory(dir=workspace.root.parent) as folder:
        other = copied(workspace, Path(folder))
        for as_of, quick in ((AS_OF, False), (EARLIER, True), (LATER, True)):
            trained(other, as_of, quick=quick)
        score(opened(other, LATER))
        shutil.copytree(other.snapshots("shop"), workspace.snapshots("shop"), dirs_exist_ok=True)


_attributes = {}


def hurry(patch):
    """Draw no figures, replay nothing, and build each attribute once per staging and day: no test of the gates looks at them.

    Phases alone go by the scores, too: of them what the facts say is remembered.
    """
    built, monthly = view._built, phase.monthly_phases

    def once(made_of, facts, make):
        moment = facts.source.meaning, facts.staged._staged.fingerprint, facts.as_of, *made_of
        if moment not in _attributes:
            _attributes[moment] = make()
        return _attributes[moment]

    def remembered(attribute, facts, customers):
        if attribute.name == phase.ATTRIBUTE.name:
            return built(attribute, facts, customers)
        made_of = attribute.name, *customers["customer_id"]
        return once(made_of, facts, lambda: built(attribute, facts, customers))

    patch.setattr(training_figures, "draw_training", lambda *_: {})
    patch.setattr(audit, "run_checks", lambda *_: [])
    patch.setattr(view, "_built", remembered)
    patch.setattr(phase, "monthly_phases", lambda facts: once((), facts, lambda: monthly(facts)))


def copied(workspace, root):
    shutil.copytree(workspace.root, root, dirs_exist_ok=True)
    return Workspace(root)


def champion(workspace, target="lapse"):
    return Registry(workspace).champion(f"shop-{target}")


def artefact(workspace, name, model="shop-lapse"):
    """The file of a model's first version, where the store keeps it."""
    registry = Registry(workspace)
    with registry.client() as client:
        where = client.get_model_version_download_uri(model, "1")
        folder = mlflow.artifacts.download_artifacts(where)
    return Path(folder) / "data" / "model" / name


def change(workspace, what):
    """Change what the store holds of lapse, as its user interface would, or somebody on the disk."""
    registry = Registry(workspace)
    with registry.client() as client:
        version = client.get_model_version("shop-lapse", "1")
        experiment = client.get_experiment_by_name("shop-lapse").experiment_id
        if what == "experiment deleted":
            client.delete_experiment(experiment)
        elif what == "run deleted":
            client.delete_run(version.run_id)
        elif what == "version deleted":
            client.delete_model_version("shop-lapse", "1")
        elif what == "alias deleted":
            client.delete_registered_model_alias("shop-lapse", "champion")
        elif what == "model deleted":
            client.delete_registered_model("shop-lapse")
        elif what == "model renamed":
            client.rename_registered_model("shop-lapse", "shop-lapse-archived")
        elif what == "alias moved to a foreign version":
            foreign = client.create_model_version("shop-lapse", "file:///nowhere")
            client.set_registered_model_alias("shop-lapse", "champion", foreign.version)
        elif what == "alias moved to a blocked version":
            client.set_model_version_tag("shop-lapse", "1", "tenure.verdict", "blocked")
            gates = '[{"name": "calibrated", "passed": false, "found": "calibration slope 9", "code": "calibration"}]'
            client.set_model_version_tag("shop-lapse", "1", "tenure.gates", gates)
    if what == "files deleted":
        shutil.rmtree(artefact(workspace, ".").parent)
    elif what == "model cut short":
        path = artefact(workspace, "model.json")
        path.write_text(path.read_text()[:1000])
    elif what == "intercept changed":
        path = artefact(workspace, "model.json")
        path.write_text(path.read_text().replace('"intercept": ', '"intercept": 3', 1))

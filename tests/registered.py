"""Small models, logged and registered in a real store as a training does it, but without one."""

from dataclasses import replace

import mlflow
import numpy as np
import pandas as pd

from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning
from tenure.models.registry.log import log_model
from tenure.models.registry.registry import Registry
from tenure.models.train import train_model
from tenure.models.version import FINGERPRINT_TAG
from tenure.targets.catalogue import all_targets

NAME = "shop-lapse"


def customers(seed=5, rows=200):
    generator = np.random.default_rng(seed)
    plans = generator.choice(["Solo", "Duo"], rows)
    return pd.DataFrame({"failed": generator.poisson(1.0, rows).astype(float), "plan": plans})


def small_model(seed=5):
    table = customers(seed)
    labels = (np.random.default_rng(seed + 1).random(len(table)) < 1 / (1 + np.exp(1 - table["failed"]))).astype(int)
    meanings = tuple(FeatureMeaning(name, name, "count", f"{name}{{s}}", f"{name}.") for name in table)
    settings = TrainingSettings(max_trees=20, folds=3)
    model = train_model(table, labels.to_numpy(), np.arange(len(table)), meanings, settings).model
    return replace(model, about={"source": "shop", "target": "lapse", "definition": "d1", "seed": seed})


def register(workspace, model, name=NAME, **tags):
    """Log a model and register its version; gives the version's number."""
    registry = Registry(workspace)
    with registry.client() as client, mlflow.start_run(experiment_id=registry._experiment(client, name)):
        address = log_model(model)
        registry._ensure_model(client, name)
        version = mlflow.register_model(address, name, tags={FINGERPRINT_TAG: model.fingerprint} | tags)
    return str(version.version)


def artefacts(workspace, name=NAME):
    """The folders of the models that were logged, oldest first."""
    return sorted(
        (workspace.mlruns / "artifacts" / name).glob("models/*/artifacts"), key=lambda path: path.stat().st_mtime_ns
    )


def make_champion(workspace, name, feature):
    """Register a small model of one feature and make it the champion."""
    generator = np.random.default_rng(5)
    table = pd.DataFrame({feature: generator.poisson(1.0, 200).astype(float)})
    labels = (generator.random(200) < 0.1 + 0.2 * table[feature]).astype(int).to_numpy()
    meanings = (FeatureMeaning(feature, feature, "count", f"{feature}{{s}}", f"{feature}."),)
    model = train_model(table, labels, np.arange(200), meanings, TrainingSettings(max_trees=5, folds=3)).model
    asked = all_targets()[name.partition("-")[2]].fingerprint
    fitted = {"fitted_through": "2024-06-01", "test_cutoff": "2024-06-01", "fitting_cutoffs": ["2024-03-01"]}
    model = replace(model, about=fitted | {"definition": asked})
    registry = Registry(workspace)
    registry.check()
    with registry.client() as client, mlflow.start_run(experiment_id=registry._experiment(client, name)):
        tags = {FINGERPRINT_TAG: model.fingerprint, "tenure.verdict": "promotable"}
        mlflow.register_model(log_model(model), name, tags=tags)
    registry.promote(name, "1")

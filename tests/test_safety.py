"""What must be safe by default: where servers listen, where parameters may write, what a model's loading runs, what is audited."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from tenure.core.errors import UsageError
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning
from tenure.models.registry.log import log_model
from tenure.models.registry.registry import Registry
from tenure.models.train import train_model
from tenure.models.version import FINGERPRINT_TAG

ROOT = Path(__file__).parents[1]


def test_servers_listen_on_loopback_unless_told_otherwise():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nHOST ?= 127.0.0.1\n" in makefile
    servers = [
        line for line in makefile.splitlines() if re.search(r"\bjupyter lab|\bmlflow (ui|server|models serve)", line)
    ]
    assert len(servers) == 2 and all("$(HOST)" in line for line in servers)
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert "0.0.0.0" not in code


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\\b", "", "-x", "a\n", "x" * 65, "\0"])
def test_a_name_cannot_become_a_path(tmp_path, name):
    workspace = Workspace(tmp_path)
    for place in (
        workspace.raw,
        workspace.staged,
        workspace.reports_of,
        workspace.identities,
        workspace.exports,
        workspace.lock,
    ):
        with pytest.raises(UsageError, match="cannot be a folder's name"):
            place(name)


PICKLED = (".pkl", ".pickle", ".joblib", ".skops", ".dill", ".cloudpickle")


def trained():
    generator = np.random.default_rng(5)
    table = pd.DataFrame(
        {"failed": generator.poisson(1.0, 200).astype(float), "plan": generator.choice(["Solo", "Duo"], 200)}
    )
    labels = (generator.random(200) < 1 / (1 + np.exp(1 - table["failed"]))).astype(int).to_numpy()
    meanings = tuple(FeatureMeaning(name, name, "count", f"{name}{{s}}", f"{name}.") for name in table)
    model = train_model(table, labels, np.arange(200), meanings, TrainingSettings(max_trees=20, folds=3)).model
    return model, table


def test_a_model_is_text_and_loads_without_unpickling_anything(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = Registry(Workspace(tmp_path))
    registry.check()
    model, table = trained()
    with registry.client() as client, mlflow.start_run(experiment_id=registry._experiment(client, "shop-lapse")):
        mlflow.register_model(log_model(model), "shop-lapse", tags={FINGERPRINT_TAG: model.fingerprint})
    written = [path for path in (tmp_path / "mlruns/artifacts").rglob("*") if path.is_file()]
    assert written and not [path for path in written if path.suffix in PICKLED or path.read_bytes()[:1] == b"\x80"]
    (about,) = [yaml.safe_load(path.read_text()) for path in written if path.name == "MLmodel"]
    assert list(about["flavors"]) == ["python_function"]
    assert about["flavors"]["python_function"]["loader_module"] == "tenure.models.pyfunc"

    unpickled = []
    is_loading = [True]
    # Whoever unpickles an object, in Python or C, under whatever name: the interpreter tells of it (PEP 578).
    sys.addaudithook(
        lambda event, args: unpickled.append(args) if is_loading and event == "pickle.find_class" else None
    )
    pickle.loads(pickle.dumps(Path("a")))
    assert unpickled.pop(), "the hook would see it"
    unpickled.clear()
    propensities = registry.load("shop-lapse", "1").propensities(table)
    is_loading.clear()
    assert not unpickled
    np.testing.assert_array_equal(propensities, model.propensities(table))


FINDING = {"name": "leaky", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
SOUND = {"name": "sound", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "own", "skip_reason": "not on the index"}


@pytest.mark.parametrize(
    ("answer", "code", "said", "exits"),
    [
        ([SOUND, UNKNOWN], 0, "1 dependencies audited, 1 unknown to the service: no known vulnerability", 0),
        ([SOUND, FINDING], 1, "leaky 1.0: CVE-1, mended in 1.1", 1),
        ([UNKNOWN], 0, "were not audited: the vulnerability service knows none of 1 packages", 0),
        (None, 1, "were not audited: ConnectionError: no route", 0),
    ],
)
def test_a_known_vulnerability_fails_the_check_and_a_missing_network_does_not(tmp_path, answer, code, said, exits):
    told = json.dumps({"dependencies": answer}) if answer is not None else ""
    (tmp_path / "pip_audit.py").write_text(
        f"import sys\nprint({told!r})\nprint('ConnectionError: no route', file=sys.stderr)\nsys.exit({code})\n"
    )
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/audit.py"], env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said in done.stdout and done.returncode == exits

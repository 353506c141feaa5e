"""A workspace that was moved, or copied: its store, which holds absolute paths, points to its own artefacts and to nobody else's."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import mlflow
import numpy as np
import pytest

from drawn import soaked
from registered import NAME, artefacts, customers, register, small_model
from tenure.core.workspace import Workspace
from tenure.models.registry.local_store import LOCATIONS
from tenure.models.registry.registry import Registry

FIRST, SECOND = small_model(5), small_model(6)


@pytest.fixture(autouse=True)
def own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def champion_in(root):
    """A workspace with a champion."""
    root.mkdir(parents=True)
    workspace = Workspace(root)
    register(workspace, FIRST)
    Registry(workspace).promote(NAME, "1")
    return workspace


def contents(workspace):
    return {
        path.relative_to(workspace.root): (path.stat().st_mtime_ns, blake2b(path.read_bytes()).hexdigest())
        for path in workspace.mlruns.rglob("*")
        if path.is_file()
    }


def locations(workspace):
    with closing(sqlite3.connect(workspace.mlruns / "mlflow.db")) as database:
        found = [row[0] for table, column in LOCATIONS for row in database.execute(f"SELECT {column} FROM {table}")]
    return [location for location in found if not location.startswith("models:/")]


def works(workspace):
    """Load, log another, promote, roll back, attach to the first one's run and serve: everything that reads or writes an artefact."""
    registry = Registry(workspace)
    np.testing.assert_array_equal(registry.load(NAME, "1").propensities(customers()), FIRST.propensities(customers()))
    version = register(workspace, SECOND)
    assert registry.promote(NAME, version) == "1" and registry.load(NAME, version).fingerprint == SECOND.fingerprint
    assert registry.rollback(NAME) == (version, "1")
    note = workspace.root / "note.txt"
    note.write_text("of the first version")
    registry.attach(registry.find(NAME, "1").run_id, note)
    served = mlflow.pyfunc.load_model(f"models:/{NAME}@champion").predict(customers())
    np.testing.assert_array_equal(served["propensity"], FIRST.propensities(customers()))
    assert len(artefacts(workspace)) == 2 and len(list(workspace.mlruns.rglob("notebooks/note.txt"))) == 1
    assert all(
        location.startswith(f"{workspace.root.resolve().as_uri()}/mlruns/artifacts/")
        for location in locations(workspace)
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Größe #1", "a name with blanks"),
        ("outer", "outer/inner"),
        *soaked(("here", "there"), ("outer/inner", "another")),
    ],
)
def test_a_moved_workspace_works(tmp_path, before, after):
    workspace = champion_in(tmp_path / before)
    moved = workspace.root.rename(tmp_path / "on the way")
    (tmp_path / after).parent.mkdir(parents=True, exist_ok=True)
    works(Workspace(moved.rename(tmp_path / after)))


def test_a_workspace_that_was_not_moved_works_and_keeps_its_rows(tmp_path):
    workspace = champion_in(tmp_path / "here")
    before = locations(workspace)
    works(workspace)
    assert set(before) <= set(locations(workspace))


def test_a_copy_works_and_leaves_the_original_as_it_was(tmp_path):
    """In one process, in which MLflow remembers where it found the original's runs."""
    original = champion_in(tmp_path / "original")
    (original.root / "note").write_text("x")
    registry = Registry(original)
    registry.attach(registry.find(NAME, "1").run_id, original.root / "note")
    before = contents(original)
    shutil.copytree(original.root, tmp_path / "copy")
    works(Workspace(tmp_path / "copy"))
    assert contents(original) == before
    works(original)


def test_a_copy_inside_the_original_leaves_it_as_it_was(tmp_path):
    original = champion_in(tmp_path / "original")
    before = contents(original)
    shutil.copytree(original.root, tmp_path / "copy")
    works(Workspace((tmp_path / "copy").rename(original.root / "copy")))
    assert contents(original) == before


def test_a_copy_that_takes_the_place_of_a_moved_one_is_another_store(tmp_path):
    """MLflow would hold the moved database open, and write to it where it is now."""
    first = champion_in(tmp_path / "here")
    moved = Workspace(first.root.rename(tmp_path / "moved"))
    shutil.copytree(moved.root, tmp_path / "here")
    before = contents(moved)
    works(first)
    assert contents(moved) == before
    works(moved)


def test_a_workspace_under_a_symbolic_link_works_by_either_name(tmp_path):
    workspace = champion_in(tmp_path / "real")
    (tmp_path / "link").symlink_to(workspace.root)
    linked = Workspace(tmp_path / "link")
    assert Registry(linked).load(NAME, "1").fingerprint == FIRST.fingerprint
    works(linked)
    assert Registry(workspace).load(NAME, "2").fingerprint == SECOND.fingerprint


@pytest.mark.parametrize(
    ("stored", "rebased"),
    [
        ("file:///old/place/mlruns/artifacts/x/1/artifacts", "{own}/x/1/artifacts"),
        ("file:///old%20place/mlruns/artifacts/x", "{own}/x"),
        ("file:///old place/mlruns/artifacts/x", "{own}/x"),
        ("file:/old/mlruns/artifacts", "{own}"),
        ("/old place/mlruns/artifacts/x", "{own}/x"),
        ("/mlruns/artifacts/x", "{own}/x"),
        ("/a/mlruns/artifacts/b/mlruns/artifacts/x", "{own}/x"),
        # The user's own:
        ("/data/models/x", "/data/models/x"),
        ("file:///data/mlruns/1/artifacts", "file:///data/mlruns/1/artifacts"),
        ("/data/mlruns/artifacts-of-mine/x", "/data/mlruns/artifacts-of-mine/x"),
        ("s3://bucket/mlruns/artifacts/x", "s3://bucket/mlruns/artifacts/x"),
        ("mlflow-artifacts:/mlruns/artifacts/x", "mlflow-artifacts:/mlruns/artifacts/x"),
    ],
)
def test_only_locations_of_a_workspace_are_rebased(tmp_path, stored, rebased):
    registry = Registry(Workspace(tmp_path))
    registry.check()
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", [stored])
    with registry.client() as client:
        assert client.get_experiment("0").artifact_location == rebased.format(own=registry.artifacts.as_uri())


KILLED_MIDWAY = """
import os, signal, sys
from pathlib import Path
from tenure.models.registry import local_store
from tenure.models.registry.registry import Registry
from tenure.core.workspace import Workspace

class Deadly:
    rebased = 0
    def sub(self, *given, **options):
        Deadly.rebased += 1
        if Deadly.rebased == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return pattern.sub(*given, **options)

pattern, local_store.ARTIFACTS = local_store.ARTIFACTS, Deadly()
Registry(Workspace(Path(sys.argv[1]))).check()
"""
RUNS = 20_000  # more than SQLite keeps in memory: it writes some of them before the transaction ends


def test_a_kill_in_the_middle_of_a_rebase_leaves_nothing_half_done(tmp_path):
    workspace = champion_in(tmp_path / "here")
    original = f"{workspace.root.as_uri()}/"
    with closing(sqlite3.connect(workspace.mlruns / "mlflow.db")) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        others = ", ".join(name for name in columns if name != "run_uuid")
        database.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS}) "
            f"INSERT INTO runs (run_uuid, {others}) SELECT printf('%032d', i), {others} FROM n, (SELECT * FROM runs LIMIT 1)"
        )
    moved = Workspace(workspace.root.rename(tmp_path / "moved"))
    for at in (RUNS // 2, *soaked(1, 3, RUNS + 3)):
        command = [sys.executable, "-c", KILLED_MIDWAY, str(moved.root), str(at)]
        source = str(Path(__file__).parents[2] / "src")
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": source}, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert all(location.startswith(original) for location in locations(moved)), (
            "as it was, once SQLite has rolled back"
        )
    works(moved)

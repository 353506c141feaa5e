"""What Tenure writes of people is for its owner alone, unless the workspace says that it is shared."""

import os
import stat
from threading import Thread

import pytest

from tenure.core.errors import UsageError
from tenure.core.lock import sole_writer
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.scoring.review.failures import note_failure


@pytest.fixture(autouse=True)
def everybodys_mask(monkeypatch):
    """A mask as most systems have it, and no team's store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    former = os.umask(0o022)
    yield
    assert os.umask(former) == 0o022, "the process's own mask is back"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(*folders):
    return {path for folder in folders for path in (folder, *folder.rglob("*")) if mode(path) & 0o077}


def test_no_file_or_folder_of_a_run_can_be_read_by_others(quick_shop):
    root = quick_shop.root
    made = [root / "data" / name for name in ("staged", "snapshots", "scores")] + [root / "reports", root / "mlruns"]
    names = {path.name for folder in made for path in folder.rglob("*")}
    assert {"order_lines.parquet", "lapse.csv", "scored_customers.parquet", "04_score.ipynb", "mlflow.db"} <= names
    assert not open_to_others(*made)


def written(workspace):
    """A file of each way of writing: under the lock, in the store, a failure before the lock is taken."""
    with sole_writer(workspace, "shop", "a test"):
        workspace.staged("shop").mkdir(parents=True)
        (workspace.staged("shop") / "orders.parquet").touch()
    Registry(workspace).check()
    note_failure(workspace, "shop", as_of="", doing="tenure run", text="first: ana")
    return [workspace.data, workspace.mlruns, workspace.root / "reports"]


def test_files_are_private_and_raw_files_as_their_owner_left_them(tmp_path):
    raw = tmp_path / "data/raw/shop"
    raw.mkdir(parents=True)
    (raw / "orders.csv").touch()
    _, *others = written(Workspace(tmp_path))
    assert not open_to_others(tmp_path / "data/staged", *others)
    assert (mode(raw), mode(raw / "orders.csv"), mode(tmp_path / "data")) == (0o755, 0o644, 0o755)


def test_a_shared_workspace_keeps_the_systems_mask(tmp_path):
    (tmp_path / "tenure.toml").write_text("shared = true\n")
    data, _, reports = written(Workspace(tmp_path))  # MLflow itself keeps its database private
    for folder in (data, reports):
        assert mode(folder) == 0o755 and {mode(path) for path in folder.rglob("*") if path.suffix != ".lock"} <= {
            0o755,
            0o644,
        }


def test_a_workspace_of_before_is_closed_and_keeps_its_files(tmp_path):
    before = [tmp_path / name / "old" for name in ("data/scores", "reports", "mlruns")]
    for folder in before:
        folder.mkdir(parents=True)
        (folder / "scored.csv").touch()
    written(Workspace(tmp_path))
    assert {mode(folder.parent) for folder in before} == {0o700} and all(
        (path / "scored.csv").exists() for path in before
    )


@pytest.mark.parametrize("text", ["shared = 'yes'", "shared = true\nshard = true", "shared"])
def test_settings_that_say_anything_else_are_refused_before_anything_is_written(tmp_path, text):
    (tmp_path / "tenure.toml").write_text(text)
    with pytest.raises(UsageError, match=r"tenure.toml: "), sole_writer(Workspace(tmp_path), "shop", "a test"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"tenure.toml"}


def test_a_thread_that_ends_first_opens_nothing_for_the_others(tmp_path):
    workspace = Workspace(tmp_path)
    with workspace.owner_only():
        other = workspace.owner_only()
        thread = Thread(target=lambda: [other.__enter__(), other.__exit__(None, None, None)])
        thread.start()
        thread.join()
        (tmp_path / "scored.csv").touch()
    assert mode(tmp_path / "scored.csv") == 0o600

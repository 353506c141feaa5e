"""What is made once for all files and all workers of a test run, to be copied and never changed."""

import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from filelock import FileLock

from tenure.models.registry import local_store, mlflow_store


def made_once(tmp_path_factory, name, make):
    """Give the folder that ``make`` filled: once in a run of the tests, by whichever worker comes first; the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, mark = base / f"shared-{name}", base / f"shared-{name}.made"
    with FileLock(f"{folder}.lock"):
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a worker before this one failed halfway
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch:
                patch.delenv("MLFLOW_TRACKING_URI", raising=False)
                make(folder)
            mark.touch()
    return folder


def copied_stores(tmp_path_factory):
    """Make a new MLflow store a copy of one that MLflow built: its dozens of migrations take more than a second.

    Only where nothing lies yet; commands and kernels that make their own build it.
    """
    build = mlflow_store.create_local_store

    def copy(path: Path, artifacts: Path) -> None:
        if path.parent.is_dir() and any(path.parent.iterdir()):
            return build(path, artifacts)
        folder = made_once(
            tmp_path_factory, "store", lambda folder: build(folder / "mlflow.db", folder / "mlruns/artifacts")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = shutil.copy(folder / "mlflow.db", path.with_name(f".{uuid4()}"))
        local_store.rebase_local_store(fresh, artifacts)
        fresh.replace(path)

    return copy

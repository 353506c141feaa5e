"""A workspace's own MLflow store: one SQLite file, there whole or not at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tenure.workspace import finish_replacements, replaced_file


def create_local_store(path: Path, artifacts: Path) -> None:
    """Build the database beside its place, then put it there; who comes second waits, and finds it.

    MLflow builds it in dozens of migrations, and cannot go on from a kill between two of them.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if path.exists():
            return
        finish_replacements(path.parent, path.name)
        with replaced_file(path) as fresh:
            SqlAlchemyStore(f"sqlite:///{fresh}", str(artifacts)).engine.dispose()
    finally:
        os.close(folder)

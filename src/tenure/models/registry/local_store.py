"""A workspace's own MLflow store: one SQLite file, there whole or not at all, that points to its own workspace's
artefacts.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tenure.core.atomic_files import finish_replacements, replaced_file

# Where MLflow keeps absolute locations of artefacts.
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# Of a workspace, this one's or another's; a user's own location, or one of a server, is of another form.
ARTIFACTS = re.compile(r"(?:file:(?://)?)?(?:/.*)?/mlruns/artifacts(?=/|$)")


def create_local_store(path: Path, artifacts: Path) -> None:
    """Build the database beside its place, then put it there; who comes second waits, and finds it.

    MLflow builds it in dozens of migrations, and cannot go on from a kill between two of them.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        if path.exists():
            return
        finish_replacements(path.parent, path.name)
        with replaced_file(path) as fresh:
            SqlAlchemyStore(f"sqlite:///{fresh}", artifacts.as_uri()).engine.dispose()  # type: ignore[no-untyped-call]  # MLflow's own


def rebase_local_store(path: Path, artifacts: Path) -> None:
    """Let a store that was moved or copied here point to this workspace's artefacts, in one transaction."""
    own = artifacts.as_uri()
    with closing(sqlite3.connect(path)) as database:
        if not any(_elsewhere(database, *location, own) for location in LOCATIONS):
            return
    with _locked(path.parent), closing(sqlite3.connect(path)) as database, database:
        database.create_function("rebased", 1, lambda location: ARTIFACTS.sub(lambda _: own, location, count=1))
        for table, column in LOCATIONS:
            database.execute(
                f"UPDATE {table} SET {column} = rebased({column}) WHERE {_CONDITION.format(column)}", _given(own)
            )


# MLflow decodes a location whether it is an address or a path: one form alone is right for every name of a folder.
_CONDITION = (
    "{0} <> ? AND substr({0}, 1, ?) <> ? AND ({0} LIKE '/%' OR {0} LIKE 'file:/%') "
    "AND ({0} LIKE '%/mlruns/artifacts' OR {0} LIKE '%/mlruns/artifacts/%')"
)


def _given(own: str) -> tuple[str, int, str]:
    return own, len(own) + 1, f"{own}/"


def _elsewhere(database: sqlite3.Connection, table: str, column: str, own: str) -> bool:
    """Say whether a column holds a location of a workspace that is not this one."""
    query = f"SELECT 1 FROM {table} WHERE {_CONDITION.format(column)} LIMIT 1"
    return database.execute(query, _given(own)).fetchone() is not None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)

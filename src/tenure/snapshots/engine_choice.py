"""Which engine builds the tables. Each comes to the same numbers, so what one built the other reuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tenure.core.errors import UnknownNameError
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect
from tenure.sources.staged_source import StagedSource

if TYPE_CHECKING:
    from tenure.snapshots.engines.spark.engine import SparkEngine

DUCKDB, SPARK = ENGINES = ("duckdb", "spark")


def check_engine(name: str) -> str:
    """Return the engine's name; empty means DuckDB, embedded.

    Raises
    ------
    UnknownNameError : no such engine.
    """
    if name and name not in ENGINES:
        raise UnknownNameError("Engine", name, ENGINES)
    return name or DUCKDB


@contextmanager
def open_engine(name: str, staged: StagedSource, folder: Path) -> Iterator[DuckDBEngine | SparkEngine]:
    """Open an engine on staged facts; what it spills or sets aside goes below ``folder`` and is removed.

    Raises
    ------
    UsageError : Spark is not installed or does not answer.
    """
    if name == SPARK:
        from tenure.snapshots.engines.spark.engine import SparkEngine
        from tenure.sources.readers.spark_session import spark_session

        session = spark_session()
        with TemporaryDirectory(prefix=".spark-", dir=folder) as scratch:
            yield SparkEngine(staged, session, Path(scratch))
    else:
        with connect(folder) as connection:
            yield DuckDBEngine(staged, connection)

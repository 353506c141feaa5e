"""A DuckDB that keeps to the memory it is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from tenure.core.errors import RunError
from tenure.core.memory import engine_memory

# There is no file to keep up: a checkpoint would only compress what is read once and dropped.
SETTINGS = {"preserve_insertion_order": "false", "checkpoint_threshold": "1TB"}


@contextmanager
def connect(spill_folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB that keeps to its memory and spills beyond it.

    Raises
    ------
    RunError : what cannot be spilled needs more than that.
    """
    with TemporaryDirectory(prefix="tenure-", dir=spill_folder) as spill:
        connection = duckdb.connect(config={**SETTINGS, "temp_directory": spill, "memory_limit": f"{engine_memory()}B"})
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise RunError(
                f"The engine needs more than the {engine_memory() >> 20:,} MiB it may hold "
                f"({str(error).splitlines()[0]}). Expected a query that can spill: set TENURE_MEMORY higher "
                "(the engine takes half), or build fewer cutoffs at once."
            ) from error
        finally:
            connection.close()


def types_of(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    """Give DuckDB's type of each column of a query."""
    return {name: str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall()}


def type_of(connection: duckdb.DuckDBPyConnection, rows: str, expression: str) -> str:
    """Give DuckDB's type of an expression over rows, which are given in SQL."""
    return types_of(connection, f"SELECT {expression} AS x FROM ({rows})")["x"]

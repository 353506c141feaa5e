"""Under pseudonyms, records that describe persons lie beside the map of ids: whoever reads them knows who is who."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from tenure.core.sql import literal, quoted
from tenure.sources.contract import RECORDS
from tenure.sources.mapping import MappedTable

KEY = "tenure_key"
# What the staged table keeps of a record: whose it is, since when, and which system has it.
TOLD = ("customer_id", "occurred_at", "known_at", "system")


def keep_apart(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], judged: str, scratch: Path, path: Path, key: str
) -> str:
    """Write the staged records whole to ``path``, for its owner alone.

    Return the judged rows without what describes a person.

    The connection writes nowhere but into ``scratch``. ``key`` is that of the staged table: the file lies apart from
    it, and says which it belongs to.
    """
    listed = ", ".join(map(quoted, columns))
    closed = scratch / "private"
    closed.mkdir(mode=0o700)
    connection.execute(
        f"COPY (SELECT {listed} FROM ({judged}) WHERE rule IS NULL) TO {literal(str(closed / path.name))} "
        f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{KEY}: {literal(key)}}})"
    )
    (closed / path.name).chmod(0o600)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    (closed / path.name).replace(path)
    closed.rmdir()
    # NULL, in the column's own type.
    emptied = ", ".join(f"nullif({quoted(c)}, {quoted(c)}) AS {quoted(c)}" for c in columns if c not in TOLD)
    return f"SELECT * REPLACE ({emptied}) FROM ({judged})"


def key_of(path: Path) -> str:
    """Say which staged table private records belong to; empty where there are none."""
    return (pq.read_metadata(path).metadata or {}).get(KEY.encode(), b"").decode() if path.is_file() else ""


def told_of_rejected(mapped: MappedTable) -> tuple[str, ...]:
    """Name the raw columns a rejected row keeps under pseudonyms: those mapped; of a record, those it may show."""
    asked = TOLD if mapped.name == RECORDS else mapped.raw_columns
    return tuple(dict.fromkeys(raw for column in asked for raw in mapped.raw_columns.get(column, ())))

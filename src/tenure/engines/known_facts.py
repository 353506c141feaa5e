"""What a source knew before each day, as one digest: a snapshot stays valid while the digest at its cutoff does."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Any

import duckdb

from tenure.engines.duckdb_session import connect
from tenure.sources.contract import SEEN_AFTER, STAGED_TABLES, UNDATED
from tenure.sources.raw_files import literal
from tenure.sources.staged_source import StagedSource
from tenure.workspace import replaced_file


@dataclass(frozen=True)
class KnownFacts:
    """Staged facts by the last day on which they were unknown: cutoffs after it see them.

    ``tables`` maps each staged table to its ``columns`` with their types, and to its ``days``: ISO day => rows, sum of
    the rows' 64-bit hashes. A sum knows no order, and unlike an exclusive or it tells identical rows from none.
    """

    tables: dict[str, dict[str, Any]]

    def digest(self, cutoff: date) -> str:
        """Give one text for all rows that may be seen at a cutoff: other rows, another text (but for a chance of 2^-64)."""
        seen = []
        for name, (days, rows, hashes) in self._running.items():
            before = bisect_left(days, cutoff.isoformat())
            seen.append([name, self.tables[name]["columns"], rows[before], hashes[before]])
        return blake2b(json.dumps(seen).encode(), digest_size=16).hexdigest()

    @cached_property
    def _running(self) -> dict[str, tuple[list[str], list[int], list[int]]]:
        """Each table's days in order, with the rows and the hashes summed before each of them, and before no more: a digest is asked often."""
        running = {}
        for name, table in sorted(self.tables.items()):
            days = sorted(table["days"])
            counted = [table["days"][day] for day in days]
            rows, hashes = (list(accumulate((pair[i] for pair in counted), initial=0)) for i in (0, 1))
            running[name] = (days, rows, hashes)
        return running


def known_facts(staged: StagedSource) -> KnownFacts:
    """Digest each staged table by day, once per staging: the outcome lies beside the facts and goes with them."""
    path = staged.folder / "known_facts.json"
    if not path.is_file():
        with connect() as connection:
            tables = {name: _by_day(connection, staged, name) for name in staged.tables}
        with replaced_file(path) as fresh:
            fresh.write_text(json.dumps(tables), encoding="utf-8")
    return KnownFacts(json.loads(path.read_text(encoding="utf-8")))


def _by_day(connection: duckdb.DuckDBPyConnection, staged: StagedSource, table: str) -> dict[str, Any]:
    relation = f"read_parquet({literal(str(staged.path(table)))}) fact"
    columns = [row[:2] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    seen = SEEN_AFTER if STAGED_TABLES[table].is_dated else literal(UNDATED)
    rows = connection.execute(
        f"SELECT {seen} AS day, count(*), sum(hash(fact)::HUGEINT) FROM {relation} GROUP BY day ORDER BY day"
    ).fetchall()
    return {
        "columns": [[name, str(kind)] for name, kind in columns],
        "days": {day: [count, hashes] for day, count, hashes in rows},
    }

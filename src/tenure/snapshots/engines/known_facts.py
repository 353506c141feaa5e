"""What a source knew before each day, as one digest: a snapshot stays valid while the digest at its cutoff does."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import accumulate
from typing import Any

from tenure.core.hashing import digest
from tenure.core.sql import literal, parquet
from tenure.core.stored import read_stored, write_stored
from tenure.snapshots.engines.duckdb_session import connect
from tenure.sources.content import digest_by_day
from tenure.sources.contract import SEEN_AFTER, STAGED_TABLES, UNDATED
from tenure.sources.staged_source import KNOWN_FORMAT, StagedSource


@dataclass(frozen=True)
class KnownFacts:
    """Staged facts by the last day on which they were unknown: cutoffs after it see them.

    ``tables`` maps each staged table to its ``columns`` with their types, and to its ``days``: ISO day => rows, sum of
    the rows' 64-bit hashes. A sum knows no order, and unlike an exclusive or it tells identical rows from none.
    """

    tables: dict[str, dict[str, Any]]

    def digest(self, cutoff: date) -> str:
        """Give one text for all rows a cutoff may see: other rows, another text (but for a chance of 2^-64)."""
        seen = []
        for name, (days, rows, hashes) in self._running.items():
            before = bisect_left(days, cutoff.isoformat())
            seen.append([name, self.tables[name]["columns"], rows[before], hashes[before]])
        return digest(*seen)

    @cached_property
    def _running(self) -> dict[str, tuple[list[str], list[int], list[int]]]:
        """Each table's days in order, and the rows and hashes summed before each of them: a digest is asked often."""
        running = {}
        for name, table in sorted(self.tables.items()):
            days = sorted(table["days"])
            counted = [table["days"][day] for day in days]
            rows, hashes = (list(accumulate((pair[i] for pair in counted), initial=0)) for i in (0, 1))
            running[name] = (days, rows, hashes)
        return running


def known_facts(staged: StagedSource) -> KnownFacts:
    """Read the digests by day that staging left beside the facts; of facts that an audit changed they are made here."""
    return KnownFacts({name: _by_day(staged, name) for name in staged.tables})


def _by_day(staged: StagedSource, table: str) -> dict[str, Any]:
    path = staged.known_path(table)
    if not path.is_file():
        seen = SEEN_AFTER if STAGED_TABLES[table].is_dated else literal(UNDATED)
        with connect() as connection:
            write_stored(path, digest_by_day(connection, parquet(staged.path(table)), seen), KNOWN_FORMAT)
    return read_stored(path, KNOWN_FORMAT)

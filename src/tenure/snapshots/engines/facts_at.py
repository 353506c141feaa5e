"""The facts as they were known on one day, as plain tables: what asks here cannot see later ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import duckdb
import pandas as pd

from tenure.core.sql import quoted
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import StagedFacts, tables_with_rows
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.source import Source
from tenure.sources.staged_source import StagedSource


@dataclass(frozen=True, eq=False)
class FactsAt:
    """Staged tables cut at ``as_of``: each a view of its name, with ``age_days`` (1 = yesterday) beside its columns.

    ``tables`` maps those that the source has to their columns. Order lines bring their product's ``category`` and
    ``product_brand``. A row is there once it has both occurred and become known before the as-of.
    ``staged`` tells what was known of subscriptions.
    """

    source: Source
    as_of: date
    tables: Mapping[str, tuple[str, ...]]
    connection: duckdb.DuckDBPyConnection
    staged: StagedFacts

    def query(self, sql: str) -> pd.DataFrame:
        """Ask the views in SQL; times come as naive local time of the business."""
        table: pd.DataFrame = self.connection.execute(sql).df()
        return table


@contextmanager
def facts_at(staged: StagedSource, as_of: date) -> Iterator[FactsAt]:
    """Open the facts known before an as-of."""
    tables = tables_with_rows(staged, as_of)
    with connect() as connection:
        facts = StagedFacts(staged, connection)
        for table in tables:
            if STAGED_TABLES[table].is_dated:
                connection.execute(f"CREATE TEMP VIEW {quoted(table)} AS {facts.known(table, as_of)}")
        yield FactsAt(staged.source, as_of, MappingProxyType(tables), connection, facts)

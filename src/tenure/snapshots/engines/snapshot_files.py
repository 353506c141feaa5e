"""Aggregates, whichever engine built them, to files: joined, filled, rounded and sorted by one DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import duckdb

from tenure.core.atomic_files import replaced_file
from tenure.core.sql import literal, parquet, quoted
from tenure.features.definition import FeatureColumn
from tenure.snapshots.engines.joined_features import joined_features
from tenure.targets.definition import Target

# Customers times cutoffs whose features are joined at once: some 250 columns of 8 bytes each, several times over.
ROWS_AT_A_TIME = 100_000
WRITERS = 2

# Relations of aggregates: the type of each column, by its name.
Built = dict[str, dict[str, str]]


def write_snapshots(
    connection: duckdb.DuckDBPyConnection,
    targets: Sequence[Target],
    columns: Sequence[FeatureColumn],
    aggregates: Built,
    cutoffs: Sequence[date],
    paths: Mapping[date, Path],
) -> None:
    """Write one file per cutoff from the relations ``population`` and ``aggregates``; each is there once it is whole.

    customer_id, cutoff, eligible__<target> ..., feature columns; in the order of customer_id.
    """

    def write(batch: Sequence[date]) -> None:
        with connection.cursor() as own:
            query = joined_features(targets, columns, aggregates, batch)
            rows = f"({query})"
            if len(batch) > 1:
                own.execute(f"CREATE TEMP TABLE snapshot AS {query}")
                rows = "snapshot"
            for cutoff in batch:
                with replaced_file(paths[cutoff]) as fresh:
                    own.execute(
                        f"""
                        COPY (
                            SELECT *
                            FROM {rows}
                            WHERE cutoff = DATE '{cutoff}'
                            ORDER BY customer_id
                        ) TO {literal(str(fresh))} (FORMAT parquet, COMPRESSION zstd)
                        """
                    )

    # A sorted file is written by one thread.
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, _batches(connection, cutoffs)))


def write_labels(
    connection: duckdb.DuckDBPyConnection, target: Target, outcome: str, snapshot: Path, path: Path
) -> None:
    """Write the labels of a snapshot's eligible customers: customer_id, label; in the order of customer_id.

    ``outcome`` gives the SQL of ``customer_id, label`` of those who have rows in the outcome window.
    """
    connection.execute(
        f"""
        COPY (
            SELECT customer_id, CAST(coalesce(outcome.label, {int(target.outcome.when_no_rows)}) AS TINYINT) AS label
            FROM (SELECT customer_id FROM {parquet(snapshot)} WHERE {quoted(f"eligible__{target.name}")})
            LEFT JOIN ({outcome}) outcome USING (customer_id)
            ORDER BY customer_id
        ) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)
        """
    )


def _batches(connection: duckdb.DuckDBPyConnection, cutoffs: Sequence[date]) -> Iterator[list[date]]:
    """Split the cutoffs so that joining all features of a batch fits into memory; the aggregates can spill."""
    rows = dict(connection.execute("SELECT cutoff, count(*) FROM population GROUP BY cutoff").fetchall())
    batch: list[date] = []
    for cutoff in cutoffs:
        if batch and sum(rows.get(c, 0) for c in [*batch, cutoff]) > ROWS_AT_A_TIME:
            yield batch
            batch = []
        batch.append(cutoff)
    yield batch

"""Who and how much was known of a source before a day: customers named, customers contacted, rows per day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from tenure.core.sql import parquet
from tenure.features.contacts import IS_SENT
from tenure.identity.events import identity_before
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.staged_source import StagedSource


def known_customers(staged: StagedSource, as_of: date) -> pd.DataFrame:
    """List every customer named by any fact known before the as-of: customer_id, in order; a person of several once."""
    with connect() as connection:
        named = connection.execute(
            f"""
            SELECT customer_id
            FROM ({_first_known(staged)})
            WHERE first_known < DATE '{as_of}'
            ORDER BY customer_id
            """
        ).df()
    others = identity_before(staged.identity_events, as_of)
    return named[~named["customer_id"].isin(others.keys())].reset_index(drop=True)


def contacted_customers(staged: StagedSource, as_of: date, first: date, end: date) -> set[str] | None:
    """Name the customers treated in ``[first, end)``, as known at the as-of; None where the source has no contacts."""
    if "contacts" not in tables_with_rows(staged, as_of):
        return None
    with connect() as connection:
        rows = connection.execute(
            f"""
            SELECT DISTINCT customer_id
            FROM {parquet(staged.path("contacts"))}
            WHERE occurred_at >= DATE '{first}'
                AND occurred_at < DATE '{end}'
                AND known_at < DATE '{as_of}'
                AND {IS_SENT}
            """
        ).fetchall()
    return {row[0] for row in rows}


def rows_per_day(staged: StagedSource, as_of: date) -> dict[str, pd.Series]:
    """Count each table's rows by the day they were known, before the as-of.

    => by table: rows by date, days without any left out
    """
    with connect() as connection:
        counts = {
            table: connection.execute(
                f"""
                SELECT CAST(known_at AS DATE) AS day, count(*) AS rows
                FROM {parquet(staged.path(table))}
                WHERE known_at < DATE '{as_of}'
                GROUP BY day
                ORDER BY day
                """
            ).df()
            for table in staged.dated
        }
    return {table: found.set_index("day")["rows"] for table, found in counts.items()}


def count_known_customers(staged: StagedSource, cutoffs: Sequence[date]) -> dict[date, int]:
    """Count the customers named by any fact known before each cutoff."""
    counts = ", ".join(f"count(*) FILTER (WHERE first_known < DATE '{cutoff}')" for cutoff in cutoffs)
    with connect() as connection:
        found = connection.execute(f"SELECT {counts} FROM ({_first_known(staged)})").fetchall()[0]
    return dict(zip(cutoffs, found, strict=True))


def _first_known(staged: StagedSource) -> str:
    """Give the SQL of customer_id, first_known: when any fact first named the customer."""
    tables = " UNION ALL ".join(
        f"SELECT customer_id, known_at FROM {parquet(staged.path(table))}" for table in tables_with_rows(staged)
    )
    return f"SELECT customer_id, min(known_at) AS first_known FROM ({tables}) GROUP BY customer_id"

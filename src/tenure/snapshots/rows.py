"""Rows of snapshots: a target's eligible customers at some cutoffs, with features and labels, read or only counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pandas as pd

from tenure.core.sql import literal, parquet, quoted
from tenure.features.definition import FeatureColumn
from tenure.features.expression import over_known_columns
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.known_customers import count_known_customers
from tenure.targets.definition import Heuristic, Target

# Of a target none of whose heuristics tells its customers apart.
NONE = Heuristic("NULL", "none")


def read_rows(
    snapshots: Snapshots,
    target: Target,
    cutoffs: Sequence[date],
    columns: Sequence[FeatureColumn],
    *,
    labels: bool = True,
    max_customers: int | None = None,
    max_rows: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Read a target's snapshots, stacked; what is missing is built first.

    => customer_id, cutoff, [label,] heuristic_score, revenue, feature columns; one row per eligible customer and
    cutoff, ordered by cutoff, then customer.

    ``heuristic_score`` is what the first of the target's heuristics that tells them apart ranks by, null where none
    does; ``revenue`` is what the customer brought, in the
    source's currency. Beyond ``max_customers`` customers, or ``max_rows`` rows, a seeded sample of customers is read,
    each with all its cutoffs: every customer has the same chance, so rows keep their weight of one.

    Raises
    ------
    NotEnoughDataError : labels are asked for, and an outcome window passes the as-of.
    """
    snapshots.build_features(cutoffs)
    heuristic = next(iter(telling_heuristics(snapshots, target, cutoffs)), NONE)
    stacked = " UNION ALL ".join(
        _asked(snapshots, target, cutoff, columns, heuristic, labels=labels) for cutoff in cutoffs
    )
    limits = [f"row_number() OVER drawn <= {max_customers}"] if max_customers else []
    limits += [f"sum(count(*)) OVER drawn <= {max_rows}"] if max_rows else []
    if limits:
        stacked = f"""
            SELECT *
            FROM ({stacked})
            SEMI JOIN (
                SELECT customer_id
                FROM ({stacked})
                GROUP BY customer_id
                WINDOW drawn AS (ORDER BY hash(customer_id || '{seed}'), customer_id ROWS UNBOUNDED PRECEDING)
                QUALIFY {" AND ".join(limits)}
            ) USING (customer_id)
        """
    with connect() as connection:
        table: pd.DataFrame = connection.execute(f"SELECT * FROM ({stacked}) ORDER BY cutoff, customer_id").df()
    return table


def read_in_chunks(
    snapshots: Snapshots, target: Target, cutoff: date, columns: Sequence[FeatureColumn], rows: int
) -> Iterator[pd.DataFrame]:
    """Read one cutoff as ``read_rows`` does, without labels, so many ``rows`` at a time.

    Not all customers need fit into memory.
    """
    snapshots.build_features([cutoff])
    heuristic = next(iter(telling_heuristics(snapshots, target, [cutoff])), NONE)
    query = _asked(snapshots, target, cutoff, columns, heuristic, labels=False)
    with connect() as connection:
        for batch in connection.sql(f"{query} ORDER BY customer_id").to_arrow_reader(rows):
            yield batch.to_pandas()


def telling_heuristics(snapshots: Snapshots, target: Target, cutoffs: Sequence[date]) -> tuple[Heuristic, ...]:
    """Return the target's heuristics that tell customers apart at these cutoffs, whose snapshots are there, in its order.

    One that names a column which the source cannot answer, or is constant, does not.
    """
    known = {column.name for column in snapshots.columns}
    possible = [each for each in target.heuristics if each.columns <= known]
    paths = ", ".join(literal(str(snapshots.features_path(cutoff))) for cutoff in cutoffs)
    asked = f"FROM read_parquet([{paths}]) WHERE {quoted(f'eligible__{target.name}')}"
    found = []
    with connect() as connection:
        for each in possible:
            score = f"CAST({over_known_columns(target.fill(each.expression), known)} AS DOUBLE)"
            if connection.execute(f"SELECT min({score}) < max({score}) {asked}").fetchall()[0][0]:
                found.append(each)
    return tuple(found)


def _asked(
    snapshots: Snapshots,
    target: Target,
    cutoff: date,
    columns: Sequence[FeatureColumn],
    heuristic: Heuristic,
    *,
    labels: bool,
) -> str:
    """Give the SQL of one cutoff's eligible customers: keys, label, heuristic, revenue, features."""
    known = {column.name for column in snapshots.columns}
    join = ""
    if labels:
        snapshots.build_labels(target, [cutoff])
        join = f"JOIN {parquet(snapshots.labels_path(target, cutoff))} outcome USING (customer_id)"
    return f"""
        SELECT
            customer_id,
            cutoff,
            {"label," if labels else ""}
            CAST({over_known_columns(target.fill(heuristic.expression), known)} AS DOUBLE) AS heuristic_score,
            coalesce(CAST({over_known_columns(target.revenue or "NULL", known)} AS DOUBLE), 0) AS revenue,
            {", ".join(quoted(column.name) for column in columns)}
        FROM {parquet(snapshots.features_path(cutoff))} snapshot
        {join}
        WHERE {quoted(f"eligible__{target.name}")}
    """


def count_eligible(snapshots: Snapshots, target: Target, cutoffs: Sequence[date]) -> dict[date, int]:
    """Count a target's eligible customers at each of these cutoffs; none where a snapshot is not there."""
    counts = dict.fromkeys(cutoffs, 0)
    there = [path for path in map(snapshots.features_path, cutoffs) if path.is_file()]
    if there:
        paths = ", ".join(literal(str(path)) for path in there)
        eligible = quoted(f"eligible__{target.name}")
        with connect() as connection:
            counts |= connection.execute(
                f"SELECT cutoff, count(*) FROM read_parquet([{paths}]) WHERE {eligible} GROUP BY cutoff"
            ).fetchall()
    return counts


def count_funnel(snapshots: Snapshots, target: Target, cutoffs: Sequence[date]) -> pd.DataFrame:
    """Count customers per cutoff; its labels must have been built.

    => cutoff, known (named by any fact before the cutoff), eligible, positives, base_rate
    """
    rows = []
    known = count_known_customers(snapshots.staged, cutoffs)
    with connect() as connection:
        for cutoff in cutoffs:
            labels = parquet(snapshots.labels_path(target, cutoff))
            query = f"SELECT count(*), coalesce(sum(label), 0) FROM {labels}"
            eligible, positives = connection.execute(query).fetchall()[0]
            rows.append((cutoff, known[cutoff], int(eligible), int(positives)))
    table = pd.DataFrame(rows, columns=["cutoff", "known", "eligible", "positives"])
    table["base_rate"] = table["positives"] / table["eligible"].clip(lower=1)
    return table

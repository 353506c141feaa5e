"""What an effect is learnt from: one row per assigned contact, with what was known of its customer before that day."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from tenure.core.sql import parquet, quoted
from tenure.features.definition import FeatureColumn
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect

KEYS = ("customer_id", "assigned_at", "is_treated", "chance", "outcome")


def with_features(snapshots: Snapshots, assigned: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Add the features of each assignment's day to it: of facts known before that day, earlier contacts among them.

    assigned: customer_id, assigned_at (day), is_treated, chance (of what it got), outcome; further columns are kept

    => the same rows in their order, with the feature columns (numbers as float32, to fit a million rows into memory);
       the names of those that vary. Who was not known before the day has none.
    """
    everybody = replace(snapshots, of_everybody=True)
    days = sorted({day.date() for day in assigned["assigned_at"]})
    everybody.build_features(days)
    paths = [parquet(everybody.features_path(day)) for day in days]
    taken = ", ".join(f"{_small(column)} AS {quoted(column.name)}" for column in everybody.columns)
    with connect() as connection:
        connection.register("assigned", assigned[["customer_id", "assigned_at"]].assign(place=range(len(assigned))))
        found = connection.execute(
            f"""
            SELECT {taken}
            FROM assigned
            LEFT JOIN ({" UNION ALL ".join(f"SELECT * FROM {path}" for path in paths)}) known
                ON known.customer_id = assigned.customer_id AND known.cutoff = CAST(assigned.assigned_at AS DATE)
            ORDER BY place"""
        ).df()
    told = [name for name in found if found[name].nunique() > 1]
    return pd.concat([assigned.reset_index(drop=True), found[told]], axis=1), told


def _small(column: FeatureColumn) -> str:
    name = f"known.{quoted(column.name)}"
    return name if column.unit == "category" else f"CAST({name} AS FLOAT)"

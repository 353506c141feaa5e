"""The lead-time sweep by table: how good a model would be if the facts of one table were known some days later."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from tenure.audit.copies import with_tables
from tenure.audit.labels import CLIFF
from tenure.audit.problem import AuditProblem
from tenure.core.auc import auc_with_interval
from tenure.core.sql import parquet
from tenure.models.training_result import TrainingResult
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect

DELAYS = (1, 7, 28)


def table_sweep(snapshots: Snapshots, result: TrainingResult, tables: Collection[str]) -> pd.DataFrame:
    """Build the snapshot of T with one table's facts known later, and test the same model on it.

    Asked are the customers who are eligible all the same, which ``auc_on_time`` is of, too.
    => table, delay_days, eligible, auc_on_time, auc, low, high
    """
    rows = []
    on_time = result.test.set_index("customer_id")[["label", "propensity"]]
    with connect() as connection, snapshots.scratch() as scratch:
        for table in sorted(tables):
            for days in DELAYS:
                late = f"SELECT * REPLACE (known_at + INTERVAL {days} DAY AS known_at) FROM {parquet(snapshots.staged.path(table))}"
                staged = with_tables(connection, snapshots.staged, Path(scratch) / f"{table}-{days}", {table: late})
                path = staged.folder / "snapshot.parquet"
                engine = DuckDBEngine(staged, connection)
                engine.build_snapshot([result.target], snapshots.columns, [result.plan.test], {result.plan.test: path})
                found = pd.read_parquet(path).set_index("customer_id")
                found = found[found[f"eligible__{result.target.name}"]]
                asked = on_time.loc[on_time.index.intersection(found.index)]
                if asked["label"].nunique() < 2:
                    continue
                auc = auc_with_interval(asked["label"].to_numpy(), result.model.propensities(found.loc[asked.index]))
                before = auc_with_interval(asked["label"].to_numpy(), asked["propensity"].to_numpy()).value
                rows.append((table, days, len(asked), before, auc.value, auc.low, auc.high))
    return pd.DataFrame(rows, columns=["table", "delay_days", "eligible", "auc_on_time", "auc", "low", "high"])


def table_sweep_problems(result: TrainingResult, sweep: pd.DataFrame) -> list[AuditProblem]:
    """Report a table without whose last day the model is much worse: rows dated back gather there."""
    return [
        AuditProblem(
            check="lead-time sweep by table",
            code="last_day",
            level="error",
            kind="table",
            subject=row.table,
            found=f"AUC falls from {row.auc_on_time:.3f} to {row.auc:.3f} at {result.plan.test} when its facts are known a day later",
            expected=f"a fall of less than {CLIFF:.2f}",
            to_do="Its facts just before the cutoff give the outcome away: look at how they are dated, and bring known_at.",
        )
        for row in sweep[sweep["delay_days"] == min(DELAYS)].itertuples()
        if row.auc_on_time - row.auc >= CLIFF
    ]

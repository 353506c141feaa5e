"""The label audit: who was asked, how often the answer was yes, and how much that depends on the definition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from scipy.stats import binomtest

from tenure.audit.problem import AuditProblem
from tenure.core.auc import CONFIDENCE, auc_with_interval
from tenure.core.time_windows import grid_dates
from tenure.models.training_result import TrainingResult
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_engine import DuckDBEngine
from tenure.snapshots.engines.duckdb_session import connect
from tenure.targets.definition import Target

LEADS = (0, 1, 7, 14)
# By which a number of the definition is changed to see what depends on it.
FACTORS = (0.5, 1.0, 1.5)
# A drop this large from the first day to the next means that the day itself gives the label away.
CLIFF = 0.10


def funnel_with_intervals(funnel: pd.DataFrame) -> pd.DataFrame:
    """Add the 95 % Wilson interval of each base rate. => cutoff, known, eligible, positives, base_rate, low, high"""
    rates = [
        binomtest(int(p), max(int(n), 1)).proportion_ci(CONFIDENCE, method="wilson")
        for p, n in zip(funnel["positives"], funnel["eligible"], strict=True)
    ]
    return funnel.assign(low=[rate.low for rate in rates], high=[rate.high for rate in rates])


def labels_of(snapshots: Snapshots, target: Target, cutoff: date, *, own_eligible: bool = True) -> pd.Series:
    """Build the labels of a changed definition at one cutoff. index: customer_id

    Asked of the customers eligible under the source's own definition, or under the changed one.
    """
    with snapshots.scratch() as scratch, connect() as connection:
        engine = DuckDBEngine(snapshots.staged, connection)
        asked = snapshots.features_path(cutoff)
        if not own_eligible:
            asked = Path(scratch) / "eligible.parquet"
            engine.build_snapshot([target], [], [cutoff], {cutoff: asked})
        path = Path(scratch) / "labels.parquet"
        engine.build_labels(target, cutoff, snapshots.as_of, asked, path)
        return pq.read_table(path).to_pandas().set_index("customer_id")["label"]


def sensitivity(snapshots: Snapshots, target: Target, cutoff: date) -> pd.DataFrame:
    """Say how the base rate moves with each number of the definition, where its outcomes are certain.

    => number, value, is_own (the source's own value), eligible, base_rate
    """
    rows = []
    for name, own in target.numbers.items():
        if not isinstance(own, int) or own == 0 or name in ("lead_days", "label_lag_days"):
            continue
        for value in dict.fromkeys(max(1, round(own * factor)) for factor in FACTORS):
            changed = target.override({name: value}, "The label audit")
            if changed.window.is_matured(cutoff, snapshots.as_of):
                labels = labels_of(snapshots, changed, cutoff, own_eligible=False)
                rows.append((name, value, value == own, len(labels), float(labels.mean()) if len(labels) else None))
    return pd.DataFrame(rows, columns=["number", "value", "is_own", "eligible", "base_rate"])


def unmatured_cutoffs(snapshots: Snapshots, result: TrainingResult) -> list[date]:
    """List the cutoffs after T that were left out: their outcomes are not certain at the as-of."""
    later = grid_dates(result.plan.test, snapshots.as_of, result.plan.grid)
    return [cutoff for cutoff in later if not result.target.window.is_matured(cutoff, snapshots.as_of)]


def duplicate_problems(snapshots: Snapshots, result: TrainingResult) -> list[AuditProblem]:
    """Name the cutoffs at which a customer has more than one label: each row must be one customer."""
    problems = []
    for cutoff in result.plan.all:
        customers = pq.read_table(snapshots.labels_path(result.target, cutoff), columns=["customer_id"]).to_pandas()
        repeated = customers[customers["customer_id"].duplicated()]["customer_id"]
        if len(repeated):
            problems.append(
                AuditProblem(
                    check="label audit",
                    code="repeated_labels",
                    level="error",
                    kind="target",
                    subject=result.target.name,
                    found=f"{len(repeated):,} customers have more than one label at {cutoff} "
                    f"(first: {repeated.iloc[0]})",
                    expected="one row per customer and cutoff",
                    to_do="Look at the target's outcome and at the mapping of customer_id.",
                )
            )
    return problems


def lead_time_sweep(snapshots: Snapshots, result: TrainingResult) -> pd.DataFrame:
    """Move the outcome window away from the cutoff and test the same propensities.

    => lead_days, eligible, auc, low, high
    """
    propensities = result.test.set_index("customer_id")["propensity"]
    rows = []
    for lead in LEADS:
        changed = replace(result.target, lead_days=result.target.lead_days + lead)
        if not changed.window.is_matured(result.plan.test, snapshots.as_of):
            break
        labels = labels_of(snapshots, changed, result.plan.test)
        auc = auc_with_interval(labels.to_numpy(), propensities.loc[labels.index].to_numpy())
        rows.append((changed.lead_days, len(labels), auc.value, auc.low, auc.high))
    return pd.DataFrame(rows, columns=["lead_days", "eligible", "auc", "low", "high"])


def sweep_problems(result: TrainingResult, sweep: pd.DataFrame) -> list[AuditProblem]:
    """Report an AUC that falls from the first day of the outcome window to the second."""
    if len(sweep) < 2 or sweep["auc"].iloc[0] - sweep["auc"].iloc[1] < CLIFF:
        return []
    first, second = sweep.iloc[0], sweep.iloc[1]
    return [
        AuditProblem(
            check="lead-time sweep",
            code="first_day",
            level="error",
            kind="target",
            subject=result.target.name,
            found=f"AUC falls from {first.auc:.3f} to {second.auc:.3f} when the outcome window begins a day later "
            f"(test cutoff {result.plan.test})",
            expected=f"a fall of less than {CLIFF:.2f}",
            to_do="Something of the first day is known at the cutoff: look at facts dated at midnight, "
            "and at known_at.",
        )
    ]

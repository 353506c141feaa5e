"""The label audit: who was asked, how often the answer was yes, and how much that depends on the definition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from scipy.stats import binomtest

from tenure.audit.finding import Finding
from tenure.engines.duckdb_engine import DuckDBEngine, connect
from tenure.models.evaluate import CONFIDENCE, auc_with_interval
from tenure.models.study import Study
from tenure.snapshots import Snapshots
from tenure.targets.definition import Target

LEADS = (0, 1, 7, 14)
# A drop this large from the first day to the next means that the day itself gives the label away.
CLIFF = 0.10


def funnel_with_intervals(funnel: pd.DataFrame) -> pd.DataFrame:
    """Add the 95 % Wilson interval of each base rate. => cutoff, known, eligible, positives, base_rate, low, high"""
    rates = [
        binomtest(int(p), max(int(n), 1)).proportion_ci(CONFIDENCE, method="wilson")
        for p, n in zip(funnel["positives"], funnel["eligible"], strict=True)
    ]
    return funnel.assign(low=[rate.low for rate in rates], high=[rate.high for rate in rates])


def labels_of(snapshots: Snapshots, target: Target, cutoff: date) -> pd.Series:
    """Build the labels of a changed definition at one cutoff, of the customers eligible under the source's own. index: customer_id"""
    with snapshots.scratch() as scratch, connect() as connection:
        path = Path(scratch) / "labels.parquet"
        DuckDBEngine(snapshots.staged, connection).build_labels(
            target, cutoff, snapshots.as_of, snapshots.features_path(cutoff), path
        )
        return pq.read_table(path).to_pandas().set_index("customer_id")["label"]


def sensitivity(snapshots: Snapshots, target: Target, cutoff: date) -> pd.DataFrame:
    """Say how the base rate moves with the horizon, where its outcomes are certain. => horizon_days, eligible, base_rate"""
    rows = []
    for factor in (0.5, 0.75, 1.0, 1.5):
        changed = replace(target, horizon_days=max(1, round(target.horizon_days * factor)))
        if changed.window.is_matured(cutoff, snapshots.as_of):
            labels = labels_of(snapshots, changed, cutoff)
            rows.append((changed.horizon_days, len(labels), float(labels.mean())))
    return pd.DataFrame(rows, columns=["horizon_days", "eligible", "base_rate"])


def lead_time_sweep(snapshots: Snapshots, study: Study) -> pd.DataFrame:
    """Move the outcome window away from the cutoff and test the same propensities. => lead_days, eligible, auc, low, high"""
    propensities = study.test.set_index("customer_id")["propensity"]
    rows = []
    for lead in LEADS:
        changed = replace(study.target, lead_days=study.target.lead_days + lead)
        if not changed.window.is_matured(study.plan.test, snapshots.as_of):
            break
        labels = labels_of(snapshots, changed, study.plan.test)
        auc = auc_with_interval(labels.to_numpy(), propensities.loc[labels.index].to_numpy())
        rows.append((changed.lead_days, len(labels), auc.value, auc.low, auc.high))
    return pd.DataFrame(rows, columns=["lead_days", "eligible", "auc", "low", "high"])


def sweep_findings(study: Study, sweep: pd.DataFrame) -> list[Finding]:
    """Flag a cliff at the first day."""
    if len(sweep) < 2 or sweep["auc"].iloc[0] - sweep["auc"].iloc[1] < CLIFF:
        return []
    first, second = sweep.iloc[0], sweep.iloc[1]
    return [
        Finding(
            "lead-time sweep", "alarm", study.target.name,
            f"AUC falls from {first.auc:.3f} to {second.auc:.3f} when the outcome window begins a day later (test cutoff {study.plan.test})",
            f"a fall of less than {CLIFF:.2f}",
            "Something of the first day is known at the cutoff: look at facts dated at midnight, and at known_at.",
        )
    ]  # fmt: skip

"""Freshness of truth: a value that is overwritten knows more about an old cutoff than about the newest one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from tenure.audit.lineage import lift_carried
from tenure.audit.problem import AuditProblem
from tenure.audit.univariate import univariate_auc
from tenure.core.auc import Auc
from tenure.features.definition import FeatureColumn
from tenure.models.training_result import TrainingResult
from tenure.models.verdict import CARRIES
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows

# So much of the AUC an attribute loses from the oldest fitting cutoffs to T, where its values know less.
FALL = 0.10
ENOUGH_POSITIVES = 50
# Texts with more different values tell customers apart by themselves.
FEW_LEVELS = 30


def freshness_problems(snapshots: Snapshots, result: TrainingResult) -> list[AuditProblem]:
    """Report attributes of customers whose AUC by itself falls sharply from the oldest cutoffs to T.

    Only what a row says of a customer can be overwritten without a trace; counts of dated rows change as history grows.
    A fall counts beyond what chance does in one of twenty audits, however many attributes are asked.
    """
    used = set(result.model.feature_names)
    attributes = [c for c in snapshots.columns if c.name in used and c.table == "customers" and not c.is_row_wise]
    old = _oldest(snapshots, result, attributes) if attributes else None
    if old is None:
        return []
    beyond = NormalDist().inv_cdf(1 - 0.05 / len(attributes))
    problems = []
    for column in attributes:
        then, now = (_auc_alone(table[column.name], table["label"]) for table in (old, result.test))
        fall = then.value - now.value
        if fall < FALL or fall <= beyond * np.hypot(_error(then), _error(now)):
            continue
        problems.append(
            AuditProblem(
                check="freshness of truth",
                code="overwritten",
                level="error" if lift_carried(result, [column.name]) >= CARRIES else "warning",
                kind="feature",
                subject=column.name,
                found=f"AUC {then.value:.3f} by itself at {pd.Timestamp(old['cutoff'].min()).date()} and {now.value:.3f} at "
                f"{result.plan.test}",
                expected=f"a fall of less than {FALL:.2f}, or one that chance explains",
                to_do="A value overwritten since knows what came after an old cutoff: deliver its changes as dated rows, or "
                "leave it out.",
            )
        )
    return problems


def _oldest(snapshots: Snapshots, result: TrainingResult, columns: Sequence[FeatureColumn]) -> pd.DataFrame | None:
    """Read the oldest fitting cutoffs that together have enough positives; None where only all of them would."""
    tables: list[pd.DataFrame] = []
    for cutoff in result.plan.fitting[: len(result.plan.fitting) // 2 + 1]:
        tables.append(read_rows(snapshots, result.target, [cutoff], columns))
        if sum(table["label"].sum() for table in tables) >= ENOUGH_POSITIVES:
            return pd.concat(tables, ignore_index=True)
    return None


def _auc_alone(values: pd.Series, labels: pd.Series) -> Auc:
    if not pd.api.types.is_numeric_dtype(values):
        levels = values.fillna("(unknown)").astype(str)
        if levels.nunique() > FEW_LEVELS:
            return Auc(0.5, 0.5, 0.5)
        values = labels.groupby(levels.to_numpy()).transform("mean")
    return univariate_auc(values, labels)


def _error(auc: Auc) -> float:
    return (auc.high - auc.low) / 2 / NormalDist().inv_cdf(0.975)

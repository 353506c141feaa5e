"""Too good alone: a feature that nearly gives the label away by itself has usually seen it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tenure.audit.problem import AuditProblem
from tenure.core.auc import Auc, auc_with_interval

SUSPICIOUS_AUC = 0.95
AHEAD_OF_NEXT = 0.10
# A mark of absence that ranks customers this far from chance says something.
TELLING = 0.05


def univariate_aucs(
    fitting: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame, test_labels: np.ndarray, names: Sequence[str]
) -> pd.DataFrame:
    """Rank features by the AUC each reaches alone at the test cutoff. => feature, auc (.5 to 1), descending

    ``fitting`` holds the text features of the fitting rows, with their ``labels``.

    A number ranks by its value, unknown as the lowest or the highest, in the better direction; a text by the label rate
    of its level among the fitting rows.
    """
    rows = [(name, _univariate(fitting.get(name), labels, test[name], test_labels)) for name in names]
    table = pd.DataFrame(rows, columns=["feature", "auc"])
    return table.sort_values(["auc", "feature"], ascending=[False, True], ignore_index=True)


def _univariate(fitting: pd.Series | None, labels: np.ndarray, test: pd.Series, test_labels: np.ndarray) -> float:
    if fitting is not None:
        rates = pd.Series(labels).groupby(fitting.fillna("(unknown)").to_numpy()).mean()
        scores = test.fillna("(unknown)").map(rates).astype(float).fillna(float(labels.mean())).to_numpy()
        return _either_way(test_labels, scores).value
    return univariate_auc(test, test_labels).value


def univariate_auc(values: pd.Series, labels: np.ndarray | pd.Series) -> Auc:
    """Rank by a number alone, unknown as the lowest or the highest, in the better direction."""
    numbers, asked = values.to_numpy(dtype=float), np.asarray(labels, dtype=int)
    unknown = np.isnan(numbers)
    if unknown.all():
        return Auc(0.5, 0.5, 0.5)
    ends = (np.nanmin(numbers) - 1, np.nanmax(numbers) + 1) if unknown.any() else (0.0,)
    return max((_either_way(asked, np.where(unknown, end, numbers)) for end in ends), key=lambda auc: auc.value)


def _either_way(labels: np.ndarray, scores: np.ndarray) -> Auc:
    auc = auc_with_interval(labels, scores)
    return auc if auc.value >= 0.5 else Auc(1 - auc.value, 1 - auc.high, 1 - auc.low)


def univariate_problems(ranked: pd.DataFrame, cutoff: object) -> list[AuditProblem]:
    """Name the features with a univariate AUC of at least .95 that lie .10 above the best of the others."""
    suspicious = ranked[ranked["auc"] >= SUSPICIOUS_AUC]
    others = ranked[ranked["auc"] < SUSPICIOUS_AUC]["auc"]
    best_other = float(others.max()) if len(others) else 0.5
    return [
        AuditProblem(
            check="too good alone",
            code="too_good_alone",
            level="error",
            kind="feature",
            subject=row.feature,
            found=f"AUC {row.auc:.3f} by itself at {cutoff}; the best of the others reaches {best_other:.3f}",
            expected=f"below {SUSPICIOUS_AUC} or within {AHEAD_OF_NEXT:.2f} of the others",
            to_do="Look where the column comes from: an end date, a status written later, or the label in other words. "
            "Leave it out, or say when it was known.",
        )
        for row in suspicious.itertuples()
        if row.auc >= best_other + AHEAD_OF_NEXT
    ]


def missing_proxies(test: pd.DataFrame, labels: np.ndarray, names: Sequence[str], cutoff: object) -> list[AuditProblem]:
    """Warn of numbers that rank only by being unknown: known values rank no better than chance, their absence does."""
    problems = []
    for name in names:
        unknown = test[name].isna().to_numpy()
        values = test[name].to_numpy()
        if (
            not pd.api.types.is_numeric_dtype(test[name])
            or min(_of_both(labels), _of_both(labels[~unknown]), _of_both(unknown)) < 2
        ):
            continue
        absence = auc_with_interval(labels, unknown.astype(float))
        known = auc_with_interval(labels[~unknown], values[~unknown].astype(float))
        if (
            abs(absence.value - 0.5) >= TELLING
            and not absence.low <= 0.5 <= absence.high
            and known.low <= 0.5 <= known.high
        ):
            problems.append(
                AuditProblem(
                    check="proxy for missing data",
                    code="missing_data",
                    level="warning",
                    kind="feature",
                    subject=name,
                    found=f"unknown for {unknown.mean():.0%} of customers, and that alone has AUC "
                    f"{max(absence.value, 1 - absence.value):.3f} at {cutoff}; among the known its value has "
                    f"{known.value:.3f} ({known.low:.3f} to {known.high:.3f})",
                    expected="a value that tells something",
                    to_do="Ask why it is unknown: the reason is the signal, "
                    "and may change with how data are collected.",
                )
            )
    return problems


def _of_both(labels: np.ndarray) -> int:
    """Count the rarer of two classes."""
    positives = int(np.sum(labels))
    return min(positives, len(labels) - positives)

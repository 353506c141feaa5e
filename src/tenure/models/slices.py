"""Where a model works and where it fails: its metrics per slice of the customers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tenure.core.auc import auc_with_interval

# A slice smaller than this says nothing; one level more than these is read by its largest.
MIN_SLICE_POSITIVES = 10
MAX_LEVELS = 8
PARTS = ("lowest third", "middle third", "highest third")


def evaluate_slices(test: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Evaluate propensities per slice of the test customers.

    label, propensity, columns => slice, level, customers, positives, base_rate, mean_propensity, auc, auc_low,
    auc_high, segment;
    a number is cut into thirds, a text into its levels; only slices with at least ten positives and ten negatives.
    ``segment`` repeats ``slice`` under its former name for one more version.
    """
    rows = []
    for column in columns:
        levels = _levels(test[column])
        for level in levels.dropna().unique():
            part = test[(levels == level).to_numpy()]
            positives = int(part["label"].sum())
            if min(positives, len(part) - positives) < MIN_SLICE_POSITIVES or len(part) == len(test):
                continue
            auc = auc_with_interval(part["label"].to_numpy(), part["propensity"].to_numpy())
            rows.append(
                (
                    column,
                    str(level),
                    len(part),
                    positives,
                    positives / len(part),
                    float(part["propensity"].mean()),
                    auc.value,
                    auc.low,
                    auc.high,
                )
            )
    names = ["slice", "level", "customers", "positives", "base_rate", "mean_propensity", "auc", "auc_low", "auc_high"]
    # Thirds in their order, texts by the alphabet.
    table = pd.DataFrame(rows, columns=names).sort_values(["slice", "level"], key=_in_order, ignore_index=True)
    return table.assign(segment=table["slice"])


def _in_order(column: pd.Series) -> pd.Series:
    places = {part: f"{place}" for place, part in enumerate(PARTS)}
    return column.map(lambda value: places.get(value, value))


def _levels(values: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(values):
        frequent = values.value_counts().index[:MAX_LEVELS]
        return values.where(values.isin(frequent))
    ranks = values.rank(method="first", pct=True)
    return pd.cut(ranks, [0, 1 / 3, 2 / 3, 1], labels=list(PARTS)).astype(object)

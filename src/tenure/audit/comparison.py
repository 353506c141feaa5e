"""Two snapshots of one cutoff, compared to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


def compare_snapshots(expected: Path, found: Path, columns: Sequence[str]) -> pd.DataFrame:
    """List every feature that differs between two snapshot files; unknown equals unknown.

    => feature, customers (how many differ), customer_id (the first of them), expected, found; a customer who is in one
    snapshot alone counts under the feature ``(eligible)``.
    """
    wanted = ["customer_id", *columns]
    left = pd.read_parquet(expected, columns=wanted).set_index("customer_id")
    right = pd.read_parquet(found, columns=wanted).set_index("customer_id")
    rows = []
    strangers = left.index.symmetric_difference(right.index).sort_values()
    if len(strangers):
        first = strangers[0]
        rows.append(("(eligible)", len(strangers), first, str(first in left.index), str(first in right.index)))
    shared = left.index.intersection(right.index).sort_values()
    left, right = left.loc[shared], right.loc[shared]
    for column in columns:
        differs = ~((left[column] == right[column]) | (left[column].isna() & right[column].isna()))
        if differs.any():
            first = differs.index[differs.to_numpy()][0]
            rows.append(
                (column, int(differs.sum()), first, str(left.loc[first, column]), str(right.loc[first, column]))
            )
    return pd.DataFrame(rows, columns=["feature", "customers", "customer_id", "expected", "found"])

"""Rows whose outcome an action may have changed: they say nothing of what would have come without it."""

from __future__ import annotations

import pandas as pd

from tenure.targets.definition import Target
from tenure.targets.sufficiency import check_positives


def without_acted(rows: pd.DataFrame, acted: pd.DataFrame | None, target: Target) -> tuple[pd.DataFrame, int | None]:
    """Leave out rows whose customer was acted on from the cutoff to the end of its outcome window.

    customer_id, cutoff, label, ...; ``acted``: customer_id, acted_at, None where the source has no actions
    => the other rows; how many left, None without actions

    Raises
    ------
    NotEnoughDataError : too few of either label stay.

    >>> from tenure.targets.lapse import TARGET
    >>> rows = pd.DataFrame({"customer_id": [*"ab"] * 50, "cutoff": pd.Timestamp("2024-01-01"), "label": [0, 1] * 50})
    >>> rest, left = without_acted(rows, pd.DataFrame({"customer_id": ["a"], "acted_at": ["2024-03-31"]}), TARGET)
    >>> len(rest), left
    (100, 0)
    """
    if acted is None:
        return rows, None
    cutoffs = pd.to_datetime(rows["cutoff"])
    asked = pd.DataFrame({"customer_id": rows["customer_id"], "cutoff": cutoffs, "row": range(len(rows))})
    pairs = asked.merge(acted[["customer_id", "acted_at"]], on="customer_id")
    ahead = pd.to_datetime(pairs["acted_at"]) - pairs["cutoff"]
    within = (ahead >= pd.Timedelta(0)) & (ahead < pd.Timedelta(days=target.lead_days + target.horizon_days))
    moved = pairs.loc[within, "row"].unique()
    rest = rows.drop(index=rows.index[moved]).reset_index(drop=True)
    found = {"rows": len(rest), "positives": int(rest["label"].sum())}
    check_positives(target, found, found)
    return rest, len(moved)

"""Promised against realised: scores of the ledger whose outcomes have matured, joined with what came true."""

from __future__ import annotations

from datetime import date

import pandas as pd

from tenure.models.evaluate import auc_with_interval
from tenure.snapshots import Snapshots

COLUMNS = ["target", "as_of", "customers", "promised_rate", "realised_rate", "auc", "auc_low", "auc_high"]


def promised_and_realised(snapshots: Snapshots) -> pd.DataFrame:
    """Compare each matured set of scheduled scores with its outcomes.

    => target, as_of, customers, promised_rate, realised_rate, auc, auc_low, auc_high; one row per target and as-of.
    Customers who were contacted are not left out yet: acting on a score makes a good model look wrong.
    """
    rows = []
    for name, target in snapshots.targets.items():
        folder = snapshots.workspace.scores / f"source={snapshots.staged.source.name}" / f"target={name}"
        for partition in sorted(folder.glob("as_of=*")):
            scored_at = date.fromisoformat(partition.name.removeprefix("as_of="))
            first = sorted(partition.glob("scheduled-*.parquet"), key=lambda path: path.stat().st_mtime)[:1]
            if not first or not target.window.is_matured(scored_at, snapshots.as_of):
                continue
            scores = pd.read_parquet(first[0])
            snapshots.build_labels(target, [scored_at])
            joined = scores.merge(pd.read_parquet(snapshots.labels_path(target, scored_at)), on="customer_id")
            row = {
                "target": name, "as_of": scored_at, "customers": len(joined),
                "promised_rate": joined["propensity"].mean(), "realised_rate": joined["label"].mean(),
            }  # fmt: skip
            if 2 <= joined["label"].sum() <= len(joined) - 2:
                auc = auc_with_interval(joined["label"].to_numpy(), joined["propensity"].to_numpy())
                row |= {"auc": auc.value, "auc_low": auc.low, "auc_high": auc.high}
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)

"""Decisions as a log of draws: what was open to each customer, what was drawn and with what chance."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING
from tenure.decisions.assigned import OPEN
from tenure.decisions.ledger import HOLD_OUT, SENT_ARMS, read_decisions

READ = ["decision_id", "customer_id", "as_of", "action", "arm", "chance", "cost", "is_service", "candidates"]


def logged_draws(workspace: Workspace, source: str, kind: str, before: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the draws of earlier days, of customers to whom something was open; the held out had none.

    => customer_id, assigned_at, action (nothing where it was withheld), chance, cost;
       what was open to each row: a flag by action, and ``best``, the action that was worth most, or nothing
    """
    found = read_decisions(workspace, source, kind, before=before, columns=READ)
    found = found[~found["is_service"].astype(bool) & found["arm"].notna() & (found["arm"] != HOLD_OUT)]
    listed = found["candidates"].reset_index(drop=True).explode().dropna()
    each = pd.DataFrame(listed.tolist(), columns=["action", "refused_because"], index=listed.index)
    each = each[each["refused_because"].isna() | each["refused_because"].isin(OPEN)]
    is_open = pd.crosstab(each.index, each["action"]).astype(bool).reindex(range(len(found)), fill_value=False)
    best = each.loc[each["refused_because"].isna()].groupby(level=0)["action"].first()
    is_sent = found["arm"].isin(SENT_ARMS).to_numpy()
    rows = pd.DataFrame(
        {
            "customer_id": found["customer_id"].to_numpy(),
            "assigned_at": pd.to_datetime(found["as_of"]).to_numpy(),
            "action": np.where(is_sent, found["action"], NOTHING),
            "chance": found["chance"].to_numpy(float),
            "cost": np.where(is_sent, found["cost"], 0.0),
        }
    )
    asked = is_open.any(axis=1).to_numpy()
    is_open["best"] = best.reindex(is_open.index).fillna(NOTHING)
    return rows[asked].reset_index(drop=True), is_open[asked].reset_index(drop=True)

"""What is spent on whom: planned, sent and come back by group of customers, and what a larger budget would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING, Policy
from tenure.decisions.allocation import SAMPLE, Allocation, Limit, allocate
from tenure.decisions.history import history_of
from tenure.decisions.ledger import read_decisions, sent
from tenure.decisions.values import Values
from tenure.snapshots.engines.facts_at import FactsAt

# By column of the scored customers, what its groups are called.
GROUPS = {"rfm_segment": "segment", "phase": "phase", "loyalty_tier": "tier"}
BACK_DAYS = 365
ANSWERED = ("replied", "taken")
MORE = 0.1


def spend_by_group(
    workspace: Workspace, policy: Policy, facts: FactsAt, decisions: pd.DataFrame, scored: Path, kind: str
) -> pd.DataFrame:
    """Sum up what a day plans, and what was sent in the year before it and came back, as known at the as-of.

    ``decisions``: of the day as they stand, none of its rows twice; ``scored``: the file of the day's scored customers.

    => by, group, customers, planned (today, with what waits for a person), planned_cost, sent (in the last 365 days),
       sent_cost, answered (of those: replied or taken), cost_each (sent_cost per customer of the group); money in the
       source's currency
    """
    since, where = facts.as_of - timedelta(days=BACK_DAYS), pc.field("action") != NOTHING
    earlier = read_decisions(workspace, facts.source.name, kind, since=since, before=facts.as_of, where=where)
    back = history_of(facts, earlier, policy.actions).came_back
    answered = back.loc[back["status"].isin(ANSWERED), "decision_id"]
    names = [name for name in GROUPS if name in pq.read_schema(scored).names]
    customers = pd.read_parquet(scored, columns=["customer_id", *names]).set_index("customer_id")
    waiting = decisions[(decisions["status"] == "proposed") & (decisions["action"] != NOTHING)]
    planned, out = pd.concat([sent(decisions), waiting]), sent(earlier)
    parts = []
    for name in names:
        group = customers[name].fillna("none")
        table = group.value_counts().rename("customers").to_frame()
        for what, rows in (("planned", planned), ("sent", out), ("answered", out[out["decision_id"].isin(answered)])):
            by = rows.groupby(rows["customer_id"].map(group))["cost"]
            table[what], table[f"{what}_cost"] = by.size(), by.sum()
        table = table.fillna(0.0).drop(columns="answered_cost").astype({"planned": int, "sent": int, "answered": int})
        table["cost_each"] = (table["sent_cost"] / table["customers"]).round(4)
        parts.append(table.rename_axis("group").reset_index().assign(by=GROUPS[name]))
    columns = ["by", "group", "customers", "planned", "planned_cost", "sent", "sent_cost", "answered", "cost_each"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def another_tenth(
    gains: np.ndarray, values: Values, limits: Sequence[Limit], ties: np.ndarray, best: Allocation | None = None
) -> dict[str, float] | None:
    """Say what a tenth more of the budget would bring: everyone is decided on anew with it, all else as it is.

    ``gains``: customers x columns, the value of each open candidate, -inf elsewhere; ``values``: with the ends of its
    effect; ``best``: the choice within the limits, where it is there. Of very many customers so many as suffice are drawn.

    => more (money), gain (expected value of it), low, high (by the ends of all effects at once); None without a budget
    """
    found = [place for place, limit in enumerate(limits) if limit.name == "budget"]
    if not found or not (amount := limits[found[0]].amount):
        return None
    drawn = np.argsort(ties, kind="stable")[:SAMPLE]
    share = len(drawn) / len(ties)
    held = [replace(limit, amount=limit.amount * share) for limit in limits]
    more = [replace(limit, amount=limit.amount * (1 + MORE)) if limit.name == "budget" else limit for limit in held]
    whole = best if share == 1 and best else allocate(gains[drawn], held, ties[drawn])
    before = whole.choice[drawn] if whole is best else whole.choice
    after = allocate(gains[drawn], more, ties[drawn], prices=whole.prices).choice
    gain, *ends = (
        _worth(each[drawn], after) - _worth(each[drawn], before) for each in (gains, values.value_low, _high(values))
    )
    scaled = [round(each / share, 2) for each in (gain, min(gain, *ends), max(gain, *ends))]
    return {"more": round(MORE * amount, 2), **dict(zip(("gain", "low", "high"), scaled, strict=True))}


def _high(values: Values) -> np.ndarray:
    """Give the value by the high end of the effect: a point of it is worth what the way to its low end says."""
    below = np.where(values.effect >= 0, values.effect - values.low, values.high - values.effect)
    point = np.divide(values.value - values.value_low, below, out=np.zeros_like(below), where=below > 0)
    return np.asarray(values.value + np.nan_to_num((values.high - values.low - below) * point))


def _worth(values: np.ndarray, choice: np.ndarray) -> float:
    taken = np.flatnonzero(choice >= 0)
    return float(values[taken, choice[taken]].astype(float).sum())

"""What is spent on whom: planned, sent and come back by group of customers, and what a larger budget would bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.workspace import Workspace
from tenure.decisions.action import NOTHING, Policy
from tenure.decisions.allocation import SAMPLE, Limit, allocate
from tenure.decisions.history import history_of
from tenure.decisions.ledger import PROPOSED, read_decisions, sent
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
    waiting = decisions[(decisions["status"] == PROPOSED) & (decisions["action"] != NOTHING)]
    planned, out = pd.concat([sent(decisions), waiting]), sent(earlier)
    rows = {"planned": planned, "sent": out, "answered": out[out["decision_id"].isin(answered)]}
    return pd.concat(
        [_by_group(customers[name].fillna("none"), rows, GROUPS[name]) for name in names] or [pd.DataFrame()]
    )


def _by_group(group: pd.Series, rows: Mapping[str, pd.DataFrame], by: str) -> pd.DataFrame:
    table = group.value_counts().rename("customers").to_frame().assign(by=by)
    for what, own in rows.items():
        cost = own.groupby(own["customer_id"].map(group))["cost"]
        table[what], table[f"{what}_cost"] = cost.size(), cost.sum()
    table = table.fillna(0).astype(dict.fromkeys(rows, int)).drop(columns="answered_cost")
    table["cost_each"] = (table["sent_cost"] / table["customers"]).round(4)
    return table.rename_axis("group").reset_index()


def another_tenth(
    gains: np.ndarray, values: Values, limits: Sequence[Limit], ties: np.ndarray
) -> dict[str, float] | None:
    """Say what a tenth more of the budget would bring: the day is allocated anew with it, all else as it is.

    ``gains``: customers x columns, the value of each open candidate, -inf elsewhere; ``values``: with the ends of its
    effect. Of very many customers so many as suffice are drawn.

    => more (money), gain (expected value of it), low, high (by the ends of all effects at once); None without a budget
    """
    amount = next((limit.amount for limit in limits if limit.name == "budget"), 0.0)
    if not amount:
        return None
    drawn = np.argsort(ties, kind="stable")[:SAMPLE]
    share, own = len(drawn) / len(ties), (gains[drawn], values.value_low[drawn], _high(values)[drawn])
    now = [replace(limit, amount=limit.amount * share) for limit in limits]
    more = [replace(limit, amount=limit.amount * (1 + MORE)) if limit.name == "budget" else limit for limit in now]
    before = allocate(own[0], now, ties[drawn])
    after = allocate(own[0], more, ties[drawn], prices=before.prices)
    gain, *ends = ((_worth(each, after.choice) - _worth(each, before.choice)) / share for each in own)
    told = {"more": MORE * amount, "gain": gain, "low": min(gain, *ends), "high": max(gain, *ends)}
    return {name: round(value, 2) for name, value in told.items()}


def _high(values: Values) -> np.ndarray:
    """Give the value by the high end of the effect: a point of it is worth what the way to its low end says."""
    below = np.where(values.effect >= 0, values.effect - values.low, values.high - values.effect)
    with np.errstate(invalid="ignore"):  # where there is no candidate, or no amount at stake
        point = np.divide(values.value - values.value_low, below, out=np.zeros_like(below), where=below > 0)
    return np.asarray(values.value + np.nan_to_num((values.high - values.low - below) * point))


def _worth(values: np.ndarray, choice: np.ndarray) -> float:
    taken = np.flatnonzero(choice >= 0)
    return float(values[taken, choice[taken]].astype(float).sum())

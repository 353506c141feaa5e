"""One decision for every customer at one moment: gates, values, prices, chances, and the rows of the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tenure.decisions.action import Policy
from tenure.decisions.allocation import Limit
from tenure.decisions.candidates import NO_CANDIDATE, Candidates
from tenure.decisions.chances import assign
from tenure.decisions.history import History
from tenure.decisions.ledger import HOLD_OUT, SCHEDULE
from tenure.decisions.rows import Moment, candidate_lists, ledger_table, marketing_rows, sending, service_rows
from tenure.decisions.values import Values

# Of the tier "sample", how many a person looks at before they are sent.
SAMPLE_SHARE = 0.05


@dataclass(frozen=True)
class Decided:
    """``rows``: as the ledger keeps them. ``prices``: limit, amount, used, price (what one more unit would bring).

    ``value``: what the choice is expected to bring; within the limits no other could bring more than ``bound``.
    """

    rows: pa.Table
    prices: pd.DataFrame
    value: float
    bound: float


def decide(
    moment: Moment,
    policy: Policy,
    candidates: Candidates,
    values: Values,
    held: np.ndarray,
    history: History,
    *,
    uniform: bool = False,
    seed: str = "",
) -> Decided:
    """Decide for each customer: what is worth most within budget and capacities if it is worth more than nothing.

    ``held``: whether each is held out; ``uniform``: a wave, in which all open actions have equal chances; another
    ``seed`` draws anew. What a person has to approve is proposed, and drawn once it is approved.
    """
    sends = sending(policy, moment)
    service = service_rows(moment, candidates, values, sends)
    is_marketing = np.array([not action.service for action, _ in candidates.columns], dtype=bool)
    served = candidates.customers["customer_id"].isin(service["customer_id"]).to_numpy()
    for at, why in (
        (served[:, None], "a service message goes out today"),
        (held[:, None], "held out"),
        (np.isnan(values.value), "its value at stake is not known"),
        (~(values.value > 0), "costs more than it is worth"),
    ):
        candidates.refuse(at & is_marketing, why)
    is_candidate = candidates.open & is_marketing
    limits = _limits(policy, candidates, values, history, pd.Timestamp(sends[0].date()))
    names = list(policy.actions)
    made = assign(
        np.where(is_candidate, values.value, -np.inf),
        np.array([names.index(action.name) for action, _ in candidates.columns], dtype=int),
        limits,
        candidates.customers["tie"].to_numpy(),
        explore=policy.rules.explore,
        explore_total=policy.rules.explore_total,
        uniform=uniform,
        seed=seed or f"{moment.policy}|{moment.as_of}|{moment.moment}",
        undrawn=_to_a_person(moment, candidates),
    )
    _explain(candidates, made.best, is_candidate)
    chosen = pd.DataFrame({"column": made.chosen, "arm": made.arm, "chance": made.chance})
    uses = sum(made.prices[limit.name] * np.append(limit.use, 0.0) for limit in limits)
    chosen["price_paid"] = np.broadcast_to(uses, len(candidates.columns) + 1)[made.chosen] if limits else 0.0
    chosen.loc[held, ["column", "arm", "chance"]] = [-1, HOLD_OUT, 1.0]
    rows = marketing_rows(moment, candidates, values, chosen, sends)
    listed = candidate_lists(candidates, values)
    if moment.moment != SCHEDULE:  # only those to whom something has happened
        concerned = (candidates.refused != NO_CANDIDATE).any(axis=1)
        rows, listed = rows[concerned], listed.filter(pa.array(concerned))
    nothing_else = pa.array([[]] * len(service), listed.type)
    parts = [ledger_table(moment, rows, listed), ledger_table(moment, service, nothing_else)]
    prices = [(limit.name, limit.amount, made.used[limit.name], made.prices[limit.name]) for limit in limits]
    return Decided(
        pa.concat_tables(parts if len(service) else parts[:1]),
        pd.DataFrame(prices, columns=["limit", "amount", "used", "price"]),
        made.value,
        made.bound,
    )


def _limits(
    policy: Policy, candidates: Candidates, values: Values, history: History, sends_on: pd.Timestamp
) -> tuple[Limit, ...]:
    """Give what is left of the budget and the capacities of the day on which is sent."""
    gone = history.contacts[history.contacts["on"] == sends_on]
    columns = candidates.columns
    found = []
    if policy.rules.budget is not None:
        found.append(Limit("budget", policy.rules.budget - float(gone["cost"].sum()), values.cost))
    for kind, each, own in (
        *(("channel", c, [channel.name == c.name for _, channel in columns]) for c in policy.channels.values()),
        *(("action", a, [action.name == a.name for action, _ in columns]) for a in policy.actions.values()),
    ):
        if each.per_day is not None:
            left = each.per_day - int((gone[kind] == each.name).sum())
            found.append(Limit(f"{kind} {each.name}", max(left, 0), np.array(own, dtype=float)))
    return tuple(found)


def _to_a_person(moment: Moment, candidates: Candidates) -> np.ndarray:
    """Say of which candidates a person decides first: all of the tier approve, some customers' of the tier sample."""
    tiers = np.array([action.tier for action, _ in candidates.columns], dtype=object)
    salted = pd.util.hash_array(candidates.customers["tie"].to_numpy() ^ int(moment.ids([""])[0][:15], 16))
    looked_at = salted < SAMPLE_SHARE * 2.0**64
    return (tiers == "approve")[None, :] | ((tiers == "sample")[None, :] & looked_at[:, None])


def _explain(candidates: Candidates, best: np.ndarray, is_candidate: np.ndarray) -> None:
    """Say of the open candidates that were not chosen why: another was worth more, or nothing is left for any."""
    chosen = np.zeros_like(is_candidate)
    at = np.flatnonzero(best >= 0)
    chosen[at, best[at]] = True
    has_one = (best >= 0)[:, None]
    candidates.refuse(is_candidate & ~chosen & has_one, "another is worth more")
    candidates.refuse(is_candidate & ~has_one, "no budget or capacity")

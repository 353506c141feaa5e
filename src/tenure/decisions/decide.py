"""One decision for every customer at one moment: gates, values, prices, chances, and the rows of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow as pa

from tenure.decisions.action import Policy
from tenure.decisions.allocation import Limit
from tenure.decisions.candidates import NO_CANDIDATE, Candidates
from tenure.decisions.chances import assign
from tenure.decisions.history import History
from tenure.decisions.ledger import HOLD_OUT, SCHEDULE, WITHHELD
from tenure.decisions.people import WAITS, why_a_person
from tenure.decisions.rows import Moment, candidate_lists, ledger_table, marketing_rows, sending, service_rows
from tenure.decisions.spend import another_tenth
from tenure.decisions.values import Values

# Of the tier "sample", how many a person looks at before they are sent.
SAMPLE_SHARE = 0.05


@dataclass(frozen=True)
class Decided:
    """``rows``: as the ledger keeps them. ``prices``: limit, amount, used, price (what one more unit would bring).

    ``value``: what the choice is expected to bring; within the limits no other could bring more than ``bound``.
    ``tenth``: as ``another_tenth``; None of what has only arrived.
    """

    rows: pa.Table
    prices: pd.DataFrame
    value: float
    bound: float
    tenth: dict[str, float] | None


def decide(
    moment: Moment,
    policy: Policy,
    candidates: Candidates,
    values: Values,
    held: np.ndarray,
    history: History,
    *,
    careful: pd.Series | None = None,
    uniform: bool = False,
    seed: str = "",
) -> Decided:
    """Decide for each customer: what is worth most within budget and capacities if it is worth more than nothing.

    ``held``: whether each is held out; ``careful``: ids of those whose topic is for a person; ``uniform``: a wave, in which all open actions have equal chances; another
    ``seed`` draws anew. What a person has to approve is proposed, and drawn once it is approved.
    """
    sends = sending(policy, moment.instant)
    service = service_rows(moment, policy, candidates, values, sends)
    is_marketing = np.array([not action.service for action, _ in candidates.columns], dtype=bool)
    served = candidates.customers["customer_id"].isin(service["customer_id"]).to_numpy()
    for at, why in (
        (served[:, None], "a service message goes out today"),
        (held[:, None], "held out"),
        (~np.isfinite(values.value), "its value at stake is not known"),
        (values.harms, "it would not help this customer, or do harm"),
        (~(values.value > 0), "costs more than it is worth"),
    ):
        candidates.refuse(at & is_marketing, why)
    is_candidate = candidates.open & is_marketing
    limits = _limits(policy, candidates, values, history, service, pd.Timestamp(sends[0].date()))
    waits = why_a_person(candidates, values, policy.rules.people, pd.Series(dtype=str) if careful is None else careful)
    gains = np.where(is_candidate, values.value, -np.inf)
    ties = candidates.customers["tie"].to_numpy().astype(np.uint64)
    tenth = another_tenth(gains, values, limits, ties) if moment.moment == SCHEDULE and len(ties) else None
    drawn = _Drawn.of(moment, candidates, gains, limits, waits > 0)
    made = assign(
        drawn.values,
        drawn.actions,
        drawn.limits,
        ties,
        explore=policy.rules.explore,
        explore_total=policy.rules.explore_total,
        uniform=uniform,
        later=drawn.later,
    )
    draw = made.draw(seed=int(sha256((seed or moment.ids([""])[0]).encode()).hexdigest()[:15], 16))
    best, chosen = drawn.column(made.best.choice), drawn.column(draw.chosen)
    _explain(candidates, best, is_candidate)
    arm = draw.arm.astype(object)
    arm[drawn.waits(draw.chosen)] = None
    # Of what was withheld the row says what it was.
    table = pd.DataFrame({"column": np.where(arm == WITHHELD, best, chosen), "arm": arm, "chance": draw.chance})
    table.loc[table["arm"].isna(), "chance"] = np.nan
    at_column = np.append(waits, np.zeros((len(waits), 1), dtype=int), axis=1)[np.arange(len(waits)), chosen]
    table["because"] = np.where(table["arm"].isna(), np.array(WAITS, dtype=object)[at_column], "")
    charge = sum((made.best.prices[limit.name] * limit.use for limit in limits), np.zeros(len(candidates.columns)))
    table["price_paid"] = np.append(charge, 0.0)[np.where(np.isin(arm, [WITHHELD]), -1, chosen)]
    table.loc[held, ["column", "arm", "chance", "price_paid", "because"]] = [-1, HOLD_OUT, 1.0, 0.0, ""]
    rows = marketing_rows(moment, policy, candidates, values, table, sends)
    listed = candidate_lists(candidates, values)
    if moment.moment != SCHEDULE:  # only those to whom something has happened
        concerned = (candidates.refused != NO_CANDIDATE).any(axis=1)
        rows, listed = rows[concerned], listed.filter(pa.array(concerned))
    parts = [ledger_table(moment, rows, listed)]
    if len(service):
        parts.append(ledger_table(moment, service, pa.array([[]] * len(service), listed.type)))
    taken = np.bincount(chosen[chosen >= 0], minlength=len(candidates.columns))
    prices = [(limit.name, limit.amount, float(limit.use @ taken), made.best.prices[limit.name]) for limit in limits]
    return Decided(
        pa.concat_tables(parts),
        pd.DataFrame(prices, columns=["limit", "amount", "used", "price"]),
        made.best.value,
        made.best.bound,
        tenth,
    )


@dataclass(frozen=True)
class _Drawn:
    """The columns as they are drawn: twice where a person looks at some customers' once more, or first."""

    values: np.ndarray
    actions: list[str]
    limits: list[Limit]
    later: list[str]
    place: np.ndarray

    @classmethod
    def of(
        cls,
        moment: Moment,
        candidates: Candidates,
        values: np.ndarray,
        limits: Sequence[Limit],
        waits: np.ndarray,
    ) -> _Drawn:
        tiers = np.array([action.tier for action, _ in candidates.columns], dtype=object)
        names = [action.name for action, _ in candidates.columns]
        salted = pd.util.hash_array(candidates.customers["tie"].to_numpy() ^ int(moment.ids([""])[0][:15], 16))
        is_sampled = salted < SAMPLE_SHARE * 2.0**64
        looked_at = (waits | (is_sampled[:, None] & (tiers == "sample"))) & (tiers != "approve") & (values > -np.inf)
        doubled = np.flatnonzero(looked_at.any(axis=0))
        twice = np.where(looked_at, values, -np.inf)[:, doubled]
        values[looked_at] = -np.inf
        place = np.array([*range(len(names)), *doubled], dtype=int)
        waiting = {name for name, tier in zip(names, tiers, strict=True) if tier == "approve"}
        again = [f"{names[column]} looked at" for column in doubled]
        return cls(
            np.column_stack([values, twice]),
            [*names, *again],
            [replace(limit, use=limit.use[place]) for limit in limits],
            [*sorted(waiting), *dict.fromkeys(again)],
            place,
        )

    def column(self, chosen: np.ndarray) -> np.ndarray:
        return np.asarray(np.append(self.place, -1)[chosen])

    def waits(self, chosen: np.ndarray) -> np.ndarray:
        """Say of each customer whether what was chosen waits for a person."""
        return np.asarray(np.append(np.isin(self.actions, self.later), False)[chosen], dtype=bool)


def _limits(
    policy: Policy,
    candidates: Candidates,
    values: Values,
    history: History,
    service: pd.DataFrame,
    sends_on: pd.Timestamp,
) -> tuple[Limit, ...]:
    """Give what service messages, contacts and proposals leave of the budget and the capacities of the day of sending."""
    taken = pd.concat([history.contacts, history.waiting])
    gone = pd.concat([taken[taken["on"] == sends_on], service])
    columns = candidates.columns
    found = []
    if policy.rules.budget is not None:
        left = policy.rules.budget - float(gone["cost"].sum())
        found.append(Limit("budget", max(left, 0.0), values.cost))
    own = {f"channel {c.name}": (c.per_day, [c is channel for _, channel in columns]) for c in policy.channels.values()}
    own |= {f"action {a.name}": (a.per_day, [a is action for action, _ in columns]) for a in policy.actions.values()}
    for name, (per_day, uses) in own.items():
        if per_day is not None:
            kind, _, which = name.partition(" ")
            left = per_day - int((gone[kind] == which).sum())
            found.append(Limit(name, max(left, 0), np.array(uses, dtype=float)))
    return tuple(found)


def _explain(candidates: Candidates, best: np.ndarray, is_candidate: np.ndarray) -> None:
    """Say of the open candidates that were not chosen why: another was worth more, or nothing is left for any."""
    chosen = np.zeros_like(is_candidate)
    at = np.flatnonzero(best >= 0)
    chosen[at, best[at]] = True
    has_one = (best >= 0)[:, None]
    candidates.refuse(is_candidate & ~chosen & has_one, "another is worth more")
    candidates.refuse(is_candidate & ~has_one, "no budget or capacity")

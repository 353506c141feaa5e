"""From a person's answers to events: approved first, drawn afterwards among the approved.

A rejection after the draw would dilute the effect: nobody would know whom of the withheld it would have met.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from tenure.core.errors import NotEnoughDataError, UnknownNameError
from tenure.customers import consent
from tenure.decisions.action import NOTHING, Policy
from tenure.decisions.candidates import capped_customers
from tenure.decisions.day import Deciding, held_out
from tenure.decisions.exceptions import find_exceptions
from tenure.decisions.history import history_of
from tenure.decisions.ledger import APPROVED, BEST, DRAWN, EVENTS, PROPOSED, REJECTED, WITHHELD, read_decisions, sent
from tenure.decisions.rows import sending
from tenure.snapshots.engines.facts_at import facts_at


def answer_proposals(deciding: Deciding, answers: pd.DataFrame, *, today: date, at: datetime, by: str) -> pd.DataFrame:
    """Answer proposals by what is known today: consent, the hold-out, contact caps and exceptions as they are now.

    answers: decision_id, decision (approve, reject), why  =>  events, as ``events_of_answers``
    """
    acting = pc.field("action") != NOTHING
    decided = read_decisions(deciding.workspace, deciding.source, deciding.lived, where=acting)
    waiting = decided[decided["status"] == PROPOSED].set_index("decision_id")
    with facts_at(deciding.staged, today) as facts:
        history = history_of(facts, decided, deciding.policy.actions)
        exceptions = find_exceptions(facts, deciding.policy.rules.people.never)
        try:
            words = consent.build(facts, pd.DataFrame())[0].set_index("customer_id")
        except NotEnoughDataError:  # nobody was asked
            words = pd.DataFrame()
    marketing = history.contacts[~history.contacts["is_service"].astype(bool)]
    back = history.came_back[history.came_back["status"] == "unsubscribed"]
    gone = pd.MultiIndex.from_frame(back[["customer_id", "channel"]])
    customers = waiting["customer_id"]
    stopped: dict[str, str] = {}
    for why, is_so in (
        ("held out since", customers.isin(held_out(deciding, customers.tolist(), today))),
        ("unsubscribed since", pd.MultiIndex.from_frame(waiting[["customer_id", "channel"]]).isin(gone)),
        ("complained since", customers.isin(exceptions["customer_id"])),
        (
            "contact cap reached since",
            customers.isin(capped_customers(deciding.policy, marketing, pd.Timestamp(today))),
        ),
    ):
        stopped = dict.fromkeys(waiting.index[is_so], why) | stopped
    return events_of_answers(deciding.policy, decided, answers, words, today=today, at=at, by=by, stopped=stopped)


def events_of_answers(
    policy: Policy,
    decisions: pd.DataFrame,
    answers: pd.DataFrame,
    consents: pd.DataFrame,
    *,
    today: date,
    at: datetime,
    by: str,
    stopped: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Turn answers (decision_id, decision, why) into events; what was answered before is passed over.

    ``decisions``: all that act, of whatever day. ``consents``: index customer_id, a column per consent, as known today;
    ``stopped``: by decision, why it must not be sent any more; ``at``: when it is answered, in the business's time.

    => decision_id, event, at, by, why, arm, chance, send_from, send_until (of what was drawn)

    Raises
    ------
    UnknownNameError : an answer names a decision that never waited for one.
    """
    asked = decisions[decisions["status"].isin([PROPOSED, REJECTED, DRAWN])].set_index("decision_id")
    for unknown in sorted({*answers["decision_id"]} - {*asked.index}):
        raise UnknownNameError("Proposal", unknown, [*asked.index[asked["status"] == PROPOSED]][:5])
    own = answers.drop_duplicates("decision_id").set_index("decision_id")
    own = own.join(asked[asked["status"] == PROPOSED], how="inner").sort_index()
    why, rejected = own["why"].astype(object), own["decision"] == "reject"
    # What waits on, or is rejected now, keeps its place on its day.
    others = asked[(asked["status"] == PROPOSED) & ~asked.index.isin(own.index[own["decision"] == "approve"])]
    slots = _slots(policy, own, pd.concat([sent(decisions), others]), at)
    for reason, gone in (
        ("expired", own["send_until"] < pd.Timestamp(today)),
        ("no capacity before it lapses", slots["send_from"].isna()),
        ("consent withdrawn since", ~_agree(policy, own, consents)),
    ):
        why = why.mask(gone & ~rejected, reason)
        rejected |= gone
    stops = own.index.to_series().map(dict(stopped))
    why, rejected = why.mask(stops.notna() & ~rejected, stops), rejected | stops.notna()
    answered = pd.DataFrame({"decision_id": own.index, "by": by, "why": why.to_numpy()})
    answered["event"] = np.where(rejected, REJECTED, APPROVED)
    drawn = answered.loc[~rejected.to_numpy(), ["decision_id"]].assign(event=DRAWN, by="chance", why="")
    # Of the id alone: the same however many are approved at once.
    places = drawn["decision_id"].map(lambda name: int(sha256(f"draw|{name}".encode()).hexdigest()[:13], 16) / 16**13)
    withheld = policy.rules.explore
    drawn["arm"] = np.where(places < withheld, WITHHELD, BEST)
    drawn["chance"] = np.where(places < withheld, withheld, 1.0 - withheld)
    drawn = drawn.join(slots, on="decision_id")
    return pd.concat([answered, drawn]).assign(at=at).reindex(columns=EVENTS.names)


def _slots(policy: Policy, asked: pd.DataFrame, out: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """Give each proposal the first time to send it at which its channel and its action have room; the most valuable first.

    ``out``: what goes out already. => index decision_id: send_from, send_until; empty where it would lapse before
    """
    slots = pd.DataFrame(index=asked.index, columns=["send_from", "send_until"], dtype="datetime64[us]")
    left, instant = asked.sort_values(["expected_value", "customer_id"], ascending=[False, True]), at
    while len(left := left[left["send_until"] >= (first := sending(policy, instant)[0])]):
        that_day = out[out["sent_on"] == pd.Timestamp(first.date())]
        for kind, per_day in (("channel", policy.channels), ("action", policy.actions)):
            capacity = left[kind].map({name: each.per_day for name, each in per_day.items()}).astype(float)
            rooms = capacity - left[kind].map(that_day[kind].value_counts()).fillna(0)
            left = left.assign(**{f"fits_{kind}": ~(left.groupby(kind).cumcount() >= rooms)})
        goes = left.index[left["fits_channel"] & left["fits_action"]]
        slots.loc[goes] = list(sending(policy, instant))
        left, instant = left.drop(index=goes), datetime.combine(first.date(), datetime.min.time()) + timedelta(days=1)
    return slots


def _agree(policy: Policy, proposals: pd.DataFrame, consents: pd.DataFrame) -> pd.Series:
    """Say of each proposal whether its customer still agrees to its channel."""
    agreed = pd.Series(True, index=proposals.index)
    for name, channel in policy.channels.items():
        at = proposals["channel"] == name
        if channel.consent_column and at.any():
            words = consents[channel.consent_column] if channel.consent_column in consents else pd.Series(dtype=object)
            agreed[at] = proposals.loc[at, "customer_id"].map(words).fillna(False).astype(bool)
    return agreed

"""From a person's answers to events: approved first, drawn afterwards among the approved.

A rejection after the draw would dilute the effect: nobody would know whom of the withheld it would have met.
"""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256

import numpy as np
import pandas as pd

from tenure.core.errors import UnknownNameError
from tenure.decisions.action import Policy
from tenure.decisions.ledger import APPROVED, BEST, DRAWN, EVENTS, REJECTED, WITHHELD


def events_of_answers(
    policy: Policy,
    decisions: pd.DataFrame,
    answers: pd.DataFrame,
    consents: pd.DataFrame,
    *,
    today: date,
    at: datetime,
    by: str,
) -> pd.DataFrame:
    """Turn answers (decision_id, decision, why) into events; what was answered before is passed over.

    ``consents``: index customer_id, a column per consent, as known today.

    => decision_id, event, at, by, why, arm, chance

    Raises
    ------
    UnknownNameError : an answer names a decision that never waited for one.
    """
    asked = decisions[decisions["status"].isin(["proposed", REJECTED, DRAWN])].set_index("decision_id")
    for unknown in sorted({*answers["decision_id"]} - {*asked.index}):
        raise UnknownNameError("Proposal", unknown, [*asked.index[asked["status"] == "proposed"]][:5])
    own = answers.drop_duplicates("decision_id").set_index("decision_id")
    own = own.join(asked[asked["status"] == "proposed"], how="inner").sort_index()
    why = own["why"].astype(object)
    rejected = own["decision"] == "reject"
    for reason, gone in (
        ("expired", own["send_until"] < pd.Timestamp(today)),
        ("consent withdrawn since", ~_agree(policy, own, consents)),
    ):
        why = why.mask(gone & ~rejected, reason)
        rejected |= gone
    chance = 1.0 - policy.rules.explore
    places = np.array([int(sha256(f"draw|{name}".encode()).hexdigest()[:13], 16) / 16**13 for name in own.index])
    is_sent = places < chance
    made = pd.DataFrame(
        {"decision_id": own.index, "at": at, "by": by, "why": why.to_numpy(), "arm": None, "chance": np.nan}
    )
    drawn = made[~rejected.to_numpy()].assign(event=DRAWN, by="chance", why="")
    drawn["arm"] = np.where(is_sent[~rejected.to_numpy()], BEST, WITHHELD)
    drawn["chance"] = np.where(is_sent[~rejected.to_numpy()], chance, 1.0 - chance)
    answered = made.assign(event=np.where(rejected, REJECTED, APPROVED))
    return pd.concat([part for part in (answered, drawn) if len(part)] or [made.assign(event="")])[EVENTS.names]


def _agree(policy: Policy, proposals: pd.DataFrame, consents: pd.DataFrame) -> pd.Series:
    """Say of each proposal whether its customer still agrees to its channel."""
    agreed = pd.Series(True, index=proposals.index)
    for name, channel in policy.channels.items():
        at = proposals["channel"] == name
        if channel.consent_column and at.any():
            words = consents[channel.consent_column] if channel.consent_column in consents else pd.Series(dtype=object)
            agreed[at] = proposals.loc[at, "customer_id"].map(words).fillna(False).astype(bool)
    return agreed

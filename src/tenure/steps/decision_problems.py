"""What needs someone's attention on a decision day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tenure.core.problems import Problem
from tenure.decisions.action import Policy
from tenure.decisions.exceptions import REPEAT_DAYS, RepeatContacts
from tenure.steps.opening import Session
from tenure.steps.results import SCORED

MOST_CONTAMINATED = 0.01
# For what a hold-out can tell before anything was measured: a rate as that of churn in a month.
USUAL_RATE = 0.05


def decision_problems(
    session: Session, policy: Policy, made: Mapping[str, Any], decisions: pd.DataFrame, repeats: RepeatContacts | None
) -> Iterator[Problem]:
    """List what needs someone's attention on a decision day. ``decisions``: as they stand; ``made``: how, by the ledger."""
    from tenure.measure.difference import detectable

    yield from _of_repeats(repeats)
    if made.get("toml", session.source.policy) != session.source.policy:
        yield Problem(
            "warning", "decisions",
            f"of {session.as_of} stand as they were made, with other actions than {session.source.where} names now: a day is "
            "decided once. The change counts from the next day on.",
            "decided_before",
        )  # fmt: skip
    broken, kept = made["contaminated"]
    if kept and broken / kept > MOST_CONTAMINATED:
        yield Problem(
            "warning", "hold_out",
            f"{broken:,} of {kept:,} decisions to send nothing were not kept: the company's contacts show something sent. "
            "Effects come out too small; find out who sends beside Tenure.",
            "contaminated",
        )  # fmt: skip
    if abs(made["held_share"] - policy.rules.hold_out) > 1e-9:
        yield Problem(
            "warning", "hold_out",
            f"is {policy.rules.hold_out:.1%} in the source's TOML, and {made['held_share']:.1%} of the customers are held out: "
            "a changed share holds for those who join; nobody leaves before their twelve months are over.",
            "hold_out_changed",
        )  # fmt: skip
    if made["unknown_contacts"]:
        yield Problem(
            "warning", "contacts",
            f"{made['unknown_contacts']:,} name a decision that nobody took for that customer. They are kept, and "
            "count as contacts; expected the decision_id of a file in actions/.",
            "unknown_decisions",
        )  # fmt: skip
    scored = pq.read_schema(session.output / SCORED).names
    for name, own in policy.actions.items():
        if own.moves in session.snapshots.targets and f"{own.moves}_propensity" not in scored:
            yield Problem(
                "warning", name,
                f"moves {own.moves}, which was not scored as of this day: it is open to nobody. Train and score it.",
                "not_scored",
            )  # fmt: skip
    for action, table in made["lacking"].items():
        yield Problem(
            "warning", action,
            f"waits for facts of {table}, which the source does not have as of this day: it is open to nobody.",
            "no_table",
        )  # fmt: skip
    for action, count in made["expired"].items():
        if count:
            yield Problem(
                "warning", action,
                f"the facts of {count:,} customers arrived after more than {policy.actions[action].expires_after} days: "
                "they were counted, not acted on.",
                "arrived_late",
            )  # fmt: skip
    customers = int((~decisions["is_service"].astype(bool)).sum())
    share = policy.rules.hold_out
    if customers and share and (least := detectable(customers, share, USUAL_RATE)) > USUAL_RATE:
        yield Problem(
            "warning", "hold_out",
            f"whether all of it helps cannot be told: of {customers:,} customers with {share:.0%} held out, only a difference "
            f"of {100 * least:.1f} points of a rate of {USUAL_RATE:.0%} would show, 80 times in 100. Hold out more, or wait: "
            "decisions of several months are pooled.",
            "few_customers",
        )  # fmt: skip


def _of_repeats(repeats: RepeatContacts | None) -> Iterator[Problem]:
    if repeats and repeats.has_risen:
        yield Problem(
            "warning", "support_tickets",
            f"{repeats.repeats:,} of {repeats.tickets:,} tickets of the last {REPEAT_DAYS} days were the second on their topic "
            f"within a week, {repeats.repeats_before:,} of {repeats.tickets_before:,} in the {REPEAT_DAYS} days before: who has to "
            "write twice was not helped. Look at what is answered by rule.",
            "repeat_contacts",
        )  # fmt: skip

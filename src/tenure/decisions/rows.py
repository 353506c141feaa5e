"""Rows of the ledger: what was decided for each customer, out of which candidates, when it may be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256

import numpy as np
import pandas as pd
import pyarrow as pa

from tenure.decisions.action import NOTHING, Policy
from tenure.decisions.candidates import NO_CANDIDATE, REFUSALS, SAYS, Candidates
from tenure.decisions.ledger import CANDIDATE, SCHEDULE, SCHEMA, WITHHELD
from tenure.decisions.values import Values

REASONS = ("reason_1", "reason_2", "reason_3")
# Ends the column of an action's own reason: why it helps this customer.
HELPS = "_helps"


@dataclass(frozen=True)
class Moment:
    """When, by what and for which source is decided. ``moment``: the schedule, or the instant of arrived facts."""

    source: str
    as_of: date
    decided_at: datetime
    policy: str
    moment: str = SCHEDULE

    @property
    def instant(self) -> datetime:
        """When it is, in the business's time: the midnight of the as-of, or when facts arrived."""
        midnight = datetime.combine(self.as_of, datetime.min.time())
        return midnight if self.moment == SCHEDULE else datetime.fromisoformat(self.moment)

    def ids(self, customers: Sequence[str], action: str = "") -> list[str]:
        """Name decisions by source, customer, moment, policy and, of service messages, the action."""
        about = f"{self.source}|{self.as_of}|{self.moment}|{self.policy}|{action}|"
        return [sha256((about + customer).encode()).hexdigest()[:20] for customer in customers]


def sending(policy: Policy, now: datetime) -> tuple[datetime, datetime]:
    """Say from when until when what is decided at an instant may be sent: the first hours from it on that are not quiet.

    >>> from tenure.decisions.action import Rules
    >>> rules = Policy(Rules(quiet=("sun", "21:00-08:00")), {}, {}, {})
    >>> [str(when) for when in sending(rules, datetime(2026, 3, 1))]
    ['2026-03-02 08:00:00', '2026-03-02 21:00:00']
    """
    day = now.date()
    while True:
        for opens, closes in policy.rules.open_hours:
            first, last = max(now, datetime.combine(day, opens)), datetime.combine(day, closes)
            if day.weekday() not in policy.rules.quiet_days and first < last:
                return first, last
        day += timedelta(days=1)


def marketing_rows(
    moment: Moment,
    policy: Policy,
    candidates: Candidates,
    values: Values,
    chosen: pd.DataFrame,
    sends: tuple[datetime, datetime],
) -> pd.DataFrame:
    """Make one row per customer. ``chosen``: column (-1: nothing), arm (null: a proposal), chance, price_paid, because."""
    place, columns = chosen["column"].to_numpy(), candidates.columns
    at, acts = np.arange(len(place)), place >= 0
    rows = candidates.customers[["customer_id"]].copy()
    rows["decision_id"] = moment.ids(rows["customer_id"].tolist())
    for name, of_column in _of_columns(candidates, sends).items():
        rows[name] = pd.Series(of_column, dtype=object).reindex(place).to_numpy()
    rows["action"] = rows["action"].where(acts, NOTHING)
    _put_own_words(candidates, rows)
    waits = chosen["arm"].isna().to_numpy()
    lapses = np.array([_lapses(policy, sends[1], action.expires_after) for action, _ in columns], dtype=object)
    rows.loc[waits, "send_until"] = lapses[place[waits]]
    rows["because"] = pd.Series(chosen["because"].to_numpy(), dtype=object).replace("", None)
    rows["arm"], rows["chance"], rows["price_paid"] = (
        chosen[name].to_numpy() for name in ("arm", "chance", "price_paid")
    )
    rows["expected_value"] = np.where(acts, values.value[at, place], 0.0)
    rows["expected_low"] = np.where(acts, values.value_low[at, place], 0.0)
    spends = acts & (chosen["arm"].to_numpy() != WITHHELD)
    rows["cost"] = np.where(spends, values.cost[place], 0.0) if len(columns) else 0.0
    rows["is_assumed"] = acts & values.is_assumed[place] if len(columns) else False
    for reason in REASONS:
        rows[reason] = _reasons(candidates, rows["moves"], reason)
    _put_first(candidates, rows)
    rows["is_service"] = False
    return rows


def _lapses(policy: Policy, until: datetime, days: int) -> datetime:
    """Say until when a person may answer a proposal, which is then sent the same day: on no quiet one."""
    last = until + timedelta(days=days)
    while last.weekday() in policy.rules.quiet_days and last > until:
        last -= timedelta(days=1)
    return last


def _of_columns(candidates: Candidates, sends: tuple[datetime, datetime]) -> dict[str, list[object]]:
    """Give what a row says because of its column, by column."""
    made: dict[str, list[object]] = {
        name: []
        for name in ("action", "channel", "moves", "content", "tier", "who", "send_from", "send_until", "valid_until")
    }
    for action, channel in candidates.columns:
        valid = sends[0].date() + timedelta(days=action.valid_days) if action.valid_days else None
        own = (
            action.name,
            channel.name,
            action.moves or None,
            action.content or action.says,
            action.tier,
            action.who or channel.name,
            sends[0],
            sends[1],
            valid,
        )
        for values, value in zip(made.values(), own, strict=True):
            values.append(value)
    return made


def _reasons(candidates: Candidates, moves: pd.Series, reason: str) -> pd.Series:
    """Take each customer's reasons from the scores of the target that the action moves."""
    found = pd.Series(None, index=moves.index, dtype=object)
    for target in moves.dropna().unique():
        column = candidates.customers.get(f"{target}_{reason}")
        if column is not None:
            at = (moves == target).to_numpy()
            found[at] = column[at].astype(object).where(column[at].notna(), None)
    return found


def _put_own_words(candidates: Candidates, rows: pd.DataFrame) -> None:
    """Say what an action says to this customer, where its content asks their columns and they have them."""
    for action in {action.name: action for action, _ in candidates.columns}.values():
        if (own := candidates.customers.get(f"{action.name}{SAYS}")) is not None:
            at = (rows["action"] == action.name).to_numpy()
            rows.loc[at, "content"] = own[at].astype(object).where(own[at].notna(), action.says)


def _put_first(candidates: Candidates, rows: pd.DataFrame) -> None:
    """Put why the action helps this customer before why the target's outcome is likely, where an effect model says it."""
    for action in {action.name for action, _ in candidates.columns}:
        if (why := candidates.customers.get(f"{action}{HELPS}")) is not None:
            at = (rows["action"] == action).to_numpy() & why.notna().to_numpy()
            rows.loc[at, REASONS[1:]] = rows.loc[at, REASONS[:-1]].to_numpy()
            rows.loc[at, REASONS[0]] = why[at].to_numpy()


def service_rows(
    moment: Moment, policy: Policy, candidates: Candidates, values: Values, sends: tuple[datetime, datetime]
) -> pd.DataFrame:
    """Make a row for each service message that is open, by the first channel that its action names."""
    parts = []
    done: set[str] = set()
    for place, (action, _) in enumerate(candidates.columns):
        if not action.service or action.name in done:
            continue
        done.add(action.name)
        at = candidates.refused[:, place] == 0
        own = Candidates(candidates.customers[at].reset_index(drop=True), candidates.columns, candidates.refused[at])
        chosen = pd.DataFrame(
            {"column": place, "arm": "best", "chance": 1.0, "price_paid": 0.0, "because": ""}, index=own.customers.index
        )
        zero = np.zeros(own.refused.shape)
        rows = marketing_rows(
            moment,
            policy,
            own,
            replace(values, effect=zero, low=zero, high=zero, value=zero, value_low=zero),
            chosen,
            sends,
        )
        rows["decision_id"] = moment.ids(rows["customer_id"].tolist(), action.name)
        parts.append(rows.assign(is_service=True, is_assumed=False))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["customer_id"])


def candidate_lists(candidates: Candidates, values: Values) -> pa.Array:
    """Give the candidates of each customer with their values, and why each was refused: a list per customer."""
    marketing = np.array([not action.service for action, _ in candidates.columns], dtype=bool)
    at = (candidates.refused != NO_CANDIDATE) & marketing
    _, place = np.nonzero(at)
    offsets = np.concatenate([[0], at.sum(axis=1).cumsum()]).astype(np.int32)
    actions = pa.array([action.name for action, _ in candidates.columns], pa.string())
    channels = pa.array([channel.name for _, channel in candidates.columns], pa.string())
    numbers = [
        values.effect[at],
        values.low[at],
        values.high[at],
        np.where(np.isfinite(values.value[at]), values.value[at], np.nan),
        values.cost[place] if len(place) else np.zeros(0),
    ]
    refused = pa.array([*(text or None for text in REFUSALS)], pa.string()).take(pa.array(candidates.refused[at]))
    flat = [
        actions.take(pa.array(place)),
        channels.take(pa.array(place)),
        *(pa.array(each, pa.float64(), from_pandas=True) for each in numbers),
        refused,
    ]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.StructArray.from_arrays(flat, fields=list(CANDIDATE)))


def ledger_table(moment: Moment, rows: pd.DataFrame, listed: pa.Array) -> pa.Table:
    """Put rows and their candidates into the ledger's form."""
    own = rows.assign(as_of=moment.as_of, decided_at=moment.decided_at, moment=moment.moment, policy=moment.policy)
    columns = [
        listed if field.name == "candidates" else pa.array(own[field.name], field.type, from_pandas=True)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)

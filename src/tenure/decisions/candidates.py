"""Who may be sent what: each action by each of its channels is open to a customer, or refused with a reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.sql import literal, quoted
from tenure.decisions.action import Action, Channel, Policy
from tenure.decisions.history import History
from tenure.features.expression import parse_expression, to_duckdb
from tenure.snapshots.engines.duckdb_session import types_of
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.contract import CONSENT

# Why a candidate was refused, in the order of the gates; the first that holds is said. 0: it is open.
REFUSALS = (
    "",
    "no consent",
    "consent never asked for",
    "unsubscribed",
    "not asked: not eligible for what it moves",
    "a service message goes out today",
    "a complaint: to a person first",
    "contact cap reached",
    "resting since the last time",
    "another price within 30 days",
    "no price rise for a best customer",
    "waits for approval",
    "another goes out that day",
    "held out",
    "its value at stake is not known",
    "it would not help this customer, or do harm",
    "costs more than it is worth",
    "another is worth more",
    "no budget or capacity",
)
CODE = {text: code for code, text in enumerate(REFUSALS)}
# Never two prices for one customer within so many days.
PRICE_DAYS = 30
# The column of who is one of the best customers, as ``[decisions.people] best`` says.
IS_BEST = "_best"
# Ends the column of what an action says to this customer.
SAYS = "_says"
NO_CANDIDATE = 255  # the action is not open to the customer at all


# An expression on a customer's columns, within what an action says to them.
IN_BRACES = re.compile(r"\{([^{}]*)\}")
NO_VALUES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Asked:
    """What conditions are asked of: the facts known at the as-of, and SQL of a row per customer, scores and features."""

    facts: FactsAt
    scored: str
    features: str

    @cached_property
    def scored_columns(self) -> tuple[str, ...]:
        return tuple(types_of(self.facts.connection, self.scored))

    @cached_property
    def feature_columns(self) -> tuple[str, ...]:
        """The features' own columns: of two of one name the scored table's counts."""
        return tuple(name for name in types_of(self.facts.connection, self.features) if name not in self.scored_columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a ``when`` may use."""
        return (*self.scored_columns, *self.feature_columns)

    @property
    def joined(self) -> str:
        """The SQL of a row per customer, ``scored`` beside ``features``."""
        added = ", ".join(map(quoted, ("customer_id", *self.feature_columns)))
        return f"({self.scored}) scored LEFT JOIN (SELECT {added} FROM ({self.features})) features USING (customer_id)"

    def where(self, conditions: Mapping[str, str], values: Mapping[str, str] = NO_VALUES) -> pd.DataFrame:
        """Ask conditions and SQL of further values of every customer.

        => the scored columns, ``tie``, a flag per condition, the values; ordered by customer
        """
        flags = "".join(
            f", coalesce(({to_duckdb(parse_expression(text, name))}), false) AS {quoted(name)}"
            for name, text in conditions.items()
        ) + "".join(f", {sql} AS {quoted(name)}" for name, sql in values.items())
        kept = ", ".join(f"scored.{quoted(name)}" for name in self.scored_columns)
        return self.facts.query(
            f"""
            SELECT {kept}, CAST('0x' || substr(sha256(scored.customer_id), 1, 15) AS BIGINT) AS tie {flags}
            FROM {self.joined}
            ORDER BY customer_id
            """
        )

    def only(self, customers: Collection[str]) -> Asked:
        """Ask of some customers alone."""
        self.facts.connection.register("touched", pd.DataFrame({"customer_id": [*customers]}, dtype="str"))
        return replace(self, scored=f"SELECT * FROM ({self.scored}) SEMI JOIN touched USING (customer_id)")


@dataclass(frozen=True)
class Candidates:
    """``customers``: one row each, ordered: customer_id, tie, the scores and consents, ``_best``, what actions say to each. ``columns``: action by channel.

    ``refused``: customers x columns, a place in ``REFUSALS``; 0 where open, ``NO_CANDIDATE`` where nothing opens it.
    """

    customers: pd.DataFrame
    columns: tuple[tuple[Action, Channel], ...]
    refused: np.ndarray

    def refuse(self, at: np.ndarray, why: str) -> None:
        """Refuse, of those still open, the ones at a customers x columns mask, for a reason."""
        self.refused[at & (self.refused == 0)] = CODE[why]

    @property
    def open(self) -> np.ndarray:
        return np.asarray(self.refused == 0)


def text_of(content: str) -> str:
    """Give the SQL of a content with expressions in braces, null where one of them is; empty of one without.

    A number without a fraction is written without one.

    >>> text_of("Hello {name}")
    "'Hello ' || regexp_replace(CAST(name AS VARCHAR), if(typeof(name) = 'DOUBLE', '[.]0$', '^$'), '')"
    """
    parts = IN_BRACES.split(content)
    if len(parts) == 1:
        return ""
    asked = [
        f"regexp_replace(CAST({sql} AS VARCHAR), if(typeof({sql}) = 'DOUBLE', '[.]0$', '^$'), '')"
        for sql in (to_duckdb(parse_expression(text, content)) for text in parts[1::2])
    ]
    plain = [literal(text) if text else "" for text in parts[::2]]
    return " || ".join(text for pair in zip(plain, [*asked, ""], strict=True) for text in pair if text)


def find_candidates(
    asked: Asked, policy: Policy, opened: Mapping[str, pd.Series], *, all_open: bool = True
) -> Candidates:
    """Find whom each action is open to, and refuse those without consent.

    ``opened``: by action that a fact or another action opens, the ids of its customers; not ``all_open``: no other.

    Raises
    ------
    DefinitionError : a channel needs the consent of a kind that no customer was asked for.
    """
    conditions = {f"open__{action.name}": action.when for action in policy.actions.values() if action.when}
    best = {IS_BEST: policy.rules.people.best or "false"}
    texts = {f"{a.name}{SAYS}": text for a in policy.actions.values() if (text := text_of(a.content))}
    found = asked.where(conditions | best, texts)
    _check_consents(asked, policy)
    refused = np.full((len(found), len(policy.columns)), NO_CANDIDATE, dtype=np.uint8)
    for place, (action, _) in enumerate(policy.columns):
        is_open = np.full(len(found), all_open or action.name in opened)
        if action.name in opened or not action.when:
            is_open &= found["customer_id"].isin(opened.get(action.name, ())).to_numpy()
        if action.when:
            is_open &= found[f"open__{action.name}"].to_numpy(dtype=bool)
        refused[is_open, place] = 0
    candidates = Candidates(found.drop(columns=list(conditions)), policy.columns, refused)
    _refuse_without_consent(candidates)
    return candidates


def _check_consents(asked: Asked, policy: Policy) -> None:
    known = [name.removeprefix(CONSENT) for name in asked.scored_columns if name.startswith(CONSENT)]
    for channel in policy.channels.values():
        if channel.consent and channel.consent not in known:
            raise DefinitionError(
                f"{asked.facts.source.where} [channels.{channel.name}] consent: "
                f'{UnknownNameError("Consent", channel.consent, known)} Write consent = "" only where none is needed.'
            )


def _refuse_without_consent(candidates: Candidates) -> None:
    for place, (action, channel) in enumerate(candidates.columns):
        if action.service or not channel.consent_column:
            continue
        consent = candidates.customers[channel.consent_column]
        for why, at in (
            ("consent never asked for", consent.isna()),
            ("no consent", ~consent.fillna(False).astype(bool)),
        ):
            _refuse(candidates, at.to_numpy(dtype=bool), place, why)


def _refuse(candidates: Candidates, customers: np.ndarray, place: int, why: str) -> None:
    column = candidates.refused[:, place]
    column[customers & (column == 0)] = CODE[why]


def refuse_by_history(
    candidates: Candidates, policy: Policy, history: History, exceptions: pd.DataFrame, sends_on: date
) -> None:
    """Refuse what contact rules forbid: unsubscribed, an exception, waiting, capped in a sliding window, resting."""
    ids, day = candidates.customers["customer_id"], pd.Timestamp(sends_on)
    back, past = history.came_back, history.contacts
    to_a_person = ids.isin(exceptions["customer_id"]).to_numpy()
    gone = back[back["status"] == "unsubscribed"]
    marketing = past[~past["is_service"].astype(bool)]
    today = marketing.loc[marketing["on"] == day, "customer_id"]
    capped = ids.isin(capped_customers(policy, marketing, day)).to_numpy()
    priced = past["action"].isin([a.name for a in policy.actions.values() if a.price is not None])
    priced &= past["on"] > day - timedelta(days=PRICE_DAYS)
    has_price = ids.isin(past.loc[priced, "customer_id"]).to_numpy()
    is_best = candidates.customers[IS_BEST].to_numpy(dtype=bool)
    for place, (action, channel) in enumerate(candidates.columns):
        if action.service:
            continue
        _refuse(
            candidates,
            ids.isin(gone.loc[gone["channel"] == channel.name, "customer_id"]).to_numpy(),
            place,
            "unsubscribed",
        )
        _refuse(candidates, to_a_person, place, "a complaint: to a person first")
        _refuse(candidates, ids.isin(history.waiting["customer_id"]).to_numpy(), place, "waits for approval")
        _refuse(candidates, ids.isin(today).to_numpy(), place, "another goes out that day")
        _refuse(candidates, capped, place, "contact cap reached")
        # A forecast that moves day by day is one date all the same.
        rest_days = max(action.rest_days, action.expires_after if action.on and action.on.date else 0)
        if rest_days:
            # What was withheld rests as if it had been sent: else tomorrow would undo what chance kept apart.
            rests = pd.concat([past, history.withheld])[["customer_id", "action", "on"]]
            again = (rests["on"] > day - timedelta(days=rest_days)) & (rests["action"] == action.name)
            _refuse(
                candidates, ids.isin(rests.loc[again, "customer_id"]).to_numpy(), place, "resting since the last time"
            )
        if action.price is not None:
            _refuse(candidates, has_price, place, "another price within 30 days")
            _refuse(candidates, is_best & (action.price > 0), place, "no price rise for a best customer")


def capped_customers(policy: Policy, marketing: pd.DataFrame, day: pd.Timestamp) -> set[str]:
    """Name those who may not be contacted on a day: some window that it is in is full. ``marketing``: customer_id, on"""
    full: set[str] = set()
    for days, most in policy.rules.at_most.items():
        # What was approved may go out on a later day still: it counts before and after.
        count = marketing.loc[marketing["on"] > day - timedelta(days=days), "customer_id"].value_counts()
        full |= {*count.index[count >= most]}
    return full


def refuse_unscored(candidates: Candidates) -> None:
    """Refuse what moves a target that a customer was not asked about."""
    for place, (action, _) in enumerate(candidates.columns):
        if action.moves:
            propensity = candidates.customers.get(f"{action.moves}_propensity")
            unasked = (
                np.ones(len(candidates.customers), dtype=bool) if propensity is None else propensity.isna().to_numpy()
            )
            _refuse(candidates, unasked, place, "not asked: not eligible for what it moves")


def gate_table(candidates: Candidates) -> pd.DataFrame:
    """Count, action by action and gate by gate, who fell out. => action, channel, candidates, refused_because, customers"""
    rows = []
    for place, (action, channel) in enumerate(candidates.columns):
        codes, counts = np.unique(candidates.refused[:, place], return_counts=True)
        asked = int((candidates.refused[:, place] != NO_CANDIDATE).sum())
        rows += [
            (action.name, channel.name, asked, REFUSALS[code] or "open", int(count))
            for code, count in zip(codes, counts, strict=True)
            if code != NO_CANDIDATE
        ]
    return pd.DataFrame(rows, columns=["action", "channel", "candidates", "refused_because", "customers"])


def lists_of(policy: Policy, asked: Asked) -> dict[str, pd.DataFrame]:
    """Give the audiences, lists of customers without an action. => by name: customer_id"""
    found = asked.where({name: audience.when for name, audience in policy.audiences.items()})
    return {name: found.loc[found[name].astype(bool), ["customer_id"]] for name in policy.audiences}

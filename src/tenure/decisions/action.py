"""What the company can do to a customer, and its rules: actions, channels, audiences, as one policy.

``nothing`` is always an action and needs no definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import time
from typing import Literal

from tenure.core.errors import DefinitionError
from tenure.core.hashing import digest
from tenure.sources.contract import CONSENT

Tier = Literal["automatic", "sample", "approve"]
NOTHING = "nothing"
# A proposal, or a fact that opens an action, that is older than this is counted and not acted on.
EXPIRES_DAYS = 7
LAST = time(23, 59, 59)
DAYS_OF_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Channel:
    """How an action reaches a customer. ``consent``: whose consent it needs, empty for none; ``per_day``: its capacity."""

    name: str
    cost: float = 0.0
    consent: str = ""
    per_day: int | None = None

    @property
    def consent_column(self) -> str:
        """The column of ``scored_customers`` that must be true; empty where none is needed."""
        return CONSENT + self.consent if self.consent else ""


@dataclass(frozen=True)
class Trigger:
    """What opens an action: a fact that has arrived, a condition that has become true, or a date that is reached.

    ``expression``: a yes-or-no aggregate over the rows of a staged ``table`` that have arrived since the last decision,
    ``unless`` the customer's rows since then say otherwise. ``becomes``: a condition that held at no earlier decision:
    an aggregate over all rows of a ``table``, or without one a condition on the columns that ``when`` may use.
    ``date``: a column of dates, or of days since then; the day ``after_days`` later (before it, if negative), and if ``yearly`` its
    anniversaries. Before the first decision, what has happened in the last ``days`` is new.
    """

    table: str = ""
    expression: str = ""
    becomes: str = ""
    date: str = ""
    days: int = 1
    after_days: int = 0
    yearly: bool = False
    unless: Trigger | None = None

    @property
    def of_columns(self) -> str:
        """What it asks of the columns of customers; empty where it asks rows."""
        return self.date or ("" if self.table else self.becomes)


@dataclass(frozen=True)
class Follow:
    """What is done ``after_days``, unless the customer's rows since then say otherwise."""

    action: str
    after_days: int
    unless: Trigger | None = None


@dataclass(frozen=True)
class Action:
    """Something the company can do to a customer. Money is in the source's currency, ``_days`` are days.

    It is open to a customer ``when`` an SQL condition over ``scored_customers`` and the features holds, ``on`` a fact,
    a change or a date, or ``then``, after another action. It changes the outcome of the target it ``moves``; an action
    that moves none is worth ``worth`` each. ``effect``: the assumed share of positives it wins; None: as its target
    says. ``take_up``: the assumed share of those reached who take what costs ``if_taken``. ``price``: what it changes in
    a customer's price, as a share of it (-0.1: a tenth less). ``content``: text, with expressions on the customer's
    columns in braces. ``service``: it reaches everyone it is open to, hold-out and caps notwithstanding, and no effect
    is estimated from it.
    """

    name: str
    says: str
    channels: tuple[str, ...]
    moves: str = ""
    when: str = ""
    on: Trigger | None = None
    then: Follow | None = None
    cost: float = 0.0
    if_taken: float = 0.0
    take_up: float = 1.0
    effect: float | None = None
    worth: float | None = None
    price: float | None = None
    tier: Tier = "automatic"
    rest_days: int = 0
    per_day: int | None = None
    expires_after: int = EXPIRES_DAYS
    valid_days: int | None = None
    service: bool = False
    who: str = ""
    content: str = ""

    def __post_init__(self) -> None:
        if self.name == NOTHING:
            raise DefinitionError(f"Action {NOTHING!r} is always there. Expected another name.")
        if self.service and self.tier != "automatic":
            raise DefinitionError(
                f"[actions.{self.name}]: service = true and tier = {self.tier!r}. Expected a service message, which goes out "
                "whatever happens, or an action that a person approves; leave one out."
            )
        if not (self.service or self.moves or self.worth is not None):
            raise DefinitionError(
                f"Action {self.name}: it moves no target, so nobody knows what it is worth. Expected moves = "
                '"<target>", worth = <money each>, or service = true.'
            )


@dataclass(frozen=True)
class Audience:
    """A list of customers without an action."""

    name: str
    when: str
    says: str = ""


@dataclass(frozen=True)
class People:
    """Whom no rule alone decides on: what is automatic for others waits for a person.

    ``stake``: more than this at stake, ``discount``: more than this given to who accepts (the source's currency);
    ``uncertain``: whose low end is not worth it; ``topics``: after a ticket about one of them. ``best``: the condition
    of the best customers: they come first in the queue, too, and no price of theirs is raised. ``never``: topics on
    which nothing is sent while a ticket is open. ``without``: so many decision days in a row with nothing that may be
    sent to who is in decile 1 are for a person; 0: none are.
    """

    stake: float | None = None
    discount: float | None = None
    uncertain: bool = False
    topics: tuple[str, ...] = ()
    best: str = ""
    never: tuple[str, ...] = ()
    without: int = 3


@dataclass(frozen=True)
class Rules:
    """What holds for all actions: shares of chance, the budget of a decision day, contact rules, what people decide.

    ``at_most``: contacts in any so many days; sliding windows, all channels. ``quiet``: days of the week (mon .. sun)
    and hours (``21:00-08:00``) in which nothing is sent.
    """

    hold_out: float = 0.05
    explore: float = 0.02
    explore_total: float = 0.05
    waves: int = 0
    budget: float | None = None
    at_most: Mapping[int, int] = field(default_factory=dict)
    quiet: tuple[str, ...] = ()
    people: People = field(default_factory=People)

    @property
    def quiet_days(self) -> tuple[int, ...]:
        """Days of the week on which nothing is sent, 0 = Monday."""
        return tuple(DAYS_OF_WEEK.index(given) for given in self.quiet if given in DAYS_OF_WEEK)

    @property
    def open_hours(self) -> tuple[tuple[time, time], ...]:
        """The spans of a day in which something may be sent, the earliest first."""
        spans = [tuple(map(time.fromisoformat, given.split("-"))) for given in self.quiet if "-" in given]
        if not spans:
            return ((time.min, LAST),)
        begins, ends = spans[0]
        return ((ends, begins),) if begins > ends else ((time.min, begins), (ends, LAST))


@dataclass(frozen=True)
class Policy:
    """All of a source's decisions: its rules, channels, actions and audiences, by name."""

    rules: Rules
    channels: Mapping[str, Channel]
    actions: Mapping[str, Action]
    audiences: Mapping[str, Audience]

    @property
    def columns(self) -> tuple[tuple[Action, Channel], ...]:
        """Every way to act: an action by one of its channels, in the order in which they are written."""
        return tuple((action, self.channels[name]) for action in self.actions.values() for name in action.channels)

    def fingerprint(self, **made_from: object) -> str:
        """Name the policy by its content and by what its values are made from: model versions, measured effects."""
        parts = [[asdict(each) for each in group.values()] for group in (self.channels, self.actions)]
        rules = asdict(self.rules) | {"at_most": sorted(self.rules.at_most.items())}
        return digest(parts, rules, sorted(made_from.items()))[:16]

"""Random histories of subscriptions, small enough to be read by eye, for comparing with the oracle.

Every history is a function of one seed. Most subscriptions live a plausible life (terms, renewals, dunning, pauses, switches,
restarts); one in four is a soup of events on few instants, where the odd corners of the definition meet.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from states_oracle import Event, Rules, is_due

DAY = timedelta(days=1)
TERMS = [None, None, 28, 29, 30, 30, 30, 31, 31, 89, 90, 91, 92, 181, 182, 184, 365, 365, 366, 7, 10, 45, 100]
PRICES = [None, 10.0, 10.0, 20.0, 20.0, 35.5, 0.0]
SOUP = ["trial_started", "started", "started", "renewed", "renewed", "upgraded", "downgraded", "addon_bought", "paused"]
SOUP += ["resumed", "cancel_requested", "ended", "ended"]
EDGES = [["ended"], ["ended"], ["ended"], ["renewed"], ["renewed", "ended"], ["ended", "started"], ["ended", "renewed"]]
EDGES += [["paused"], ["paused", "resumed"], ["resumed"], ["upgraded"], ["cancel_requested", "ended"], []]
MOST_EVENTS, MOST_SUBSCRIPTIONS = 40, 4


@dataclass(frozen=True)
class Question:
    """What is asked: at which cutoff, seen from which as-of, under which rules of the source."""

    cutoff: date
    as_of: date
    rules: Rules
    horizon_days: int
    lead_days: int


@dataclass(frozen=True)
class History:
    """Events of one or two customers, and the question that is asked of them."""

    seed: int
    events: tuple[Event, ...]
    question: Question


@dataclass
class _Life:
    """One subscription while its events are made up."""

    rng: random.Random
    customer: str
    name: str | None
    term: int | None
    price: float | None
    rows: list[Event]

    def add(self, kind: str, day: date, at: time | None = None) -> None:
        """Add an event on a day, at midnight (as a date-only source has it) or at a time."""
        moment = datetime.combine(day, at or time())
        self.rows.append(Event(self.customer, self.name, kind, moment, moment, self.term, self.price))


def random_question(seed: int) -> Question:
    """Make the question of a seed; its label is certain at the as-of."""
    rng = random.Random(f"question {seed}")
    cutoff = date(2024, 1, 1) + rng.randrange(366) * DAY
    if rng.random() < 0.6:
        cutoff = cutoff.replace(day=1)
    grace = rng.choice([0, 1, 3, 7, 14, 14, 14, 14, 21, 30])
    rules = Rules(grace, rng.choice([None, None, None, 10, 30, 90]), rng.random() < 0.6)
    horizon, lead = rng.choice([7, 28, 30, 30, 30, 31, 60, 90]), rng.choice([0, 0, 0, 0, 7, 14, 30])
    as_of = cutoff + (lead + horizon + 2 * grace + rng.choice([0, 0, 1, 5, 30, 90])) * DAY
    return Question(cutoff, as_of, rules, horizon, lead)


def random_history(seed: int, question: Question | None = None) -> History:
    """Make the history of a seed, by default for the question of the same seed.

    No two seeds share a customer, so that histories of one question can be answered as one table.
    """
    rng = random.Random(seed)
    question = question or random_question(seed)
    customers = [f"ann{seed}"] if rng.random() < 0.8 else [f"ann{seed}", f"bob{seed}"]
    count = rng.choice([1, 1, 1, 2, 2, 3, MOST_SUBSCRIPTIONS])
    lives = [_life(rng, rng.choice(customers), n, question) for n in range(count)]
    rows = [row for life in lives for row in _trimmed(life.rows, MOST_EVENTS // count, question.as_of)]
    rows = [_known(rng, row) for row in rows]
    rng.shuffle(rows)
    return History(seed, tuple(replace(row, delivered=n) for n, row in enumerate(rows)), question)


def staged_rows(histories: Iterable[History]) -> list[dict[str, Any]]:
    """Give the events as rows with the columns of the staged table, in the order of delivery."""
    return [
        {name: value for name, value in vars(event).items() if name != "delivered"}
        for history in histories
        for event in history.events
    ]


def _life(rng: random.Random, customer: str, n: int, question: Question) -> _Life:
    name = None if n == 0 and rng.random() < 0.1 else "abcd"[n]
    life = _Life(rng, customer, name, rng.choice(TERMS), rng.choice(PRICES), [])
    kind = rng.random()
    if kind < 0.25:
        _soup(life, question.cutoff, question.as_of)
    elif kind < 0.6:
        _at_the_edge(life, question)
    else:
        _plausible(life, question.cutoff, question.as_of, question.rules)
    _thin(life, question.rules)
    return life


def _soup(life: _Life, cutoff: date, as_of: date) -> None:
    rng = life.rng
    days = [cutoff + rng.randrange(-70, (as_of - cutoff).days + 5) * DAY for _ in range(rng.randint(2, 6))]
    times = [None, None, None, time(9), time(9, 0, 1), time(23, 59, 59)]
    for _ in range(rng.randint(2, 10)):
        if rng.random() < 0.3:
            life.term, life.price = rng.choice(TERMS), rng.choice(PRICES)
        life.add(rng.choice(SOUP), rng.choice(days), rng.choice(times))


def _at_the_edge(life: _Life, question: Question) -> None:
    """Let a due date, and what is done about it, fall near the begin or the end of the window."""
    rng, grace = life.rng, question.rules.grace_days
    life.term = rng.choice([30, 30, 31, 31, 91, 365, 45, None])
    life.price = rng.choice([None, 10.0, 10.0, 20.0])
    window = question.cutoff + question.lead_days * DAY
    end = window + question.horizon_days * DAY
    due = rng.choice([end, end, window, question.cutoff]) + rng.randint(-grace - 1, 1) * DAY
    at = rng.choice([None, None, time(6)])
    life.add("started", due - (life.term or 60) * DAY, at)
    days = [0, 0, 1, -1, rng.randint(0, grace + 2), rng.randint(0, grace + 2), grace, grace + 1, 21]
    for kind in rng.choice(EDGES):
        life.add(kind, due + rng.choice(days) * DAY, at)


def _plausible(life: _Life, cutoff: date, as_of: date, rules: Rules) -> None:
    """Begin before the cutoff, pay term after term, and let things happen on the way."""
    rng = life.rng
    at = rng.choice([None, None, time(6), time(12, 30)])
    day = cutoff - rng.randrange(-20, min(3 * (life.term or 60), 500) + 40) * DAY
    if rng.random() < 0.2:
        life.add("trial_started", day, at)
        day += rng.choice([0, 7, 14, 30]) * DAY
        if rng.random() < 0.4:
            life.add("ended", day, at)
            if rng.random() < 0.6:
                return
    life.add("started", day, at)
    anchor = day
    while day < as_of:
        upcoming = _next_due(rng, anchor, day, life.term)
        _on_the_way(life, day, upcoming, at)
        fate = rng.random()
        if fate < 0.66:
            day = upcoming + _delay(rng, rules.grace_days) * DAY
            life.add("renewed", day, at)
            anchor = day if rng.random() < 0.8 else anchor
            if rng.random() < 0.05:  # charged and gone on one day, or the next
                life.add("ended", day + rng.choice([0, 0, 1]) * DAY, rng.choice([at, time(19)]))
                return
        elif fate < 0.80:
            gone = upcoming + rng.choice([0, 0, 0, -1, 1, 5, 9, rules.grace_days, rules.grace_days + 1, 21, 21]) * DAY
            life.add("ended", gone, at)
            if rng.random() < 0.6:
                return
            day = anchor = (
                gone + rng.choice([0, 1, 2, 11, rules.grace_days, rules.grace_days + 1, rng.randint(1, 30)]) * DAY
            )
            life.add(rng.choice(["started", "started", "resumed", "renewed"]), day, at)
        elif fate < 0.90:
            return  # renewals just stop
        else:
            _switch(life, upcoming, at)
            day = anchor = upcoming


def _next_due(rng: random.Random, anchor: date, after: date, term: int | None) -> date:
    if term is None:
        return after + rng.choice([30, 31, 60]) * DAY
    day = after + DAY
    while not is_due(anchor, term, day):
        day += DAY
    return day


def _delay(rng: random.Random, grace: int) -> int:
    return rng.choice([0, 0, 0, 0, 0, -1, -2, 1, 3, grace, grace + 1, 21])


def _switch(life: _Life, day: date, at: time | None) -> None:
    """End and start again, in one instant or a second later."""
    rng = life.rng
    life.add("ended", day, at)
    life.price = rng.choice([life.price, *PRICES])
    life.term = rng.choice([life.term, life.term, *TERMS])
    later = None if at is None else at.replace(second=rng.choice([0, 0, 1]))
    life.add(rng.choice(["started", "started", "resumed"]), day, later)


def _on_the_way(life: _Life, day: date, upcoming: date, at: time | None) -> None:
    """Let something happen between two due dates, now and then."""
    rng = life.rng
    if upcoming - day < 2 * DAY or rng.random() < 0.6:
        return
    then = day + rng.randint(1, (upcoming - day).days) * DAY
    kind = rng.choice(["paused", "cancelled", "cancelled", "plan", "plan", "addon_bought", "trial_started"])
    if kind == "paused":
        life.add("paused", then, at)
        if rng.random() < 0.7:
            life.add("resumed", then + rng.choice([0, 1, 9, 10, 11, 12, 29, 30, 31, 32, 45, 91, 366]) * DAY, at)
    elif kind == "cancelled":
        life.add("cancel_requested", then, at)
        if rng.random() < 0.4:
            life.add("resumed", then + rng.choice([0, 0, 1, 5]) * DAY, at)
    elif kind == "plan":
        if rng.random() < 0.5:
            life.term = rng.choice(TERMS)
        life.price = rng.choice(PRICES)
        life.add(rng.choice(["upgraded", "downgraded"]), then, at)
    else:
        life.add(kind, then, at)


def _thin(life: _Life, rules: Rules) -> None:
    """Leave out what sources leave out: renewals, terms and prices on some rows, the first start."""
    rng = life.rng
    if not rules.renewals_delivered and rng.random() < 0.8:
        life.rows = [row for row in life.rows if row.event != "renewed"]
    told = rng.choice(["everywhere", "agreed", "started", "some"])
    agreed = {"agreed": {"started", "renewed", "upgraded", "downgraded"}, "started": {"started"}}
    for n, row in enumerate(life.rows):
        if told in agreed and row.event not in agreed[told] or told == "some" and rng.random() < 0.4:
            life.rows[n] = replace(row, term_days=None, monthly_price=None)
    if rng.random() < 0.12:
        life.rows = sorted(life.rows, key=lambda row: row.occurred_at)[1:]


def _trimmed(rows: list[Event], most: int, as_of: date) -> list[Event]:
    """Keep the latest events, so that a longer life lacks its beginning; some lie after the as-of."""
    rows = [row for row in rows if row.occurred_at.date() < as_of + 10 * DAY]
    return sorted(rows, key=lambda row: row.occurred_at)[-most:]


def _known(rng: random.Random, row: Event) -> Event:
    """Let one fact in six be known later than it occurred."""
    late = rng.choice([1, 2, 5, 14, 30, 60]) * DAY if rng.random() < 1 / 6 else timedelta()
    return replace(row, known_at=row.occurred_at + late)


def as_table(history: History) -> str:
    """Print a history, one line an event, oldest first, with the question in the head."""
    question, rules = history.question, history.question.rules
    window = question.cutoff + question.lead_days * DAY
    head = (
        f"seed {history.seed}: cutoff {question.cutoff}, window [{window}, {window + question.horizon_days * DAY}), as-of "
        f"{question.as_of}, grace {rules.grace_days}, pause is an end after {rules.pause_is_end_days}, renewals "
        f"{'delivered' if rules.renewals_delivered else 'not delivered'}"
    )
    ordered = sorted(history.events, key=lambda row: (row.customer_id, row.subscription_id or "", row.occurred_at))
    lines = [
        f"{row.customer_id:9} {row.subscription_id or '-':2} {row.occurred_at!s:19}  {row.event:17}"
        f"{'' if row.term_days is None else row.term_days!s:>5} {'' if row.monthly_price is None else row.monthly_price!s:>6}"
        f"{'' if row.known_at == row.occurred_at else f'   known {row.known_at}'}"
        for row in ordered
    ]
    return "\n".join([head, *lines])

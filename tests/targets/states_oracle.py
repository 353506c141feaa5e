"""Customer states: an oracle that loops over events, day by day.

Written from DESIGN section 3, "Churn, exactly", by somebody who has not read the code that it judges. It imports nothing
of tenure and holds no SQL. Where the paragraph is silent or can be read in two ways, this is how it is read here:

INSTANTS AND ORDER
 1. An instant is one value of `occurred_at` of one subscription. A date-only event occurs at midnight, so it comes before
    the events of that day which carry a time. Days are calendar days; a state is that of the close of the day, after its
    last instant.
 2. Within one instant there is no order: staged rows keep none, so the order of delivery never matters.
 3. "Follows" means in a later instant. So `paused` or `cancel_requested` in one instant with `started`, `renewed` or
    `resumed` neither pauses nor cancels: the subscription is paid, without a pending cancellation.
 4. A subscription is a pair (customer_id, subscription_id). The rows of a customer without a subscription_id are one
    subscription of their own. Different subscriptions of a customer never touch one another, also in one instant.

STATES OF A SUBSCRIPTION
 5. Before its first known event a subscription is `none`. A start that was not delivered is not guessed backwards: the
    subscription is paid from the day of its first known event on.
 6. "Other events" are `upgraded`, `downgraded`, `addon_bought` and `cancel_requested`: if the first known instant holds
    nothing else, the subscription is paid from there on; later they change nothing, also on a trial and after an end.
 7. `paused` as the first known event shows a paused subscription (it must have been paid). `ended` as the first known
    event leaves `none`. Any first known instant without `started` or `trial_started` counts as "start not delivered".
 8. `paused` pauses only what is paid. On a trial, after `ended` and on what is already paused it changes nothing; in
    particular a second `paused` does not begin the pause anew.
 9. `trial_started` makes a trial only of what is none. What is paid or paused stays so, also within one instant.
10. `started`, `renewed` or `resumed` make every subscription paid, also one on trial, one that ended and one that is paused.
11. "Leaves the state as it was" is meant literally: with `ended` and `started` (or `resumed`) in one instant a paid
    subscription stays paid, a paused one paused, a trial a trial, and what was none (or unknown) stays none. So a
    subscription started and ended by date on one day never runs, and a trial whose `ended` shares the instant with its
    paid `started` stays a trial. Further events in that instant (renewed, paused ...) change nothing about it.
12. `ended` in one instant with anything but `started` or `resumed` (also `renewed`) ends the subscription.

PRICE
13. Price and term are stated by the rows that agree on something: `started`, `renewed`, `resumed`, `upgraded`, `downgraded`.
    What the rows of `trial_started`, `addon_bought`, `paused`, `cancel_requested` and `ended` carry is not the price or
    term of what goes on, and is passed over.
14. The last stated price or term holds until another is stated; a null states nothing, also at a new start.
15. Where rows of one instant disagree, those of `upgraded` and `downgraded` hold over the others; of several still
    different, the largest.
16. While the price in force is 0 the subscription is none whatever its events say, paused included. A price that was
    never stated is not 0. A plan change to price 0 therefore is an end on its day, and one from 0 to a price a beginning.

DUE DATES
17. Due dates are counted from the calendar day of an anchor: the last instant with `started` or `renewed` (also within a
    plan switch), or with an `upgraded`, `downgraded` or `resumed` that brought a term other than the one in force (a
    first term counts as another). A plan change that repeats the term in force moves nothing.
18. The n-th due date is the anchor plus n terms. For 28-31, 89-92, 181-184 and 365-366 days it is the anchor plus n x 1, 3, 6
    or 12 calendar months, always counted from the anchor (31 January, 29 February, 31 March). Other terms are days.
19. A subscription without a stated term, with a term below one day, or without an anchor has no due dates: "no term".
20. A term agreed later does not reach back; a due date is judged by the anchor and term at the close of the day before it.
21. A due date counts as passed only where the subscription is paid at the close of the day before it and of the day
    itself. So due dates in a pause, on a free plan, on a trial or after an end pass by, and the day of a `resumed` is none.

OVERDUE (only in a source that delivers renewals)
22. A due date d is met by a `started`, `renewed` or term-changing plan event on any of the days d to d + grace_days; before d
    such an event moves the due date itself. Also a `resumed`, `paused` or `ended` on one of these days settles it: what
    that event says then holds from its own day. So an explicit end in the grace keeps its own day.
23. The subscription is overdue on the days d + 1 to d + grace_days, and still paid. If nothing settled the due date and the
    subscription was paid on all these days, then from the close of day d + grace_days on it ended on d: at the close of d
    it is none. A cutoff or as-of sees this end if it is later than d + grace_days, and else sees it as overdue.
24. Such an end lasts until the next `started`, `renewed`, `resumed`, `paused` or `ended`, after which the subscription is
    what its delivered events say. (Ends that are derived never change what "as it was" or "after a paused" mean.)
25. In a source that does not deliver renewals nothing is ever overdue; all due dates of the anchor roll on.

PAUSES
26. A subscription paused on day p has at the close of day p + n been paused for n days. With `pause_is_end_days` = n it is none
    from the close of day p + n + 1 on, until an event makes it paid again (or ends it).

Who is asked and who churned, and how the rest of the paragraph is read (27 to 36): `churn_oracle.py`.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

BEGIN = {"started", "renewed", "resumed"}
AGREE = BEGIN | {"upgraded", "downgraded"}
MOVE = BEGIN | {"paused", "ended"}
MONTHS = {
    **dict.fromkeys(range(28, 32), 1),
    **dict.fromkeys(range(89, 93), 3),
    **dict.fromkeys(range(181, 185), 6),
    **dict.fromkeys(range(365, 367), 12),
}
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """One event of one subscription; ``delivered`` is its place in the file and means nothing here (2)."""

    customer_id: str
    subscription_id: str | None
    event: str
    occurred_at: datetime
    known_at: datetime
    term_days: int | None = None
    monthly_price: float | None = None
    delivered: int = 0


@dataclass(frozen=True)
class Rules:
    """What a source sets: days of grace, after how many days a pause is an end, whether renewals are delivered."""

    grace_days: int
    pause_is_end_days: int | None = None
    renewals_delivered: bool = True


@dataclass(frozen=True)
class Close:
    """One subscription at the close of one day, by its delivered events."""

    state: str = "unknown"  # before the first known event; else paid, paused, trial, none
    price: float | None = None
    term: int | None = None
    anchor: date | None = None
    is_cancelled: bool = False
    paused_on: date | None = None
    has_moved: bool = False  # on this day: one of MOVE
    is_anchored: bool = False  # on this day: due dates follow this day from now on

    @property
    def is_paid(self) -> bool:
        return self.state == "paid" and self.price != 0


@dataclass(frozen=True)
class Subscription:
    """One subscription over its days: the closes, the states with derived ends, and what happened to it."""

    name: str | None
    first_day: date
    closes: list[Close]
    states: list[str]
    is_overdue: bool  # at the last day
    ran_out: tuple[date, ...]  # due dates that became ends
    pause_exceeded: tuple[date, ...]
    has_switched: bool
    start_is_missing: bool


def is_due(anchor: date, term: int, day: date) -> bool:
    """Whether ``day`` lies a whole number of terms after ``anchor``."""
    if day <= anchor:
        return False
    months = MONTHS.get(term)
    if months is None:
        return (day - anchor).days % term == 0
    between = 12 * (day.year - anchor.year) + day.month - anchor.month
    return between > 0 and between % months == 0 and day.day == min(anchor.day, monthrange(day.year, day.month)[1])


def after_instant(before: Close, rows: Sequence[Event], day: date) -> Close:
    """Apply one instant of one subscription."""
    kinds = {row.event for row in rows}
    state = state_after(before.state, kinds)
    term = stated([(row.event, row.term_days) for row in rows], before.term)
    price = stated([(row.event, row.monthly_price) for row in rows], before.price)
    anchors = bool(kinds & {"started", "renewed"}) or term != before.term
    cancelled = not kinds & BEGIN and ("cancel_requested" in kinds or before.is_cancelled)
    paused_on = (before.paused_on or day) if state == "paused" else None
    return Close(
        state=state,
        price=price,
        term=term,
        anchor=day if anchors else before.anchor,
        is_cancelled=cancelled,
        paused_on=paused_on,
        has_moved=before.has_moved or bool(kinds & MOVE),
        is_anchored=before.is_anchored or anchors,
    )


def state_after(before: str, kinds: set[str]) -> str:
    """Give the state after an instant that holds these kinds of events."""
    if "ended" in kinds:
        is_switch = bool(kinds & {"started", "resumed"})
        return before if is_switch and before != "unknown" else "none"
    if kinds & BEGIN:
        return "paid"
    if "trial_started" in kinds and before in {"none", "unknown"}:
        return "trial"
    if "paused" in kinds and before in {"paid", "unknown"}:
        return "paused"
    if before == "unknown":
        return "paid"  # only other events: the start was not delivered
    return before


def stated(values: Iterable[tuple[str, float | None]], before: float | None) -> float | None:
    """Choose the price or term that an instant states; what was in force before where it states none."""
    given = [(event, value) for event, value in values if event in AGREE and value is not None]
    changed = [value for event, value in given if event not in BEGIN]
    return max(changed or [value for _, value in given], default=before)


def follow(rows: Sequence[Event], until: date, rules: Rules) -> Subscription:
    """Follow one subscription from its first event to the day before ``until``."""
    instants: dict[date, dict[datetime, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        instants[row.occurred_at.date()][row.occurred_at].append(row)
    first = min(instants)
    closes, now, day = [], Close(), first
    while day < until:
        if now.has_moved or now.is_anchored:
            now = replace(now, has_moved=False, is_anchored=False)
        for instant in sorted(instants.get(day, ())):
            now = after_instant(now, instants[day][instant], day)
        closes.append(now)
        day += DAY
    return settle(rows, first, closes, rules)


def settle(rows: Sequence[Event], first: date, closes: list[Close], rules: Rules) -> Subscription:
    """Add the ends that nobody delivered: renewals that did not come and pauses that took too long."""
    states, ran_out, exceeded, overdue, has_run_out = [], [], [], False, False
    for n, close in enumerate(closes):
        day = first + n * DAY
        has_run_out = has_run_out and not close.has_moved
        if not has_run_out and rules.renewals_delivered:
            fate = fate_of_due_date(closes, n, day, rules.grace_days)
            has_run_out = fate == "ended"
            overdue = overdue or fate == "overdue"
            ran_out += [day] if has_run_out else []
        paused_days = (day - close.paused_on).days if close.paused_on else 0
        too_long = rules.pause_is_end_days is not None and paused_days > rules.pause_is_end_days
        exceeded += [day] if too_long and paused_days == rules.pause_is_end_days + 1 else []
        is_none = has_run_out or too_long or close.price == 0
        states.append("none" if is_none else close.state)
    kinds: dict[datetime, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row.occurred_at].add(row.event)
    return Subscription(
        name=rows[0].subscription_id,
        first_day=first,
        closes=closes,
        states=states,
        is_overdue=overdue and bool(states) and states[-1] == "paid",
        ran_out=tuple(ran_out),
        pause_exceeded=tuple(exceeded),
        has_switched=any("ended" in held and held & {"started", "resumed"} for held in kinds.values()),
        start_is_missing=not kinds[min(kinds)] & {"started", "trial_started"},
    )


def fate_of_due_date(closes: list[Close], n: int, day: date, grace_days: int) -> str | None:
    """Say what became of a due date on day ``n``: "ended", "overdue" so far, or None (no due date, or settled)."""
    if n == 0:
        return None
    eve = closes[n - 1]
    if not eve.is_paid or eve.anchor is None or eve.term is None or eve.term < 1:
        return None
    if not is_due(eve.anchor, eve.term, day):
        return None
    days_of_grace = closes[n : n + grace_days + 1]
    if any(close.has_moved or close.is_anchored or not close.is_paid for close in days_of_grace):
        return None
    return "ended" if len(days_of_grace) == grace_days + 1 else "overdue"


def follow_all(events: Iterable[Event], until: date, rules: Rules) -> dict[str, list[Subscription]]:
    """Follow every subscription by the events known before ``until``, per customer."""
    rows: dict[tuple[str, str | None], list[Event]] = defaultdict(list)
    midnight = datetime.combine(until, datetime.min.time())
    for event in events:
        if event.known_at < event.occurred_at:
            raise ValueError(f"known before it occurred: {event}")
        if event.known_at < midnight:
            rows[event.customer_id, event.subscription_id].append(event)
    customers: dict[str, list[Subscription]] = defaultdict(list)
    for (customer, _), mine in rows.items():
        customers[customer].append(follow(mine, until, rules))
    return customers


def state_on(subscriptions: Sequence[Subscription], day: date) -> str:
    """Give a customer's state at the close of a day."""
    held = set()
    for one in subscriptions:
        n = (day - one.first_day).days
        if n >= 0:
            held.add(one.states[n])
    return "paying" if "paid" in held else "held" if "paused" in held else "none"


def states(events: Iterable[Event], as_of: date, rules: Rules) -> dict[tuple[str, date], str]:
    """Map (customer, day) to paying, held or none, from each customer's first known event to the day before ``as_of``."""
    found = {}
    for customer, subscriptions in follow_all(events, as_of, rules).items():
        day = min(one.first_day for one in subscriptions)
        while day < as_of:
            found[customer, day] = state_on(subscriptions, day)
            day += DAY
    return found

"""What is known of each subscription, and whether its customer pays: one SQL without recursion, for both engines.

docs/customer-states.md tells the rules in words. A step of the SQL is a function here; each reads the relation that
the one before it gives.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenure.features.due_dates import Dialect, calendar_months
from tenure.sources.contract import SUBSCRIPTION_EVENTS

PAYING = "('started', 'renewed', 'resumed')"
PLAN_EVENTS = "('upgraded', 'downgraded')"
# Events as bits: those of one instant are one number.
BITS = {event: 1 << place for place, event in enumerate(SUBSCRIPTION_EVENTS)}


def _any_of(*events: str) -> str:
    """Give the SQL of whether an instant holds one of these events."""
    return f"(kinds & {sum(BITS[event] for event in events)}) <> 0"


PAYS, ENDS = _any_of("started", "renewed", "resumed"), _any_of("ended")
BEGINS, RENEWS = _any_of("started", "renewed"), _any_of("renewed")
PAUSES = f"({_any_of('paused')} AND NOT ({PAYS} OR {ENDS}))"
TRIES = f"({_any_of('trial_started')} AND NOT ({PAYS} OR {ENDS}))"
CANCELS = f"({_any_of('cancel_requested')} AND NOT {PAYS})"
# What a due date is settled by, whatever the state after it.
MOVES = f"({PAYS} OR {ENDS} OR {_any_of('paused')})"
# As the first instant known they show a paid subscription whose start was not delivered.
IMPLIES = f"""({_any_of("paused", "upgraded", "downgraded", "addon_bought", "cancel_requested")}
            AND NOT {_any_of("ended", "trial_started")})"""
# An end with a start in one instant is a plan switch, and changes nothing.
CHANGE = f"""CASE
            WHEN NOT {ENDS} THEN CASE WHEN {PAYS} THEN 'paid' END
            WHEN NOT {_any_of("started", "resumed")} THEN 'none'
        END"""


@dataclass(frozen=True)
class StateRules:
    """A source's numbers: days of grace after a due date, days after which a pause is an end (0: never).

    ``renewals``: "delivered", "not delivered", or "" to find out from the data.
    """

    grace_days: int
    pause_is_end_days: int = 0
    renewals: str = ""


# Of subscription_events, what tells the states.
_COLUMNS = ("customer_id", "occurred_at", "known_at", "event", "plan", "monthly_price", "term_days")


def seen_on(events: str, cutoffs: str, dialect: Dialect) -> str:
    """Give the SQL of the events known before each of a relation's cutoffs, in no more views than they need.

    A subscription of which every event was known on its day is seen once for all cutoffs: at none of them does it look
    otherwise. The others are seen anew at each.
    => subscription_events, seen_at, is_timely, line (a subscription in a view, as a number: a million of them hold a
       false match with a chance of 3e-8, each time the same)
    """
    line = dialect.number.format(columns="customer_id, subscription_id, seen_at")
    late = "l.customer_id = e.customer_id AND l.subscription_id = e.subscription_id"
    return f"""(
        WITH events AS (
            SELECT {", ".join(_COLUMNS)}, coalesce(subscription_id, '') AS subscription_id
            FROM {events}
        ),
        late AS (
            SELECT DISTINCT customer_id, subscription_id
            FROM events
            WHERE CAST(known_at AS DATE) > CAST(occurred_at AS DATE)
        )
        SELECT *, {line} AS line
        FROM (
            SELECT e.*, c.cutoff AS seen_at, false AS is_timely
            FROM events e
            JOIN late l ON {late}
            JOIN {cutoffs} c ON e.occurred_at < c.cutoff AND e.known_at < c.cutoff
            UNION ALL
            SELECT e.*, c.cutoff, true
            FROM events e
            JOIN (SELECT max(cutoff) AS cutoff FROM {cutoffs}) c ON e.occurred_at < c.cutoff
            LEFT JOIN late l ON {late}
            WHERE l.customer_id IS NULL
        )
    )"""


def seen_before(events: str, cutoffs: str, dialect: Dialect) -> str:
    """Give the SQL of the events known before a relation's only cutoff, as one view of all."""
    return f"""(
        SELECT *, {dialect.number.format(columns="customer_id, subscription_id")} AS line
        FROM (
            SELECT {", ".join(_COLUMNS)}, coalesce(subscription_id, '') AS subscription_id,
                c.cutoff AS seen_at, true AS is_timely
            FROM {events} e
            JOIN {cutoffs} c ON e.occurred_at < c.cutoff AND e.known_at < c.cutoff
        )
    )"""


def lines(seen: str) -> str:
    """Give the SQL of whose subscription each line is. => line, customer_id, subscription_id"""
    return f"""
        SELECT line, any_value(customer_id) AS customer_id, any_value(subscription_id) AS subscription_id
        FROM {seen}
        GROUP BY line
    """


def segments(seen: str, dialect: Dialect, rules: StateRules, *, with_agreed: bool = True) -> str:
    """Give the SQL of what each subscription was between the days on which something happened to it.

    ``seen``: the events that views may see, as ``seen_on`` gives them.
    => line, seen_at, is_timely, day, next_day (null: still so), state (paid, paused, free, trial, none), anchor, due
       (the first due date that can pass unrenewed), moved_on (a start, renewal, pause or end), turned_on (when due
       dates began to count), next_turn (when they no longer do), next_renewal, paused_on, term_days, term_months (the
       same in calendar months, where it is some); ``with_agreed`` also plan, monthly_price, is_cancelling, has_paid
    """
    due = dialect.due("", dialect.after.format(day="turned_on", days=1), is_first=True)
    agreed = ", plan, monthly_price, is_cancelling, has_paid" if with_agreed else ""
    return f"""
        SELECT
            line, seen_at, is_timely, day, next_day, state, anchor, {due} AS due, moved_on, turned_on, next_turn,
            next_renewal, paused_on, term_days, term_months{agreed}
        FROM ({_turned(_told(_instants(seen), dialect), rules)})
        WHERE next_day IS NULL OR next_day > day
    """


def _instants(seen: str) -> str:
    """Put together what one subscription's events of one instant say: a plan switch, or one thing."""
    bits = " ".join(f"WHEN '{event}' THEN {bit}" for event, bit in BITS.items())
    return f"""
        SELECT
            line,
            occurred_at,
            any_value(seen_at) AS seen_at,
            any_value(is_timely) AS is_timely,
            bit_or(CASE event {bits} END) AS kinds,
            {_agreed("monthly_price")} AS price,
            {_agreed("term_days")} AS term,
            coalesce({_agreed("plan")}, max(plan) FILTER (WHERE event = 'trial_started')) AS plan
        FROM {seen}
        GROUP BY line, occurred_at
    """


def _agreed(column: str) -> str:
    """Of one instant a change of plan says what is agreed, more than the renewal beside it."""
    return (
        f"coalesce(max({column}) FILTER (WHERE event IN {PLAN_EVENTS}), max({column}) FILTER (WHERE event IN {PAYING}))"
    )


_LINE = "PARTITION BY line ORDER BY occurred_at"


def _told(instants: str, dialect: Dialect) -> str:
    """Carry on what was said last at each instant."""

    def last(value: str, over: str = "so_far") -> str:
        return f"{dialect.last.format(value=value)} OVER {over}"

    def newest(flag: str) -> str:
        return f"max(CASE WHEN {flag} THEN occurred_at END) OVER so_far"

    return f"""
        SELECT
            line, seen_at, is_timely, occurred_at, kinds,
            CAST(occurred_at AS DATE) AS day,
            CAST(lead(occurred_at) OVER so_far AS DATE) AS next_day,
            coalesce({last(CHANGE)}, CASE WHEN first_value({IMPLIES}) OVER so_far THEN 'paid' END) AS base,
            coalesce(
                {newest(f"({CHANGE}) IS NOT NULL")},
                CASE WHEN first_value({IMPLIES}) OVER so_far THEN first_value(occurred_at) OVER so_far END
            ) AS changed_at,
            {newest(PAUSES)} AS paused_at,
            {newest(TRIES)} AS tried_at,
            coalesce({newest(CANCELS)} > {newest(PAYS)}, {newest(CANCELS)} IS NOT NULL) AS is_cancelling,
            {last("plan")} AS plan,
            {last("price")} AS monthly_price,
            {last("price", "before")} AS former_price,
            {last("term")} AS term_days,
            {last("term", "before")} AS former_term
        FROM ({instants})
        WINDOW
            so_far AS ({_LINE}),
            before AS ({_LINE} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    """


def _turned(told: str, rules: StateRules) -> str:
    """Find where due dates begin anew: at a start, a renewal, a new term, after a pause, or when a price is asked."""
    paid = "coalesce(base = 'paid' AND coalesce(monthly_price, 1) <> 0, false)"
    anchors = f"({BEGINS} OR term_days IS DISTINCT FROM former_term)"
    # From free to paid, and back.
    bills = "(coalesce(former_price, 1) = 0) <> (coalesce(monthly_price, 1) = 0)"
    turns = f"({MOVES} OR {anchors} OR {bills})"
    # Of several pauses in a row the first one counts; where pauses never are an end, a sort less.
    in_state = f"in_state AS ({_LINE.replace(' ORDER', ', changed_at ORDER')})," if rules.pause_is_end_days else ""
    return f"""
        SELECT
            line, seen_at, is_timely, day, next_day, plan, monthly_price, term_days, is_cancelling,
            {calendar_months("term_days")} AS term_months,
            CASE
                WHEN base = 'paid' AND monthly_price = 0 THEN 'free'
                WHEN base = 'paid' AND paused_at >= changed_at THEN 'paused'
                WHEN base = 'paid' THEN 'paid'
                WHEN tried_at > changed_at OR changed_at IS NULL AND tried_at IS NOT NULL THEN 'trial'
                ELSE 'none'
            END AS state,
            bool_or({paid}) OVER so_far AS has_paid,
            max(CASE WHEN {anchors} THEN day END) OVER so_far AS anchor,
            coalesce(max(CASE WHEN {MOVES} THEN day END) OVER so_far, CAST('0001-01-01' AS DATE)) AS moved_on,
            max(CASE WHEN {turns} THEN day END) OVER so_far AS turned_on,
            min(CASE WHEN {turns} THEN day END) OVER after AS next_turn,
            min(CASE WHEN {RENEWS} THEN day END) OVER after AS next_renewal,
            {f"min(CASE WHEN {PAUSES} THEN day END) OVER in_state" if in_state else "CAST(NULL AS DATE)"} AS paused_on
        FROM ({told})
        WINDOW {in_state}
            so_far AS ({_LINE}),
            after AS ({_LINE} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
    """

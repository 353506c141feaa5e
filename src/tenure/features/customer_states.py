"""When a customer was paying, held or none, from the states of all their subscriptions: SQL for both engines."""

from __future__ import annotations

from tenure.features.due_dates import Dialect
from tenure.features.known_subscriptions import Known, ends_on
from tenure.features.subscription_states import StateRules

# A customer has it still, paid or paused.
HELD = "('paid', 'paused')"


def segments_with_ends(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of segments with ``ends_on``: the due date that nobody renewed, or the day a pause became an end.

    ``known`` is of one cutoff.
    """
    return f"""
        SELECT s.*, {ends_on(dialect, rules, "s.seen_at", "coalesce(s.next_turn, s.seen_at)")} AS ends_on
        FROM {known.segments} s
        JOIN {known.renewals} r ON r.cutoff = s.seen_at
        LEFT JOIN {known.lapses} l ON l.line = s.line AND l.moved_on = s.moved_on
    """


def spans(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of the days of each subscription on which being paid or paused begins or ends, and of its first.

    ``known`` is of one cutoff. What nobody renewed is cut off at its due date, a pause where it became an end.
    => customer_id, day, until (null: still so), state, anchor, term_days, term_months, begins, ends, is_gone (nor is it
       paused then)
    """
    follows = "lead(day) OVER place = until"
    return f"""
        SELECT
            i.customer_id, day, until, state, anchor, term_days, term_months, is_gone,
            state IN {HELD} AND NOT went_on AS begins,
            state IN {HELD} AND until IS NOT NULL AND NOT goes_on AS ends
        FROM (
            SELECT
                *,
                lag(day) OVER place IS NULL AS is_first,
                coalesce(lag(until) OVER place = day AND lag(state) OVER place = state, false) AS went_on,
                coalesce({follows} AND lead(state) OVER place = state, false) AS goes_on,
                NOT coalesce({follows} AND lead(state) OVER place IN {HELD}, false) AS is_gone
            FROM (
                SELECT
                    line, day, anchor, term_days, term_months,
                    CASE WHEN ends_on <= day THEN 'none' ELSE state END AS state,
                    CASE WHEN ends_on < next_day OR next_day IS NULL THEN ends_on ELSE next_day END AS until
                FROM ({segments_with_ends(known, dialect, rules)})
            )
            WINDOW place AS (PARTITION BY line ORDER BY day)
        ) s
        JOIN {known.lines} i ON i.line = s.line
        WHERE is_first OR state IN {HELD} AND (NOT went_on OR until IS NOT NULL AND NOT goes_on)
    """


def customer_states(spans: str) -> str:
    """Give the SQL of when each customer was paying, held (something is paused, nothing paid) or none.

    => customer_id, state, former_state (null at first), from_day, to_day (null: still so)
    """

    def counted(sign: int) -> str:
        return ", ".join(f"CASE state WHEN '{state}' THEN {sign} ELSE 0 END AS {state}" for state in ("paid", "paused"))

    return f"""
        SELECT
            customer_id,
            state,
            former_state,
            day AS from_day,
            lead(day) OVER (PARTITION BY customer_id ORDER BY day) AS to_day
        FROM (
            SELECT *, lag(state) OVER (PARTITION BY customer_id ORDER BY day) AS former_state
            FROM (
                SELECT
                    customer_id,
                    day,
                    CASE
                        WHEN sum(paid) OVER so_far > 0 THEN 'paying'
                        WHEN sum(paused) OVER so_far > 0 THEN 'held'
                        ELSE 'none'
                    END AS state
                FROM (
                    SELECT customer_id, day, sum(paid) AS paid, sum(paused) AS paused
                    FROM (
                        SELECT customer_id, day, {counted(1)} FROM {spans} WHERE begins OR state NOT IN {HELD}
                        UNION ALL
                        SELECT customer_id, until, {counted(-1)} FROM {spans} WHERE ends
                    )
                    GROUP BY customer_id, day
                )
                WINDOW so_far AS (PARTITION BY customer_id ORDER BY day ROWS UNBOUNDED PRECEDING)
            )
        )
        WHERE state IS DISTINCT FROM former_state
    """


def outcomes(states: str, spans: str, dialect: Dialect, lead_days: int, horizon_days: int) -> str:
    """Give the SQL of the customer states that reach into the outcome windows of the relation ``cutoffs``, or follow.

    => customer_id, cutoff, state, former_state, days_ahead (from the window's first day to the state's; negative where
       it came before), next_days_ahead (to the next state; null where there is none), due_days_ahead (to the last due
       date in the window of a paid subscription that went with the state before; null where there is none)
    """
    first = dialect.after.format(day="c.cutoff", days=lead_days)
    last = dialect.after.format(day="c.cutoff", days=lead_days + horizon_days - 1)
    due = dialect.due("e.", f"least({last}, e.until)", is_first=False)

    def ahead(day: str) -> str:
        return f"CAST({dialect.days.format(earlier=first, later=day)} AS BIGINT)"

    return f"""
        SELECT
            s.customer_id,
            c.cutoff,
            s.state,
            s.former_state,
            {ahead("s.from_day")} AS days_ahead,
            {ahead("s.to_day")} AS next_days_ahead,
            CASE WHEN d.due >= {first} THEN {ahead("d.due")} END AS due_days_ahead
        FROM {states} s
        JOIN cutoffs c ON s.to_day IS NULL OR s.to_day > {first}
        LEFT JOIN (
            SELECT e.customer_id, c.cutoff, e.until, max({due}) AS due
            FROM {spans} e
            JOIN cutoffs c ON e.until > {last}
            WHERE e.ends AND e.is_gone AND e.state = 'paid'
            GROUP BY e.customer_id, c.cutoff, e.until
        ) d ON d.customer_id = s.customer_id AND d.cutoff = c.cutoff AND d.until = s.from_day
    """

"""When a customer was paying, held or none, from the states of all their subscriptions: SQL for both engines."""

from __future__ import annotations

from tenure.features.due_dates import Dialect
from tenure.features.subscription_states import KEYS, Known, StateRules, at_cutoffs


def customer_states(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of when each customer was paying, held (something is paused, nothing paid) or none.

    ``known`` is of one cutoff. A due date that passed by the grace without a renewal is an end on that date.
    => customer_id, state, former_state (null at first), from_day, to_day (null: still so)
    """
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
                FROM ({_growth(_spans(known, dialect, rules))})
                WINDOW so_far AS (PARTITION BY customer_id ORDER BY day ROWS UNBOUNDED PRECEDING)
            )
        )
        WHERE state IS DISTINCT FROM former_state
    """


def _spans(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Cut off what nobody renewed, and pauses that became an end."""
    grace = dialect.after.format(day="s.due", days=rules.grace_days)
    exceeded = dialect.after.format(day="s.paused_on", days=rules.pause_is_end_days + 1)
    return f"""
        SELECT
            customer_id, subscription_id, day, next_day,
            CASE WHEN ends_on <= day THEN 'none' ELSE state END AS state,
            CASE WHEN ends_on < next_day OR next_day IS NULL THEN ends_on ELSE next_day END AS until
        FROM (
            SELECT
                s.customer_id, s.subscription_id, s.day, s.next_day, s.state,
                CASE
                    WHEN r.are_delivered AND l.lapsed_on < s.turned_on THEN l.lapsed_on
                    WHEN s.state = 'paid' AND r.are_delivered AND coalesce(s.next_turn, s.seen_at) > {grace} THEN s.due
                    WHEN s.state = 'paused' AND {exceeded} < s.seen_at THEN {exceeded}
                END AS ends_on
            FROM {known.segments} s
            JOIN {known.renewals} r ON r.cutoff = s.seen_at
            LEFT JOIN {known.lapses} l USING ({KEYS}, moved_on)
        )
    """


def _growth(spans: str) -> str:
    """Count by how many the paid and the paused subscriptions of a customer grow on a day."""
    return f"""
        WITH lined AS (
            SELECT
                *,
                lag(day) OVER line IS NULL AS is_first,
                coalesce(lag(until) OVER line = day AND lag(state) OVER line = state, false) AS went_on,
                coalesce(next_day = until AND lead(state) OVER line = state, false) AS goes_on
            FROM ({spans})
            WINDOW line AS (PARTITION BY customer_id, subscription_id ORDER BY day)
        )
        SELECT customer_id, day, sum(paid) AS paid, sum(paused) AS paused
        FROM (
            SELECT
                customer_id,
                day,
                CASE state WHEN 'paid' THEN 1 ELSE 0 END AS paid,
                CASE state WHEN 'paused' THEN 1 ELSE 0 END AS paused
            FROM lined
            WHERE is_first OR state IN ('paid', 'paused') AND NOT went_on
            UNION ALL
            SELECT
                customer_id,
                until,
                CASE state WHEN 'paid' THEN -1 ELSE 0 END,
                CASE state WHEN 'paused' THEN -1 ELSE 0 END
            FROM lined
            WHERE state IN ('paid', 'paused') AND until IS NOT NULL AND NOT goes_on
        )
        GROUP BY customer_id, day
    """


def outcomes(states: str, known: Known, dialect: Dialect, rules: StateRules, lead_days: int, horizon_days: int) -> str:
    """Give the SQL of the customer states that reach into the outcome windows of the relation ``cutoffs``, or follow.

    ``known`` says of the cutoffs what was known before them.
    => customer_id, cutoff, state, former_state, days_ahead (from the window's first day to the state's; negative where
       it came before), next_days_ahead (to the next state; null where there is none), due_days_ahead (to the last due
       date in the window that a paid subscription had as known at the cutoff; null where there is none)
    """
    first = dialect.after.format(day="c.cutoff", days=lead_days)
    last = dialect.after.format(day="cutoff", days=lead_days + horizon_days - 1)
    due = dialect.due("anchor", "term_days", last, is_first=False)

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
            SELECT customer_id, cutoff, max({due}) AS due
            FROM ({at_cutoffs(known, dialect, rules)})
            WHERE state = 'paid' AND ended_on IS NULL
            GROUP BY customer_id, cutoff
        ) d ON d.customer_id = s.customer_id AND d.cutoff = c.cutoff
    """

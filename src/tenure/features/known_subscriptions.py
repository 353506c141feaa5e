"""What was known of subscriptions at cutoffs, from their segments: renewals, ends that nobody told, due dates ahead."""

from __future__ import annotations

from dataclasses import dataclass

from tenure.features.due_dates import Dialect
from tenure.features.subscription_states import StateRules


@dataclass(frozen=True)
class Known:
    """Names of the relations that tell of a set of cutoffs: these, lines, segments, renewals and lapses."""

    cutoffs: str
    lines: str
    segments: str
    renewals: str
    lapses: str


def renewals(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of whether renewals are delivered, as far as was known before each cutoff.

    They are where of the due dates that passed by the grace at least as many were renewed as met with silence.
    => cutoff, renewed, silent, are_delivered
    """
    settled = dialect.after.format(day="due", days=rules.grace_days)
    found = {"delivered": "true", "not delivered": "false", "": "renewed > 0 AND renewed >= silent"}[rules.renewals]
    return f"""
        SELECT *, {found} AS are_delivered
        FROM (
            SELECT c.cutoff, coalesce(sum(e.renewed), 0) AS renewed, coalesce(sum(e.silent), 0) AS silent
            FROM {known.cutoffs} c
            LEFT JOIN (
                SELECT
                    seen_at,
                    is_timely,
                    {settled} AS settled_on,
                    count(CASE WHEN next_renewal <= {settled} THEN 1 END) AS renewed,
                    count(CASE WHEN next_turn IS NULL OR next_turn > {settled} THEN 1 END) AS silent
                FROM {known.segments}
                WHERE state = 'paid' AND day = turned_on AND due IS NOT NULL
                GROUP BY seen_at, is_timely, {settled}
            ) e ON e.settled_on < c.cutoff AND (e.is_timely OR e.seen_at = c.cutoff)
            GROUP BY c.cutoff
        )
    """


def lapses(segments: str, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of what nobody renewed, and what was later only changed: it does not run again by that.

    => line, moved_on, lapsed_on (the due date)
    """
    return f"""
        SELECT line, moved_on, min(due) AS lapsed_on
        FROM {segments} s
        JOIN (SELECT DISTINCT line, moved_on FROM {segments} WHERE turned_on > moved_on) changed
            USING (line, moved_on)
        WHERE state = 'paid' AND next_turn > {dialect.after.format(day="due", days=rules.grace_days)}
        GROUP BY line, moved_on
    """


def ends_on(dialect: Dialect, rules: StateRules, seen_at: str, unrenewed_until: str) -> str:
    """Give the SQL of the day on which a segment ``s`` ended unsaid, as far as was known before ``seen_at``; or null.

    It is the due date that nobody renewed by the grace, or the day on which a pause became an end.
    """
    grace = dialect.after.format(day="s.due", days=rules.grace_days)
    exceeded = dialect.after.format(day="s.paused_on", days=rules.pause_is_end_days + 1)
    return f"""CASE
                WHEN r.are_delivered AND l.lapsed_on < s.turned_on THEN l.lapsed_on
                WHEN s.state = 'paid' AND r.are_delivered AND {unrenewed_until} > {grace} THEN s.due
                WHEN s.state = 'paused' AND {exceeded} < {seen_at} THEN {exceeded}
            END"""


def at_cutoffs(known: Known, dialect: Dialect, rules: StateRules) -> str:
    """Give the SQL of the segment in force at each of ``cutoffs``. => segments, cutoff, ended_on (unsaid), days_over"""
    overdue = "(s.state = 'paid' AND r.are_delivered AND s.due < c.cutoff)"
    days_over = dialect.days.format(earlier="s.due", later="c.cutoff")
    return f"""
        SELECT
            s.*,
            i.customer_id,
            i.subscription_id,
            c.cutoff,
            {ends_on(dialect, rules, "c.cutoff", "c.cutoff")} AS ended_on,
            CASE WHEN {overdue} THEN {days_over} END AS days_over
        FROM {known.segments} s
        JOIN {known.cutoffs} c
            ON s.day < c.cutoff
            AND (s.next_day IS NULL OR s.next_day >= c.cutoff)
            AND (s.is_timely OR s.seen_at = c.cutoff)
        JOIN {known.renewals} r ON r.cutoff = c.cutoff
        JOIN {known.lines} i ON i.line = s.line
        LEFT JOIN {known.lapses} l ON l.line = s.line AND l.moved_on = s.moved_on
    """


def subscriptions(known: Known, dialect: Dialect, rules: StateRules, lead_days: int) -> str:
    """Give the SQL of each subscription at each cutoff, as known before it.

    => customer_id, cutoff, subscription_id, state (paid, paused, free, trial, none), age_days (since it ended, or else
       something last happened to it), has_paid, is_cancelling, plan, monthly_price, term_days, overdue_days (null where
       nothing is), due_ahead (days from the first day of the outcome window to the first due date in or after it; null
       without a term)
    """
    window = dialect.after.format(day="cutoff", days=lead_days)
    due = dialect.due("", window, is_first=True)
    since = "coalesce(ended_on, CASE state WHEN 'none' THEN moved_on ELSE day END)"
    return f"""
        SELECT
            customer_id, cutoff, subscription_id, has_paid, is_cancelling, plan, monthly_price, term_days,
            CASE WHEN ended_on IS NULL THEN state ELSE 'none' END AS state,
            CASE WHEN ended_on IS NULL THEN days_over END AS overdue_days,
            CAST({dialect.days.format(earlier=since, later="cutoff")} AS BIGINT) AS age_days,
            CAST({dialect.days.format(earlier=window, later=due)} AS BIGINT) AS due_ahead
        FROM ({at_cutoffs(known, dialect, rules)})
    """

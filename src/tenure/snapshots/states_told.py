"""What the states of subscriptions did with the customers of a target: said in the run, and counted by the label audit."""

from __future__ import annotations

from datetime import date

import duckdb
import pandas as pd

from tenure.core.sql import parquet, quoted
from tenure.features.derived import CUSTOMER_STATES, SUBSCRIPTIONS
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.duckdb_session import connect
from tenure.snapshots.engines.staged_facts import StagedFacts
from tenure.targets.churn import FOR_GOOD, GONE
from tenure.targets.definition import Target
from tenure.targets.state_rules import state_rules

# Each counts customers. {..}: the target's numbers.
_AT_THE_CUTOFF = {
    "something is paid for": "bool_or(state = 'paid')",
    "held: something is paused, nothing paid for": "bool_or(state = 'paused') AND NOT bool_or(state = 'paid')",
    "nothing but a trial or a free plan": "bool_or(state IN ('trial', 'free')) "
    "AND NOT bool_or(state IN ('paid', 'paused'))",
    "several subscriptions are paid for": "count(*) FILTER (WHERE state = 'paid') > 1",
    "a cancellation is pending for everything paid": "bool_and(is_cancelling) FILTER (WHERE state = 'paid')",
    "a renewal is overdue": "bool_or(overdue_days IS NOT NULL)",
    "something paid cannot end in the window": "bool_or(overdue_days IS NULL AND due_ahead >= {horizon_days}) "
    "FILTER (WHERE state = 'paid')",
}
_AFTER = {
    "ended in the window": f"bool_or({GONE} AND days_ahead BETWEEN 0 AND {{horizon_days}} - 1 AND {FOR_GOOD})",
    "ended before the window: in the lead time, or unknown at the cutoff": f"bool_or({GONE} AND days_ahead < 0 "
    f"AND {FOR_GOOD})",
    "ended after the window, by the grace after a due date in it": f"bool_or({GONE} AND days_ahead >= {{horizon_days}} "
    f"AND days_ahead <= due_days_ahead + {{grace_days}} AND {FOR_GOOD})",
    "ended in the window and came back within the grace": f"bool_or({GONE} AND days_ahead < {{horizon_days}} "
    f"AND NOT {FOR_GOOD})",
}
_IN_ALL = {
    "a plan switch: an end and a start in one instant": "bool_or(event = 'ended') "
    "AND bool_or(event IN ('started', 'resumed'))",
    "an end beside another event in one instant, but for a start": "bool_or(event = 'ended') "
    "AND NOT bool_or(event IN ('started', 'resumed')) AND count(DISTINCT event) > 1",
}


def renewals_told(snapshots: Snapshots, target: Target, cutoff: date) -> str:
    """Say whether renewals are delivered, and how that is known; empty for a target that asks for no states."""
    if target.outcome.table != CUSTOMER_STATES:
        return ""
    rules = state_rules(snapshots.staged.source, [target])
    with connect() as connection:
        found = _facts(snapshots, target, connection).renewals(cutoff)
        renewed, silent, are_delivered = connection.execute(found).fetchall()[0]
    told = "Renewals are delivered" if are_delivered else "Renewals are not delivered, so terms roll on"
    if rules.renewals:
        return f"{told}, as the source says."
    return (
        f"{told}: of the due dates that had passed by the grace of {rules.grace_days} days before {cutoff}, "
        f"{renewed:,} were renewed and {silent:,} met with silence."
    )


def label_cases(snapshots: Snapshots, target: Target, cutoff: date) -> pd.DataFrame:
    """Count what the definition met at a cutoff and after it. => part, case, customers; no rows without states

    One customer may be counted by several cases.
    """
    if target.outcome.table != CUSTOMER_STATES or "grace_days" not in target.options:
        return pd.DataFrame(columns=["part", "case", "customers"])
    asked = (
        f"SELECT customer_id FROM {parquet(snapshots.features_path(cutoff))} WHERE {quoted(f'eligible__{target.name}')}"
    )
    rows = []
    with connect() as connection:
        facts = _facts(snapshots, target, connection)
        facts.set_cutoffs([cutoff])
        after = f"SELECT * FROM ({facts.outcome(target, snapshots.as_of)}) WHERE customer_id IN ({asked})"
        events = facts.known("subscription_events", snapshots.as_of)
        for part, cases, relation, grain in (
            ("of all at the cutoff", _AT_THE_CUTOFF, facts.observed(SUBSCRIPTIONS, None, (), target.lead_days), ""),
            ("of those asked, after it", _AFTER, after, ""),
            ("of all, ever", _IN_ALL, events, ", coalesce(subscription_id, ''), occurred_at"),
        ):
            for case, condition in cases.items():
                told = f"""
                    SELECT count(DISTINCT customer_id)
                    FROM (SELECT customer_id FROM ({relation}) GROUP BY customer_id{grain} HAVING {target.fill(condition)})
                """
                rows.append((part, case, connection.execute(told).fetchall()[0][0]))
    return pd.DataFrame(rows, columns=["part", "case", "customers"])


def _facts(snapshots: Snapshots, target: Target, connection: duckdb.DuckDBPyConnection) -> StagedFacts:
    facts = StagedFacts(snapshots.staged, connection)
    facts.set_rules([target])
    return facts

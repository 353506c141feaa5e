"""What opens an action besides ``when``: facts that have arrived since the last decision, and an action before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from tenure.core.sql import parquet, quoted
from tenure.decisions.action import Action, Follow, Policy, Trigger
from tenure.decisions.history import History
from tenure.features.expression import parse_expression, to_duckdb
from tenure.snapshots.engines.facts_at import FactsAt


@dataclass(frozen=True)
class Triggered:
    """``opened``: by action, the ids of its customers. ``expired``: by action, customers whose facts arrived too late.

    ``seen``: table, row: all rows young enough to open anything, for the next decision.
    """

    opened: Mapping[str, pd.Series]
    expired: Mapping[str, int]
    seen: pd.DataFrame


def find_triggered(facts: FactsAt, policy: Policy, seen_before: Path | None) -> Triggered:
    """Find for each action that is ``on`` a fact whose rows have arrived since the last decision, whenever they occurred.

    Before the first decision, those of the last ``days`` have. A source without the table opens nothing.
    """
    opened: dict[str, pd.Series] = {}
    expired: dict[str, int] = {}
    waiting = {a.name: (a, a.on) for a in policy.actions.values() if a.on}
    for name, (action, trigger) in waiting.items():
        opened[name], expired[name] = pd.Series(dtype=str), 0
        if trigger.table in facts.tables:
            new = _new_rows(facts, trigger, seen_before)
            opened[name] = _where(facts, trigger, f"{new} AND age_days <= {action.expires_after}")
            old = f"age_days BETWEEN {action.expires_after} + 1 AND {_kept_days(action, trigger)}"
            late = _where(facts, trigger, f"{new} AND {old}") if seen_before else []
            expired[name] = len(late)
    return Triggered(opened, expired, _seen(facts, [action for action, _ in waiting.values()]))


def _row(facts: FactsAt, table: str) -> str:
    """Give the SQL of what a row is, on whatever day and by whatever version of the engine: the text of its columns."""
    texts = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in facts.tables[table])
    return f"md5_number_lower(CAST([{texts}] AS VARCHAR))"


def _new_rows(facts: FactsAt, trigger: Trigger, seen_before: Path | None) -> str:
    if seen_before is None:
        return f"age_days <= {trigger.days}"
    known = f"SELECT row FROM {parquet(seen_before)} WHERE \"table\" = '{trigger.table}'"
    return f"{_row(facts, trigger.table)} NOT IN ({known})"


def _where(facts: FactsAt, trigger: Trigger, rows: str) -> pd.Series:
    expression = to_duckdb(parse_expression(trigger.expression, trigger.table))
    found = facts.query(
        f"SELECT customer_id FROM {quoted(trigger.table)} facts WHERE {rows} GROUP BY customer_id "
        f"HAVING coalesce({expression}, false) ORDER BY customer_id"
    )
    return found["customer_id"]


def _kept_days(action: Action, trigger: Trigger) -> int:
    """Say how old a row may be to be told from those that are new."""
    return 2 * max(action.expires_after, trigger.days)


def _seen(facts: FactsAt, actions: list[Action]) -> pd.DataFrame:
    days: dict[str, int] = {}
    for action in actions:
        if action.on and action.on.table in facts.tables:
            days[action.on.table] = max(days.get(action.on.table, 0), _kept_days(action, action.on))
    parts = [
        facts.query(
            f"SELECT DISTINCT '{table}' AS \"table\", {_row(facts, table)} AS row FROM {quoted(table)} facts "
            f"WHERE age_days <= {most} ORDER BY ALL"
        )
        for table, most in days.items()
    ]
    return (
        pd.concat(parts) if parts else pd.DataFrame({"table": pd.Series(dtype=str), "row": pd.Series(dtype="uint64")})
    )


def find_followed(facts: FactsAt, policy: Policy, history: History, day: date) -> dict[str, pd.Series]:
    """Find whom the next action of a sequence is open to: sent the first ``after_days`` ago, and not the next since."""
    followed: dict[str, pd.Series] = {}
    for first in policy.actions.values():
        if (then := first.then) is None:
            continue
        due = _due(first, then, policy.actions[then.action], history, day)
        if then.unless and then.unless.table in facts.tables and len(due):
            due = due[~due["customer_id"].isin(_since(facts, then.unless, due))]
        former = followed.get(then.action, pd.Series(dtype=str))
        followed[then.action] = pd.concat([former, due["customer_id"]], ignore_index=True)
    return followed


def _due(first: Action, then: Follow, after: Action, history: History, day: date) -> pd.DataFrame:
    newest = (
        history.contacts[history.contacts["action"] == first.name]
        .groupby("customer_id")["on"]
        .max()
        .rename("on")
        .reset_index()
    )
    latest = pd.Timestamp(day) - timedelta(days=then.after_days)
    is_due = (newest["on"] <= latest) & (newest["on"] > latest - timedelta(days=after.expires_after))
    due = newest[is_due]
    after_it = pd.concat([history.contacts, history.withheld, history.waiting])
    done = after_it[after_it["action"] == then.action].groupby("customer_id")["on"].max().rename("done").reset_index()
    joined = due.merge(done, on="customer_id", how="left")
    return joined[~(joined["done"] >= joined["on"])]


def _since(facts: FactsAt, unless: Trigger, due: pd.DataFrame) -> pd.Series:
    """Name those of whom the rows since their contact say that nothing more is to be done."""
    facts.connection.register("due", due)
    expression = to_duckdb(parse_expression(unless.expression, unless.table))
    found = facts.query(
        f"SELECT customer_id FROM {quoted(unless.table)} JOIN due USING (customer_id) "
        f'WHERE CAST(occurred_at AS DATE) >= CAST(due."on" AS DATE) GROUP BY customer_id HAVING coalesce({expression}, false)'
    )
    facts.connection.unregister("due")
    return found["customer_id"]

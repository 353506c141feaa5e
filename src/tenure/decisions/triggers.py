"""What opens an action besides ``when``: facts that have arrived, what has become true, dates, and an action before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from tenure.core.errors import DefinitionError
from tenure.core.sql import literal, parquet, quoted
from tenure.decisions.action import Action, Follow, Policy, Trigger
from tenure.decisions.candidates import Asked
from tenure.decisions.history import History
from tenure.features.expression import parse_expression, to_duckdb
from tenure.snapshots.engines.duckdb_session import types_of
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.sources.staged_source import StagedSource

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")
# What merely says when a row was heard of: delivered once more, it is no news.
NOT_THE_ROW = ("known_at", "age_days")


@dataclass(frozen=True)
class Triggered:
    """``opened``: by action, the ids of its customers. ``expired``: by action, customers whose facts arrived too late.

    ``seen``: table, row: all rows young enough to open anything, and by action (``on <action>``) the customers for whom
    what it waits for holds; for the next decision.
    """

    opened: Mapping[str, pd.Series]
    expired: Mapping[str, int]
    seen: pd.DataFrame


@dataclass(frozen=True)
class Seeking:
    """What is asked to find whom a trigger opens an action to.

    ``arrived``: the facts known at the moment; ``asked``: the columns of customers; ``day``: the moment's;
    ``seen``: the file of what stood at the last decision, None before the first.
    """

    staged: StagedSource
    arrived: FactsAt
    asked: Asked
    day: date
    seen: Path | None

    def unseen(self, table: str, row: str) -> str:
        """Give the SQL of whether a row of a table was not there at the last decision; all are new before the first."""
        if self.seen is None:
            return "true"
        known = f'SELECT row FROM {parquet(self.seen)} WHERE "table" = {literal(table)}'
        return f"{row} NOT IN ({known})"


def find_triggered(seeking: Seeking, policy: Policy) -> Triggered:
    """Find whom each action that is ``on`` something is open to: by what is new since the last decision.

    A source without the table opens nothing.

    Raises
    ------
    DefinitionError : a ``date`` names a column that holds none.
    """
    opened: dict[str, pd.Series] = {}
    expired: dict[str, int] = {}
    seen = [pd.DataFrame({"table": pd.Series(dtype=str), "row": pd.Series(dtype="uint64")})]
    kept: dict[str, int] = {}
    for action in policy.actions.values():
        if (trigger := action.on) is None:
            continue
        opened[action.name], expired[action.name] = pd.Series(dtype=str), 0
        if trigger.table and trigger.table not in seeking.arrived.tables:
            continue
        if trigger.expression:
            opened[action.name], expired[action.name] = _arrivals(seeking, action, trigger)
            kept[trigger.table] = max(kept.get(trigger.table, 0), _kept_days(action, trigger))
        else:
            opened[action.name], standing = _become(seeking, action, trigger)
            seen.append(standing)
    return Triggered(opened, expired, pd.concat([*seen, *_seen(seeking.arrived, kept)], ignore_index=True))


def _arrivals(seeking: Seeking, action: Action, trigger: Trigger) -> tuple[pd.Series, int]:
    """Find the customers whose rows have arrived since the last decision, whenever they occurred, and count the expired."""
    facts = seeking.arrived
    new = seeking.unseen(trigger.table, _row(facts, trigger.table))
    young = trigger.days if seeking.seen is None else action.expires_after
    found = _where(facts, trigger, f"{new} AND age_days <= {young}")
    if trigger.unless and trigger.unless.table in facts.tables and len(found):
        found = found[~found["customer_id"].isin(_since(facts, trigger.unless, found))]
    if seeking.seen is None:
        return found["customer_id"], 0
    old = f"age_days BETWEEN {action.expires_after} + 1 AND {_kept_days(action, trigger)}"
    return found["customer_id"], len(_where(facts, trigger, f"{new} AND {old}"))


def _row(facts: FactsAt, table: str) -> str:
    """Give the SQL of what a row is, on whatever day and by whatever version of the engine: the text of its columns."""
    names = (name for name in facts.tables[table] if name not in NOT_THE_ROW)
    return _hashed(f"[{', '.join(f'CAST({quoted(name)} AS VARCHAR)' for name in names)}]")


def _hashed(value: str) -> str:
    return f"md5_number_lower(CAST({value} AS VARCHAR))"


def _where(facts: FactsAt, trigger: Trigger, rows: str) -> pd.DataFrame:
    """=> customer_id, on (when the first of the rows occurred)"""
    expression = to_duckdb(parse_expression(trigger.expression, trigger.table))
    return facts.query(
        f'SELECT customer_id, min(occurred_at) AS "on" FROM {_rows_of(facts, trigger.table)} WHERE {rows} '
        f"GROUP BY customer_id HAVING coalesce({expression}, false) ORDER BY customer_id"
    )


def _rows_of(facts: FactsAt, table: str) -> str:
    """Give the SQL of a table's rows with all that an expression may name."""
    age = f"date_diff('microsecond', occurred_at, CAST(DATE '{facts.as_of}' AS TIMESTAMP)) AS age_us"
    return f"(SELECT *, {age}, isodow(occurred_at) AS weekday, hour(occurred_at) AS hour FROM {quoted(table)}) facts"


def _kept_days(action: Action, trigger: Trigger) -> int:
    """Say how old a row may be to be told from those that are new."""
    return 2 * max(action.expires_after, trigger.days)


def _seen(facts: FactsAt, kept: Mapping[str, int]) -> list[pd.DataFrame]:
    return [
        facts.query(
            f'SELECT DISTINCT {literal(table)} AS "table", {_row(facts, table)} AS row FROM {quoted(table)} facts '
            f"WHERE age_days <= {most} ORDER BY ALL"
        )
        for table, most in kept.items()
    ]


def _become(seeking: Seeking, action: Action, trigger: Trigger) -> tuple[pd.Series, pd.DataFrame]:
    """Find the customers for whom it holds and did not at the last decision. => their ids; table, row of all it holds for

    Before the first decision it is compared with what held ``days`` earlier. Of columns, whose past is not at hand, only
    a date says that itself.
    """
    name, is_first = f"on {action.name}", seeking.seen is None
    before = pd.DataFrame({"customer_id": pd.Series(dtype=str)})
    if trigger.table:
        holds = _holding(seeking.arrived, trigger)
        with _earlier(seeking, trigger) as earlier:
            before = _holding(earlier, trigger) if earlier else before
    elif trigger.date:
        reached = _reached(seeking.asked, action, trigger, seeking.day)
        holds = reached[reached["since"] < action.expires_after]
        before = reached[reached["since"] >= trigger.days] if is_first else before
    else:
        condition = to_duckdb(parse_expression(trigger.becomes, name))
        holds = seeking.asked.facts.query(
            f"SELECT customer_id, '' AS \"on\" FROM {seeking.asked.joined} WHERE coalesce({condition}, false) ORDER BY ALL"
        )
        before = holds if is_first else before
    connection = seeking.arrived.connection
    connection.register("holds", holds[["customer_id", "on"]].astype("str"))
    row = _hashed("""customer_id || ' ' || holds."on\"""")
    new = seeking.arrived.query(f"SELECT customer_id FROM holds WHERE {seeking.unseen(name, row)} ORDER BY customer_id")
    stands = seeking.arrived.query(f'SELECT {literal(name)} AS "table", {row} AS row FROM holds ORDER BY ALL')
    connection.unregister("holds")
    return new.loc[~new["customer_id"].isin(before["customer_id"]), "customer_id"], stands


def _holding(facts: FactsAt, trigger: Trigger) -> pd.DataFrame:
    """=> customer_id, on (empty: it holds or not)"""
    condition = to_duckdb(parse_expression(trigger.becomes, trigger.table))
    return facts.query(
        f"SELECT customer_id, '' AS \"on\" FROM {_rows_of(facts, trigger.table)} GROUP BY customer_id "
        f"HAVING coalesce({condition}, false) ORDER BY customer_id"
    )


@contextmanager
def _earlier(seeking: Seeking, trigger: Trigger) -> Iterator[FactsAt | None]:
    """Open what was known ``days`` before the first decision; nothing where there was one, or no such table yet."""
    if seeking.seen is not None:
        yield None
        return
    with facts_at(seeking.staged, seeking.arrived.as_of - timedelta(days=trigger.days)) as facts:
        yield facts if trigger.table in facts.tables else None


def _reached(asked: Asked, action: Action, trigger: Trigger, day: date) -> pd.DataFrame:
    """Say since how many days the day that an action waits for has been reached. => customer_id, on (the date), since

    A column of numbers says how many days ago the date was, at the as-of.
    An anniversary of the 29th of February is the 28th in other years.
    """
    column = to_duckdb(parse_expression(trigger.date, action.name))
    kind = types_of(asked.facts.connection, f"SELECT {column} AS said FROM {asked.joined}")["said"]
    is_count = kind.split("(")[0] in NUMBERS
    given = f"DATE '{asked.facts.as_of}' - CAST({column} AS INTEGER)" if is_count else f"TRY_CAST({column} AS DATE)"
    years = "date_diff('year', given, base) - CAST(given + to_years(date_diff('year', given, base)) > base AS INTEGER)"
    reached = f"CASE WHEN {years} >= 1 THEN CAST(given + to_years({years}) AS DATE) END" if trigger.yearly else "given"
    found = asked.facts.query(
        f"""
        SELECT customer_id, said, given, {reached} AS reached, date_diff('day', reached, base) AS since
        FROM (
            SELECT
                customer_id, {column} AS said, {given} AS given,
                DATE '{day - timedelta(days=trigger.after_days)}' AS base
            FROM {asked.joined}
        )
        WHERE said IS NOT NULL
        ORDER BY customer_id
        """
    )
    if len(found) and found["given"].isna().all():
        raise DefinitionError(
            f"{asked.facts.source.where} [actions.{action.name}] on.date: {trigger.date!r} holds {found['said'].iloc[0]!r}. "
            "Expected a column of dates, as in 2026-03-31, or of days since then."
        )
    return found[found["since"] >= 0].assign(on=found["reached"].astype("str"))


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
    """Name those of whom the rows since ``on`` say that nothing more is to be done. ``due``: customer_id, on"""
    facts.connection.register("due", due)
    expression = to_duckdb(parse_expression(unless.expression, unless.table))
    found = facts.query(
        f"SELECT customer_id FROM {_rows_of(facts, unless.table)} JOIN due USING (customer_id) "
        f'WHERE occurred_at >= due."on" GROUP BY customer_id HAVING coalesce({expression}, false)'
    )
    facts.connection.unregister("due")
    return found["customer_id"]

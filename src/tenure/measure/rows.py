"""Each assignment with what came after it, at the horizon and at twice it, and what was known before it."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tenure.features.expression import parse_expression, to_duckdb
from tenure.measure.outcomes import Outcome
from tenure.scoring.ledger import RUN_KINDS, entries, of_each_day, scored_targets
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.facts_at import FactsAt

HORIZON_DAYS = 30
BEFORE, TWICE, YEAR, PROPENSITY = "_before", "_twice", "year_before", "propensity_"


def with_outcomes(
    facts: FactsAt, snapshots: Snapshots, table: pd.DataFrame, outcomes: Iterable[Outcome]
) -> pd.DataFrame:
    """Add outcomes and covariates to assignments; an outcome is null until its window has passed.

    => of each outcome: <outcome> in ``[assigned_at, + horizon)``, <outcome>_twice (twice as long), <outcome>_before (the
       window of the same length before, as known on the day); year_before (money of 365 days, as a logarithm);
       propensity_<target> (the last given by the day); of each target that a row moves: <target>, its label, and null
       elsewhere; horizon_days, is_matured
    """
    own = facts.source.measure.get("horizon_days", HORIZON_DAYS)
    days = {name: target.lead_days + target.horizon_days for name, target in snapshots.targets.items()}
    table = table.assign(row=range(len(table)), horizon_days=table["moves"].map(days).fillna(own).astype(int))
    facts.connection.register("assignments", table[["row", "customer_id", "assigned_at", "horizon_days"]])
    age = (pd.Timestamp(facts.as_of) - table["assigned_at"]).dt.days
    table["is_matured"] = age >= table["horizon_days"]
    for outcome in outcomes:
        for ending, times in (("", 1), (TWICE, 2)):
            values = _measured(facts, table, outcome, "0", f"{times} * horizon_days")
            table[outcome.name + ending] = values.where(age >= times * table["horizon_days"])
        table[outcome.name + BEFORE] = _measured(facts, table, outcome, "-horizon_days", "0")
        if outcome.is_money and YEAR not in table:
            year = _measured(facts, table, outcome, "-365", "0")
            table[YEAR] = year.clip(lower=0).add(1).transform("log")
    facts.connection.unregister("assignments")
    table = _with_labels(snapshots, table)
    return _with_propensities(snapshots, table)


def _measured(facts: FactsAt, table: pd.DataFrame, outcome: Outcome, first: str, end: str) -> pd.Series:
    """Aggregate each row's facts of the days ``[assigned_at + first, assigned_at + end)``."""
    known = "AND f.known_at < assigned_at" if end == "0" else ""
    expression = to_duckdb(parse_expression(outcome.expression, outcome.name))
    found = facts.query(
        f"""
        SELECT "row", CAST({expression} AS DOUBLE) AS found
        FROM (
            SELECT a."row", f.*
            FROM assignments a
            JOIN {outcome.table} f
                ON f.customer_id = a.customer_id
                AND f.occurred_at >= assigned_at + to_days(CAST({first} AS INTEGER))
                AND f.occurred_at < assigned_at + to_days(CAST({end} AS INTEGER))
                {known}
        )
        GROUP BY "row" """
    )
    return table["row"].map(found.set_index("row")["found"]).fillna(outcome.when_no_rows)


def _with_labels(snapshots: Snapshots, table: pd.DataFrame) -> pd.DataFrame:
    """Add the label of the target that each row moves, once it is certain."""
    for name, rows in table[table["moves"].isin(list(snapshots.targets))].groupby("moves"):
        target = snapshots.targets[str(name)]
        asked = {
            day.date(): group
            for day, group in rows.groupby("assigned_at")["customer_id"]
            if target.window.is_matured(day.date(), snapshots.as_of)
        }
        labels = [own.assign(assigned_at=pd.Timestamp(day), moves=name) for day, own in snapshots.label(target, asked)]
        key = ["customer_id", "assigned_at", "moves"]
        told = pd.concat(labels) if labels else pd.DataFrame(columns=[*key, "label"])
        table[name] = table[key].merge(told.drop_duplicates(key), on=key, how="left")["label"].to_numpy(float)
    return table


def _with_propensities(snapshots: Snapshots, table: pd.DataFrame) -> pd.DataFrame:
    source, days = snapshots.staged.source.name, table["assigned_at"].dt.date
    for target in scored_targets(snapshots.workspace, source):
        scored = {entry.as_of: entry for entry in of_each_day(entries(snapshots.workspace, source, target), RUN_KINDS)}
        used = days.map({day: max((s for s in scored if s <= day), default=None) for day in days.unique()})
        found = pd.Series(float("nan"), table.index)
        for day in filter(None, used.unique()):
            given = scored[day].read().set_index("customer_id")["propensity"].astype(float)
            found[used == day] = table.loc[used == day, "customer_id"].map(given)
        if found.notna().any():
            table[f"{PROPENSITY}{target}"] = found
    return table


def covariates_of(table: pd.DataFrame, outcome: str = "") -> list[str]:
    """Name what was known before the assignment: all of it, or what an outcome is adjusted by."""
    own = [outcome + BEFORE] if outcome else [name for name in table if name.endswith(BEFORE)]
    return [name for name in table if name in own or name == YEAR or name.startswith(PROPENSITY)]

"""Whom it moved more: effects by segments of before the assignment, corrected for how many were looked at."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from tenure.core.sql import quoted
from tenure.measure.difference import difference, shrunk
from tenure.measure.rows import YEAR, covariates_of
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.contract import CONSENT

SEGMENT = "segment_"
MOST_GROUPS, FEWEST = 8, 100  # groups of one attribute; customers in either arm of a group
COLUMNS = ["segment", "group", "treated", "control", "effect", "low", "high", "p", "p_adjusted", "shrunk"]


def with_segments(facts: FactsAt, table: pd.DataFrame) -> pd.DataFrame:
    """Add what customers are grouped by, as known on the day: money of the year before, attributes of few values.

    => segment_<attribute>: text
    """
    if YEAR in table:
        spent = table[YEAR]
        halves = spent.gt(spent[spent > 0].median()).map({True: "much", False: "little"})
        table[SEGMENT + "spent in the year before"] = halves.where(spent > 0, "nothing")
    there = facts.tables.get("customers", ())
    for name in [name for name in there if name not in ("customer_id", "occurred_at", "known_at")]:
        if name.startswith(CONSENT):
            continue
        column, days = quoted(name), table[["row", "customer_id", "assigned_at"]]
        facts.connection.register("assignments", days)
        found = facts.query(
            f"""SELECT "row", CAST(arg_max({column}, f.occurred_at) AS VARCHAR) AS value
            FROM assignments a JOIN customers f USING (customer_id)
            WHERE f.occurred_at < assigned_at AND f.known_at < assigned_at GROUP BY "row" """
        )
        facts.connection.unregister("assignments")
        if 1 < found["value"].nunique() <= MOST_GROUPS:
            table[SEGMENT + name] = table["row"].map(found.set_index("row")["value"])
    return table


def effects_by_segment(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Compare the arms within each group, over all campaigns.

    => COLUMNS: p_adjusted keeps the share of false discoveries at 5 % (Benjamini and Hochberg, 1995); shrunk: towards
    the attribute's mean, since the best of many is partly luck. The most certain first.
    """
    found = []
    for name in [column for column in rows if column.startswith(SEGMENT)] if outcome else []:
        groups = []
        for group, own in rows[rows[outcome].notna()].groupby(name):
            counts = own["is_treated"].value_counts().reindex([True, False], fill_value=0)
            if counts.min() >= FEWEST:
                one = difference(own, outcome, covariates_of(own, outcome))
                p = 2 * stats.norm.sf(abs(one.effect) / one.error) if one.error else float("nan")
                groups.append(
                    (
                        name.removeprefix(SEGMENT),
                        group,
                        counts[True],
                        counts[False],
                        one.effect,
                        one.low,
                        one.high,
                        p,
                        one.error,
                    )
                )
        if len(groups) > 1:
            table = pd.DataFrame(groups, columns=[*COLUMNS[:8], "error"]).dropna()
            found.append(table.assign(shrunk=shrunk(table["effect"].to_numpy(), table["error"].to_numpy())))
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    every = pd.concat(found, ignore_index=True)
    every["p_adjusted"] = stats.false_discovery_control(every["p"])
    return every.sort_values("p", ignore_index=True)[COLUMNS]

"""Whom it moved more: effects by segments of before the assignment, corrected for how many were looked at."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from tenure.core.shrinkage import shrunk
from tenure.core.sql import quoted
from tenure.measure.difference import difference
from tenure.measure.rows import YEAR, covariates_of
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.contract import CONSENT, DATE_COLUMNS

SEGMENT = "segment_"
MOST_GROUPS, FEWEST = 8, 100  # groups of one attribute; customers in either arm of a group
COLUMNS = ["segment", "group", "treated", "control", "effect", "low", "high", "error", "p", "shrunk", "p_adjusted"]


def with_segments(facts: FactsAt, table: pd.DataFrame) -> pd.DataFrame:
    """Add what customers are grouped by, as known on the day: money of the year before, attributes of few values.

    => segment_<attribute>: text
    """
    if YEAR in table:
        spent = table[YEAR]
        halves = spent.gt(spent[spent > 0].median()).map({True: "much", False: "little"})
        table[f"{SEGMENT}spent in the year before"] = halves.where(spent > 0, "nothing")
    facts.connection.register("assignments", table[["row", "customer_id", "assigned_at"]])
    for name in sorted({*facts.tables.get("customers", ())} - {"customer_id", *DATE_COLUMNS}):
        if not name.startswith(CONSENT):
            found = facts.query(
                f"""SELECT "row", CAST(arg_max({quoted(name)}, f.occurred_at) AS VARCHAR) AS value
                FROM assignments a JOIN customers f USING (customer_id)
                WHERE f.occurred_at < assigned_at AND f.known_at < assigned_at GROUP BY "row" """
            ).set_index("row")["value"]
            if 1 < found.nunique() <= MOST_GROUPS:
                table[SEGMENT + name] = table["row"].map(found)
    facts.connection.unregister("assignments")
    return table


def effects_by_segment(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Compare the arms within each group, over all campaigns, the most certain first.

    => COLUMNS: p_adjusted keeps the share of false discoveries at 5 % (Benjamini and Hochberg, 1995); shrunk: towards
    the attribute's mean, since the best of many is partly luck
    """
    found = []
    for name in [column for column in rows if column.startswith(SEGMENT)] if outcome else []:
        groups = []
        for group, own in rows[rows[outcome].notna()].groupby(name):
            treated = int(own["is_treated"].sum())
            if min(treated, len(own) - treated) >= FEWEST:
                one = difference(own, outcome, covariates_of(own, outcome))
                z = abs(one.effect) / one.error if one.error else 0.0
                about = (name.removeprefix(SEGMENT), group, treated, len(own) - treated)
                groups.append((*about, one.effect, one.low, one.high, one.error, float(2 * stats.norm.sf(z))))
        table = pd.DataFrame(groups, columns=COLUMNS[:9])
        if len(table) > 1 and table["error"].min() > 0:
            found.append(table.assign(shrunk=shrunk(table["effect"].to_numpy(), table["error"].to_numpy())[0]))
    every = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)
    if found:
        every["p_adjusted"] = stats.false_discovery_control(every["p"])
    return every.sort_values("p", ignore_index=True)

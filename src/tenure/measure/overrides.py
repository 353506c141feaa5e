"""What people decided about what was proposed to them, and what came of it: described, for people choose, not chance."""

from __future__ import annotations

import pandas as pd

from tenure.measure.outcomes import outcomes_in
from tenure.measure.rows import with_outcomes
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.facts_at import facts_at


def overrides(snapshots: Snapshots, proposals: pd.DataFrame) -> pd.DataFrame:
    """Count the answers to proposals, and how often what each action moves came about after them.

    proposals: action, moves, customer_id, assigned_at, answer, because, why (as the person gave it)
    => action, answer, because (why it waited; empty: by its tier), customers, certain (of whom the outcome is known),
       came_about (their share; of an action that moves no target: who ordered), most_said (the commonest why); by action and answer
    """
    columns = ["action", "answer", "because", "customers", "certain", "came_about", "most_said"]
    if proposals.empty:
        return pd.DataFrame(columns=columns)
    with facts_at(snapshots.staged, snapshots.as_of) as facts:
        outcomes = outcomes_in(facts.tables)[:1]
        rows = with_outcomes(facts, snapshots, proposals, outcomes)
    plain = rows[outcomes[0].name] if outcomes else pd.Series(float("nan"), rows.index)
    label = pd.Series(float("nan"), rows.index)
    for moves in rows["moves"].dropna().unique():
        if moves in rows:
            label = label.mask(rows["moves"] == moves, rows[moves])
    rows = rows.assign(came=label.where(rows["moves"].notna(), plain).astype(float), because=rows["because"].fillna(""))
    grouped = rows.groupby(["action", "answer", "because"])
    table = grouped.agg(customers=("customer_id", "size"), certain=("came", "count"), came_about=("came", "mean"))
    said = grouped["why"].agg(lambda given: next(iter(given[given.fillna("") != ""].mode()), ""))
    return table.assign(most_said=said).reset_index()[columns]

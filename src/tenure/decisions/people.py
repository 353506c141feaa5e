"""What waits for a person although a rule could decide it, and why: by stake, discount, certainty, topic, and the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.sql import literal, parquet
from tenure.decisions.action import NOTHING, People
from tenure.decisions.candidates import IS_BEST, Candidates
from tenure.decisions.ledger import SCHEDULE
from tenure.decisions.values import Values
from tenure.snapshots.engines.facts_at import FactsAt

# Why something waits, the first that holds; 0: nothing does.
A_BEST_CUSTOMER = "a best customer"
WAITS = (
    "",
    A_BEST_CUSTOMER,
    "a topic to be careful with",
    "much is at stake",
    "a discount that a person grants",
    "uncertain: at the low end it is not worth it",
)
CAREFUL_DAYS = 90
# Who may be sent nothing, and is not merely resting, waiting or held out.
HOPELESS = (
    "no consent",
    "consent never asked for",
    "unsubscribed",
    "its value at stake is not known",
    "it would not help this customer, or do harm",
    "costs more than it is worth",
)


def careful_customers(facts: FactsAt, people: People) -> pd.Series:
    """Name those with a ticket of the last 90 days about a topic to be careful with."""
    if not people.topics or "topic" not in facts.tables.get("support_tickets", ()):
        return pd.Series(dtype=str)
    topics = ", ".join(map(literal, people.topics))
    return facts.query(
        f"SELECT DISTINCT customer_id FROM support_tickets WHERE topic IN ({topics}) AND age_days <= {CAREFUL_DAYS} "
        "ORDER BY customer_id"
    )["customer_id"]


def why_a_person(candidates: Candidates, values: Values, people: People, careful: pd.Series) -> np.ndarray:
    """Say of each candidate why a person looks at it before it is sent: customers x columns, a place in ``WAITS``."""
    customers = candidates.customers
    nobody = np.zeros(len(customers), dtype=bool)
    is_best, is_careful = customers[IS_BEST].to_numpy(dtype=bool), customers["customer_id"].isin(careful).to_numpy()
    waits = np.zeros(candidates.refused.shape, dtype=np.uint8)
    for place, (action, _) in enumerate(candidates.columns):
        if action.service:
            continue
        stake = customers.get(f"{action.moves}_at_stake")
        is_so = (
            is_best,
            is_careful,
            nobody if people.stake is None or stake is None else (stake > people.stake).to_numpy(dtype=bool),
            nobody if people.discount is None else nobody | (action.if_taken > people.discount),
            values.value_low[:, place] <= 0 if people.uncertain else nobody,
        )
        waits[:, place] = np.select(is_so, range(1, len(WAITS)))
    return waits


def without_candidate(facts: FactsAt, files: Sequence[Path], in_danger: Sequence[str], days: int) -> pd.DataFrame:
    """Name who, ``in_danger``, has come to so many decision days in a row on which something was open and nothing might be sent.

    ``files``: of the ledger, in order; the scheduled decision of each day counts. Who came to it earlier has been looked at.
    => customer_id, content; ordered by customer
    """
    first = {path.parent.name: path for path in reversed(files)}
    last = [first[day] for day in sorted(first)[-days - 1 :]]
    if not days or len(last) < days:
        return pd.DataFrame({"customer_id": pd.Series(dtype=str), "content": pd.Series(dtype=str)})
    dead = ", ".join(map(literal, HOPELESS))
    asked = f"""
        SELECT customer_id
        FROM {{}}
        WHERE action = '{NOTHING}' AND moment = '{SCHEDULE}' AND len(candidates) > 0
            AND len(list_filter(candidates, lambda one: coalesce(one.refused_because NOT IN ({dead}), true))) = 0"""
    sets = [asked.format(parquet(path)) for path in last]
    before = f"EXCEPT {sets.pop(0)}" if len(sets) > days else ""
    found = facts.query(f"({' INTERSECT '.join(sets)}) {before} ORDER BY customer_id")
    found = found[found["customer_id"].isin(in_danger)]
    return found.assign(content=f"{days} decisions in a row with nothing that may be sent")

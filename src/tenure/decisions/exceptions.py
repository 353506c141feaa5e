"""What no rule should decide: customers whom a person looks at first."""

from __future__ import annotations

import pandas as pd

from tenure.snapshots.engines.facts_at import FactsAt

COMPLAINT_DAYS = 7
# By staged table: which of its rows of the last days are for a person, and in which words.
LOOKED_AT = {
    "contacts": (("status",), "status = 'complained'", "complained about what was sent"),
    "support_tickets": (("event",), "event = 'reopened'", "a ticket was opened again"),
}


def find_exceptions(facts: FactsAt) -> pd.DataFrame:
    """Find whom a person looks at: after a complaint, a reopened ticket, two tickets on one topic within a week.

    => customer_id, content; ordered by customer
    """
    parts = [
        f"SELECT customer_id, '{words}' AS content FROM {table} WHERE {condition} AND age_days <= {COMPLAINT_DAYS}"
        for table, (needed, condition, words) in LOOKED_AT.items()
        if table in facts.tables and {*needed} <= {*facts.tables[table]}
    ]
    if {"topic", "event"} <= {*facts.tables.get("support_tickets", ())}:
        parts.append(
            "SELECT customer_id, 'wrote twice about ' || topic AS content FROM support_tickets "
            f"WHERE event = 'opened' AND age_days <= {COMPLAINT_DAYS} GROUP BY customer_id, topic HAVING count(*) > 1"
        )
    if not parts:
        return pd.DataFrame({"customer_id": pd.Series(dtype=str), "content": pd.Series(dtype=str)})
    union = " UNION ALL ".join(parts)
    return facts.query(
        f"SELECT customer_id, string_agg(DISTINCT content, '; ' ORDER BY content) AS content FROM ({union}) "
        "GROUP BY customer_id ORDER BY customer_id"
    )

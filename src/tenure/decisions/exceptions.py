"""What no rule should decide: customers whom a person looks at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tenure.core.sql import literal
from tenure.snapshots.engines.facts_at import FactsAt

COMPLAINT_DAYS = 7
REPEAT_DAYS = 28
# By staged table: which of its rows of the last days are for a person, and in which words.
LOOKED_AT = {
    "contacts": (("status",), "status = 'complained'", "complained about what was sent"),
    "support_tickets": (("event",), "event = 'reopened'", "a ticket was opened again"),
}


def find_exceptions(facts: FactsAt, never: Sequence[str] = ()) -> pd.DataFrame:
    """Find whom a person looks at: after a complaint, a reopened ticket, two tickets on one topic within a week.

    ``never``: topics on which nothing is sent while a ticket is open.

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
        if never:
            topics = ", ".join(map(literal, never))
            ticket = ", ticket_id" if "ticket_id" in facts.tables["support_tickets"] else ""
            parts.append(
                "SELECT customer_id, 'waits for an answer about ' || topic AS content FROM support_tickets "
                f"WHERE topic IN ({topics}) GROUP BY customer_id, topic{ticket} "
                f"HAVING arg_max(event, row(occurred_at, known_at)) <> 'resolved'"
            )
    if not parts:
        return pd.DataFrame({"customer_id": pd.Series(dtype=str), "content": pd.Series(dtype=str)})
    union = " UNION ALL ".join(parts)
    return facts.query(
        f"SELECT customer_id, string_agg(DISTINCT content, '; ' ORDER BY content) AS content FROM ({union}) "
        "GROUP BY customer_id ORDER BY customer_id"
    )


@dataclass(frozen=True)
class RepeatContacts:
    """How many tickets of the last weeks were the second on one topic within seven days, and of as many weeks before."""

    tickets: int
    repeats: int
    tickets_before: int
    repeats_before: int

    @property
    def has_risen(self) -> bool:
        """Whether the share is higher than before by more than chance does once in a hundred."""
        from scipy.stats import fisher_exact  # takes half a second to import

        if not (self.tickets and self.tickets_before):
            return False
        counts = [[self.repeats, self.tickets - self.repeats]]
        counts.append([self.repeats_before, self.tickets_before - self.repeats_before])
        return bool(fisher_exact(counts, alternative="greater").pvalue < 0.01)


def repeat_contacts(facts: FactsAt) -> RepeatContacts | None:
    """Count who had to write twice: the first sign that answers by rule do not help. None where no ticket has a topic."""
    if not {"topic", "event"} <= {*facts.tables.get("support_tickets", ())}:
        return None
    found = (
        facts.query(
            f"""
        SELECT age_days <= {REPEAT_DAYS} AS is_recent, count(*) AS tickets, count(*) FILTER (WHERE is_repeat) AS repeats
        FROM (
            SELECT
                age_days,
                coalesce(
                    occurred_at - lag(occurred_at) OVER (PARTITION BY customer_id, topic ORDER BY occurred_at)
                        <= INTERVAL {COMPLAINT_DAYS} DAY, false) AS is_repeat
            FROM support_tickets
            WHERE event = 'opened' AND topic IS NOT NULL
        )
        WHERE age_days <= 2 * {REPEAT_DAYS}
        GROUP BY is_recent"""
        )
        .set_index("is_recent")
        .reindex([True, False], fill_value=0)
    )
    recent, before = (tuple(int(count) for count in row) for row in found.to_numpy())
    return RepeatContacts(*recent, *before)

"""What customers answered, beside what they do and how likely they are to act."""

from __future__ import annotations

import pandas as pd

from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt

# What the answers are compared with, where the customers carry it.
BESIDE = ("engagement_index", "rfm_orders", "rfm_amount")
FEWEST = 10

_NEWEST = """
SELECT
    customer_id,
    key,
    arg_max(value, row(occurred_at, known_at, value)) AS value,
    CAST(max(occurred_at) AS DATE) AS answered_on
FROM declared
WHERE value IS NOT NULL
GROUP BY customer_id, key"""


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Gather each customer's newest answers, and compare those who gave the same.

    => customer_id, declared_answers, declared_on
    => declared_answers: key, value, customers, share (of those who answered), then the means of each of ``BESIDE`` and
       of the propensities
    """
    table = facts.query(
        f"""
        SELECT
            customer_id,
            string_agg(key || ': ' || value, '; ' ORDER BY key) AS declared_answers,
            CAST(max(answered_on) AS VARCHAR) AS declared_on
        FROM ({_NEWEST})
        GROUP BY customer_id
        ORDER BY customer_id"""
    )
    return table, {"declared_answers": _compared(facts.query(_NEWEST), customers)}


def _compared(newest: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    beside = [column for column in customers if column in BESIDE or str(column).endswith("_propensity")]
    joined = newest.merge(customers[["customer_id", *beside]], on="customer_id")
    groups = joined.groupby(["key", "value"])
    table = groups[beside].mean().round(4)
    table.insert(0, "customers", groups.size())
    table = table[table["customers"] >= FEWEST].reset_index()
    asked = table["key"].map(newest["key"].value_counts()).astype(float)
    table.insert(3, "share", (table["customers"] / asked).round(4))
    return table.sort_values(["key", "customers"], ascending=[True, False], ignore_index=True)


ATTRIBUTE = CustomerAttribute(
    name="declared",
    tables=("declared",),
    columns=(
        AttributeColumn("declared_answers", "", "The newest answer to each question, as the customer gave it."),
        AttributeColumn("declared_on", "date", "The day of the newest answer."),
    ),
    build=build,
    beside=("engagement", "rfm"),
)

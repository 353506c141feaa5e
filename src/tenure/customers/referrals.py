"""Who came on whose word: by whom a customer was referred, and how many they have referred themselves."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Count each customer's referrals, and find the first who referred them; of one instant the first by name.

    => customer_id and the attribute's columns

    Raises
    ------
    NotEnoughDataError : nobody has referred anybody yet.
    """
    whom = "referred_id" if "referred_id" in facts.tables["loyalty"] else "NULL::VARCHAR"
    # Nobody refers themselves: whose two records were merged since has not.
    told = f"""
        SELECT customer_id, {whom} AS referred_id, occurred_at, age_days
        FROM loyalty
        WHERE event = 'referred' AND {whom} IS DISTINCT FROM customer_id"""
    gave = facts.query(
        f"""
        SELECT
            customer_id,
            count(DISTINCT referred_id) + count(*) FILTER (WHERE referred_id IS NULL) AS has_referred,
            min(age_days) AS days_since_referral
        FROM ({told})
        GROUP BY customer_id"""
    )
    if gave.empty:
        raise NotEnoughDataError("its loyalty events tell of no referral")
    came = facts.query(
        f"""
        SELECT
            referred_id AS customer_id,
            arg_min(customer_id, row(occurred_at, customer_id)) AS referred_by,
            max(age_days) AS days_since_referred
        FROM ({told})
        WHERE referred_id IS NOT NULL
        GROUP BY referred_id"""
    )
    table = customers[["customer_id"]].merge(came, how="left").merge(gave, how="left")
    return table.fillna({"has_referred": 0}), {}


ATTRIBUTE = CustomerAttribute(
    name="referrals",
    tables=("loyalty",),
    columns=(
        AttributeColumn("referred_by", "", "The customer who referred them first; empty where nobody did."),
        AttributeColumn("days_since_referred", "days", "Days since they were first referred; 1 is yesterday."),
        AttributeColumn("has_referred", "count", "Customers they have referred."),
        AttributeColumn("days_since_referral", "days", "Days since they last referred somebody."),
    ),
    build=build,
)

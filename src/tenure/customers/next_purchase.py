"""When a customer will buy next, and when each category they buy again and again is due: time for a reminder."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.numbered import Numbered
from tenure.customers.value_models.rhythm import due_days
from tenure.snapshots.engines.facts_at import FactsAt

EPOCH = date(1970, 1, 1)
REMIND_DAYS = 3
RESTOCK_PURCHASES = 3
# What is due later than this is not foreseeable, and left empty.
FORESEEABLE_DAYS = 730
DATES = {"low": "next_purchase_low", "due": "next_purchase_on", "high": "next_purchase_high"}


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Forecast each customer's next day with an order, and of each category bought on three days or more.

    => customer_id, next_purchase_on, next_purchase_low, next_purchase_high
    => restock: customer_id, category, purchases, last_bought_on, next_purchase_on, _low, _high, remind_on; soonest
       first; no such table where products have no category

    Raises
    ------
    NotEnoughDataError : nobody ordered on two days.
    """
    bought = _purchases(facts, "''")
    if not bought.table.duplicated("customer_id").any():
        raise NotEnoughDataError(
            "next_purchase: no customer has ordered on two days. Expected some; wait for more history."
        )
    due = _dated(due_days(bought.table, _day(facts.as_of), 1), facts.as_of)
    return bought.named(due)[["customer_id", *DATES.values()]], _restock(facts)


def _restock(facts: FactsAt) -> Tables:
    if "category" not in facts.query("FROM order_lines LIMIT 0"):
        return {}
    bought = _purchases(facts, "category")
    if not (bought.table.groupby(["customer_id", "category"]).size() >= RESTOCK_PURCHASES).any():
        return {}
    due = _dated(due_days(bought.table, _day(facts.as_of), RESTOCK_PURCHASES), facts.as_of)
    due["last_bought_on"] = due["last"].map(lambda day: str(EPOCH + timedelta(days=int(day))))
    due["remind_on"] = _on(np.maximum(due["due"] - REMIND_DAYS, 0.0), facts.as_of)
    columns = ["customer_id", "category", "purchases", "last_bought_on", *DATES.values(), "remind_on"]
    due = due.sort_values(["due", "customer_id", "category"], ignore_index=True)
    return {"restock": bought.named(due)[columns]}


def _purchases(facts: FactsAt, category: str) -> Numbered:
    purchases = facts.query(
        f"""
        SELECT
            customer_id,
            {category} AS category,
            date_diff('day', DATE '{EPOCH}', CAST(occurred_at AS DATE)) AS day,
            min(date_diff('day', DATE '{EPOCH}', CAST(known_at AS DATE))) AS known
        FROM order_lines
        WHERE quantity > 0 AND {category} IS NOT NULL
        GROUP BY ALL
        ORDER BY ALL"""
    )
    return Numbered.of(purchases, "customer_id", "category")


def _dated(due: pd.DataFrame, as_of: date) -> pd.DataFrame:
    return due.assign(**{column: _on(due[name], as_of) for name, column in DATES.items()})


def _on(days: pd.Series, as_of: date) -> pd.Series:
    """Turn days ahead into dates as text, as ``as_of`` is written; empty where not foreseeable."""
    foreseeable = days.where(days <= FORESEEABLE_DAYS)
    return foreseeable.map(lambda ahead: str(as_of + timedelta(days=int(ahead))), na_action="ignore").astype("str")


def _day(as_of: date) -> int:
    return (as_of - EPOCH).days


ATTRIBUTE = CustomerAttribute(
    name="next_purchase",
    tables=("order_lines",),
    columns=(
        AttributeColumn(
            "next_purchase_on",
            "date",
            "Expected day of the next order, from the customer's gaps between orders and everybody's.",
        ),
        AttributeColumn(
            "next_purchase_low", "date", "Of those who order again, one in ten does so earlier than this day."
        ),
        AttributeColumn(
            "next_purchase_high", "date", "Of those who order again, one in ten does so later than this day."
        ),
    ),
    build=build,
)

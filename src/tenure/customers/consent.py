"""What a customer agreed to: the newest word per channel, so that a scored table is not acted on against it."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.core.sql import quoted
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.contract import CONSENT


def columns_in(facts: FactsAt) -> tuple[AttributeColumn, ...]:
    """Name the channels that the source's customers were asked for: ``consent`` of its mapping."""
    return tuple(
        AttributeColumn(
            name, "true or false", f"Agrees to be contacted by {name.removeprefix(CONSENT)}; empty: never asked."
        )
        for name in facts.tables["customers"]
        if name.startswith(CONSENT)
    )


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Take the newest word on each channel; of two in the same instant the refusal. => customer_id, consent_<channel>

    Raises
    ------
    NotEnoughDataError : the source declares no consent.
    """
    channels = [column.name for column in columns_in(facts)]
    if not channels:
        raise NotEnoughDataError("its customers have no column of consent")
    newest = ", ".join(
        f"arg_max({flag}, row(occurred_at, known_at, NOT {flag})) FILTER (WHERE {flag} IS NOT NULL) AS {flag}"
        for flag in map(quoted, channels)
    )
    table = facts.query(
        f"SELECT customer_id, {newest} FROM (SELECT * REPLACE ({_flags(channels)}) FROM customers) GROUP BY customer_id"
    )
    return table, {}


def may_be_contacted(customers: pd.DataFrame) -> pd.Series:
    """Say who agrees to some channel: whoever was never asked does not; everybody where the source declares no consent.

    >>> may_be_contacted(pd.DataFrame({"consent_email": [True, None], "consent_sms": [False, False]})).tolist()
    [True, False]
    """
    channels = customers[[name for name in customers if name.startswith(CONSENT)]]
    return channels.eq(True).any(axis=1) | channels.empty


def _flags(channels: list[str]) -> str:
    # A source may keep them as yes and no, or 1 and 0.
    return ", ".join(f"TRY_CAST({name} AS BOOLEAN) AS {name}" for name in map(quoted, channels))


ATTRIBUTE = CustomerAttribute(name="consent", tables=("customers",), columns=(), columns_in=columns_in, build=build)

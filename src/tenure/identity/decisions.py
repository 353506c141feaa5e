"""What a human decides: events like any other, from now on, and reversible."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb

from tenure.core.errors import UsageError
from tenure.core.sql import parquet
from tenure.identity.events import Event, Ledger
from tenure.sources.staged_source import StagedSource


def check_known(staged: StagedSource, customers: Iterable[str]) -> None:
    """Refuse customers of whom a source has no row at all.

    Raises
    ------
    UsageError : names the first of them.
    """
    tables = [staged.path(name) for name, table in staged.tables.items() if "customer_id" in table.columns]
    rows = " UNION ALL ".join(f"SELECT customer_id FROM {parquet(path)}" for path in tables)
    with duckdb.connect() as connection:
        for customer in customers:
            if not connection.execute(f"SELECT 1 FROM ({rows}) WHERE customer_id = ? LIMIT 1", [customer]).fetchall():
                raise UsageError(
                    f"{staged.source.name} has no row of customer {customer!r}. Expected an id as its scored customers bear it."
                )


def _by_hand(what: str, why: str) -> str:
    return f"{what} by hand: {why}" if why else f"{what} by hand"


def merge(ledger: Ledger, kept: str, moved: str, *, why: str, now: datetime) -> list[Event]:
    """Make two persons one, named as the first.

    Raises
    ------
    UsageError : they are one already.
    """
    mapping = ledger.mapping()
    person, other = mapping.get(kept, kept), mapping.get(moved, moved)
    if person == other:
        raise UsageError(f"{kept} and {moved} are one person already ({person}). Nothing to merge.")
    cause = _by_hand("merged", why)
    customers = [other, *sorted(customer for customer, of in mapping.items() if of == other)]
    # Said of the customers named, too: that takes back a former split of just these two.
    events = [Event(now, customer, person, "merged", cause) for customer in customers]
    ledger.append(events)
    return events


def split(ledger: Ledger, customer: str, *, why: str, now: datetime) -> list[Event]:
    """Part a customer from the others of their person; where it bore the customer's id, the others take another.

    Raises
    ------
    UsageError : the customer shares a person with nobody.
    """
    mapping = ledger.mapping()
    person = mapping.get(customer, customer)
    others = [other for other, of in sorted(mapping.items()) if of == person and other != customer]
    cause = _by_hand("split", why)
    if customer != person:
        events = [Event(now, customer, customer, "split", cause, apart_from=person)]
    elif others:
        events = [Event(now, other, others[0], "split", cause, apart_from=customer) for other in others]
    else:
        raise UsageError(f"{customer} shares a person with nobody. See the persons with 'tenure identity show'.")
    ledger.append(events)
    return events

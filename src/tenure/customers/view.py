"""One row per customer as of a day: the scores, and every attribute that the source's tables can tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute
from tenure.customers.catalogue import all_attributes, lacking_tables
from tenure.snapshots.engines.facts_at import facts_at
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.staged_source import StagedSource


@dataclass(frozen=True)
class CustomerView:
    """``customers``: one row per customer. ``columns``: what the attributes added. ``details``: tables of another grain by name.

    ``unavailable``: attribute => why it could not be told, in one line.
    """

    customers: pd.DataFrame
    columns: list[AttributeColumn]
    details: dict[str, pd.DataFrame]
    unavailable: dict[str, str]


def customer_view(staged: StagedSource, as_of: date, customers: pd.DataFrame) -> CustomerView:
    """Tell every attribute of some customers from what was known at the as-of.

    customer_id, ... => the same rows and columns, and those of each attribute that this source's facts suffice for.
    """
    tables = tables_with_rows(staged, as_of)
    unavailable: dict[str, str] = {}
    dictionary: list[AttributeColumn] = []
    details: dict[str, pd.DataFrame] = {}
    told_attributes: list[CustomerAttribute] = []
    with facts_at(staged, as_of) as facts:
        for attribute in all_attributes().values():
            if lacking := lacking_tables(attribute, tables):
                unavailable[attribute.name] = (
                    f"needs {', '.join(lacking)}, which the source does not have as of {as_of}"
                )
                continue
            if absent := [needed for needed in attribute.after if needed in unavailable]:
                unavailable[attribute.name] = f"builds on {', '.join(absent)}, which the source cannot tell"
                continue
            columns = attribute.columns + (attribute.columns_in(facts) if attribute.columns_in else ())
            try:
                told = attribute.build(facts, customers)[["customer_id", *(column.name for column in columns)]]
            except NotEnoughDataError as error:
                unavailable[attribute.name] = str(error)
                continue
            customers = customers.merge(told, on="customer_id", how="left", validate="one_to_one")
            dictionary += columns
            told_attributes.append(attribute)
        for attribute in told_attributes:
            if attribute.details:
                details |= attribute.details(facts, customers)
    return CustomerView(customers, dictionary, details, unavailable)

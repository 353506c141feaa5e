"""One row per customer as of a day: the scores, and every facet that the source's tables can tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.catalogue import all_facets, lacking_tables
from tenure.customers.facet import Facet, FacetColumn
from tenure.snapshots.engines.facts_at import facts_at
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.staged_source import StagedSource


@dataclass(frozen=True)
class CustomerView:
    """``customers``: one row per customer. ``columns``: what the facets added. ``details``: tables of another grain by name.

    ``unavailable``: facet => why it could not be told, in one line.
    """

    customers: pd.DataFrame
    columns: list[FacetColumn]
    details: dict[str, pd.DataFrame]
    unavailable: dict[str, str]


def customer_view(staged: StagedSource, as_of: date, customers: pd.DataFrame) -> CustomerView:
    """Tell every facet of some customers from what was known at the as-of.

    customer_id, ... => the same rows and columns, and those of each facet that this source's facts suffice for.
    """
    tables = tables_with_rows(staged, as_of)
    unavailable: dict[str, str] = {}
    dictionary: list[FacetColumn] = []
    details: dict[str, pd.DataFrame] = {}
    told_facets: list[Facet] = []
    with facts_at(staged, as_of) as facts:
        for facet in all_facets().values():
            if lacking := lacking_tables(facet, tables):
                unavailable[facet.name] = f"needs {', '.join(lacking)}, which the source does not have as of {as_of}"
                continue
            if absent := [needed for needed in facet.after if needed in unavailable]:
                unavailable[facet.name] = f"builds on {', '.join(absent)}, which the source cannot tell"
                continue
            columns = facet.columns + (facet.columns_in(facts) if facet.columns_in else ())
            try:
                told = facet.build(facts, customers)[["customer_id", *(column.name for column in columns)]]
            except NotEnoughDataError as error:
                unavailable[facet.name] = str(error)
                continue
            customers = customers.merge(told, on="customer_id", how="left", validate="one_to_one")
            dictionary += columns
            told_facets.append(facet)
        for facet in told_facets:
            if facet.details:
                details |= facet.details(facts, customers)
    return CustomerView(customers, dictionary, details, unavailable)

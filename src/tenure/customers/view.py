"""One row per customer as of a day: the scores, and every attribute that the source's tables suffice for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.core.errors import DefinitionError, NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.catalogue import all_attributes, lacking_tables
from tenure.snapshots.engines.facts_at import FactsAt, facts_at
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.sources.staged_source import StagedSource


@dataclass(frozen=True)
class CustomerView:
    """``customers``: one row per customer. ``columns``: those that the attributes added.

    ``tables``: of another grain, by name. ``unavailable``: attribute => why it could not be built, in one line.
    """

    customers: pd.DataFrame
    columns: list[AttributeColumn]
    tables: dict[str, pd.DataFrame]
    unavailable: dict[str, str]


def customer_view(staged: StagedSource, as_of: date, customers: pd.DataFrame) -> CustomerView:
    """Build every attribute of some customers from what was known at the as-of.

    customer_id, ... => the same rows and columns, and those of each attribute that this source's facts suffice for, in
    the order of the attributes' names.

    Raises
    ------
    DefinitionError : an attribute of somebody else's returns something else than it declares, or takes a name twice.
    """
    known = tables_with_rows(staged, as_of)
    given = list(customers)
    unavailable: dict[str, str] = {}
    columns: dict[str, tuple[AttributeColumn, ...]] = {}
    tables: dict[str, pd.DataFrame] = {}
    with facts_at(staged, as_of) as facts:
        for name, attribute in all_attributes(staged.source).items():
            if lacking := lacking_tables(attribute, known):
                unavailable[name] = f"needs {', '.join(lacking)}, which the source does not have as of {as_of}"
                continue
            if absent := [needed for needed in attribute.after if needed in unavailable]:
                unavailable[name] = f"builds on {', '.join(absent)}, which the source does not have"
                continue
            declared = attribute.columns + (attribute.columns_in(facts) if attribute.columns_in else ())
            try:
                built, further = _built(attribute, facts, customers)
            except NotEnoughDataError as error:
                unavailable[name] = str(error)
                continue
            own = [column.name for column in declared]
            _check(attribute, "column", own, expected=built, taken=customers)
            _check(attribute, "table", further, expected=further, taken=tables)
            customers = customers.merge(
                built[["customer_id", *own]], on="customer_id", how="left", validate="one_to_one"
            )
            columns[name] = declared
            tables |= further
    added = [column for name in sorted(columns) for column in columns[name]]
    return CustomerView(customers[[*given, *(column.name for column in added)]], added, tables, unavailable)


def _built(attribute: CustomerAttribute, facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    built = attribute.build(facts, customers)
    match built:
        case (pd.DataFrame(), Mapping()):
            return built
    raise DefinitionError(
        f"Customer attribute {attribute.name}: build returned {type(built).__name__}. Expected a table of customer_id "
        "and its columns, and a dict of further tables by name, which may be empty."
    )


def _check(
    attribute: CustomerAttribute, kind: str, own: Iterable[str], *, expected: Collection[str], taken: Collection[str]
) -> None:
    for name in own:
        problem = (
            "is not in what build returned" if name not in expected else "is there already" if name in taken else ""
        )
        if problem:
            raise DefinitionError(
                f"Customer attribute {attribute.name}: its {kind} {name!r} {problem}. Expected it once; "
                "mend the attribute."
            )

"""What a facet is: something said of a customer beside the scores, from what was known at the as-of. One small file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from tenure.engines.facts_at import FactsAt


@dataclass(frozen=True)
class FacetColumn:
    """One column of ``scored_customers``, as the data dictionary prints it. ``unit`` is empty for text."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Facet:
    """Some columns of a customer, one row each.

    ``build`` takes the facts known at the as-of and the customers as far as they are told (customer_id, the scores, the
    columns of the facets named in ``after``) and gives customer_id and ``columns``; whom it leaves out has nulls.
    ``columns_in`` names further columns, where the source decides which there are.
    ``details`` gives tables of another grain by name, each written as ``<name>.csv`` beside the scores.
    """

    name: str
    tables: tuple[str, ...]  # staged tables it cannot be told without
    columns: tuple[FacetColumn, ...]
    build: Callable[[FactsAt, pd.DataFrame], pd.DataFrame]
    after: tuple[str, ...] = ()
    columns_in: Callable[[FactsAt], tuple[FacetColumn, ...]] | None = None
    details: Callable[[FactsAt, pd.DataFrame], Mapping[str, pd.DataFrame]] | None = None

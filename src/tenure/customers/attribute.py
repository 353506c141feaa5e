"""What a customer attribute is: columns beside the scores, from what was known at the as-of. One small file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tenure.snapshots.engines.facts_at import FactsAt
from tenure.sources.source import Source

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class AttributeColumn:
    """One column of ``scored_customers``, as the data dictionary prints it. ``unit`` is empty for text."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class CustomerAttribute:
    """Some columns of each customer, and tables of another grain.

    ``build`` takes the facts known at the as-of and the customers (customer_id, the scores, the columns of the
    attributes in ``after`` and ``beside``). It returns a table of customer_id and ``columns``, in which a customer may
    be missing, and further tables by name, each written as ``<name>.csv`` beside the scores and shown on the customers'
    page. ``columns_in`` names further columns, where the source decides which there are.

    Without the attributes in ``after`` it cannot be built; it uses those in ``beside`` where the source has them.
    ``settings`` are its numbers, lists and tables by name; a source sets its own in ``[attributes.<name>]``.
    """

    name: str
    tables: tuple[str, ...]  # staged tables it cannot be built without
    columns: tuple[AttributeColumn, ...]
    build: Callable[[FactsAt, pd.DataFrame], tuple[pd.DataFrame, Tables]]
    after: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    columns_in: Callable[[FactsAt], tuple[AttributeColumn, ...]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, source: Source) -> dict[str, Any]:
        """Give the settings with the source's own in their place.

        Raises
        ------
        DefinitionError : the source's TOML names a setting that does not exist, or gives a value of another kind.
        """
        from tenure.core.validation import checked

        own = source.attributes.get(self.name, {})
        given = checked(self.settings_type, own, source.where, at=("attributes", self.name)) if own else {}
        return dict(self.settings) | given

    @property
    def settings_type(self) -> Any:
        """What may stand in ``[attributes.<name>]``: values of the kind of their defaults."""
        from tenure.core.validation import NUMBER, table

        kinds: dict[type, Any] = {
            bool: bool,
            int: NUMBER,
            float: NUMBER,
            list: list[Any],
            dict: dict[str, Any],
            str: str,
        }
        return table(self.name, {key: kinds[type(default)] for key, default in self.settings.items()})

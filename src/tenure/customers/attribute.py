"""What a customer attribute is: columns beside the scores, from what was known at the as-of. One small file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tenure.core.errors import DefinitionError, UnknownNameError
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
        own = source.attributes.get(self.name, {})
        place = f"{source.where} [attributes.{self.name}]"
        for key, value in own.items():
            if key not in self.settings:
                raise DefinitionError(f"{place}: {UnknownNameError('Key', key, self.settings)}")
            if (problem := _problem(value, self.settings[key])) != "":
                raise DefinitionError(f"{place} {key} is {value!r}. Expected {problem}.")
        return dict(self.settings) | own


def _problem(value: Any, default: Any) -> str:
    """Say what was expected where a value is not of its default's kind; empty where it is."""
    if isinstance(default, int | float):
        is_right = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        return "" if is_right else "a number, not negative"
    kinds = {list: "a list", dict: "a table", str: "text"}
    kind = next(kind for kind in kinds if isinstance(default, kind))
    return "" if isinstance(value, kind) else kinds[kind]

"""The data dictionary of ``scored_customers``: every column, its unit, what it means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd

from tenure.customers.attribute import AttributeColumn
from tenure.targets.definition import Target


def data_dictionary(targets: Iterable[Target], attributes: Iterable[AttributeColumn], as_of: date) -> pd.DataFrame:
    """=> column, unit, meaning; one row per column of scored_customers, in its order."""
    columns = [
        AttributeColumn("customer_id", "", "The customer."),
        AttributeColumn("as_of", "date", f"What is told was known before this day, {as_of}."),
    ]
    for target in targets:
        columns += _columns_of(target)
    columns += attributes
    return pd.DataFrame([(c.name, c.unit, c.meaning) for c in columns], columns=["column", "unit", "meaning"])


def _columns_of(target: Target) -> list[AttributeColumn]:
    name = target.name
    return [
        AttributeColumn(f"{name}_propensity", "probability", f"{target.describe()} Empty where not eligible."),
        AttributeColumn(f"{name}_decile", "1 to 10", f"Tenth of the eligible by {name} propensity; 1 is the highest."),
        *(
            AttributeColumn(
                f"{name}_reason_{rank}", "", f"What moved the {name} propensity: number {rank} by size, in words."
            )
            for rank in (1, 2, 3)
        ),
        AttributeColumn(f"{name}_model_version", "", f"Version of the registered {name} model that scored."),
        AttributeColumn(
            f"{name}_at_stake",
            "currency",
            f"Margin at stake in {name}; how it is known: stake_is of {name}.csv. Empty where not eligible or not known.",
        ),
    ]

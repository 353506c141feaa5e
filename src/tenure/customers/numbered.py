"""Tables with numbers in place of texts while models work on them: grouping by a number is fast and small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Numbered:
    """``table`` with numbers in place of some texts, in their order; ``names``: column => the text of each number."""

    table: pd.DataFrame
    names: Mapping[str, pd.Index]

    @classmethod
    def of(cls, table: pd.DataFrame, *columns: str) -> Numbered:
        numbers, names = {}, {}
        for column in columns:
            numbers[column], found = pd.factorize(table[column], sort=True)
            names[column] = pd.Index(found, name=column)
        return cls(table.assign(**numbers), names)

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """Put the texts back into a table made of this one's."""
        return table.assign(**{column: names[table[column]] for column, names in self.names.items() if column in table})

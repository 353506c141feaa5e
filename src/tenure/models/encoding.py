"""Feature columns to the numbers LightGBM reads. Categories stay categories: a code per level, rare levels as one.

A text of very many levels (a town, a postcode) is read by how common its level is: codes of its own would be learnt by
heart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import DataContractError

MAX_LEVELS = 200


@dataclass(frozen=True)
class EncodedColumn:
    """One input of a model.

    ``levels`` of a category, most frequent first, are its codes 1, 2, ...; 0 is any other. ``shares`` of a text of very
    many levels are each level's share of the fitting rows; 0 is any other.
    """

    name: str
    levels: tuple[str, ...] | None = None
    shares: tuple[tuple[str, float], ...] | None = None

    @property
    def is_category(self) -> bool:
        return self.levels is not None

    @property
    def is_text(self) -> bool:
        """Whether the feature column holds text, not numbers."""
        return self.is_category or self.shares is not None


@dataclass(frozen=True)
class Encoding:
    """How a table of features becomes a matrix, the same for fitting and scoring."""

    columns: tuple[EncodedColumn, ...]

    @classmethod
    def fit(cls, table: pd.DataFrame, names: Iterable[str], *, min_rows: int) -> Encoding:
        """Learn the levels of each text column; ``min_rows`` makes a level of its own."""
        return cls(tuple(_fit_column(table[name], name, min_rows) for name in names))

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def category_indices(self) -> list[int]:
        return [index for index, column in enumerate(self.columns) if column.is_category]

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """Return the float64 matrix of a table, columns in the model's order; unknown is NaN.

        Raises
        ------
        DataContractError : a column is missing.
        """
        missing = [name for name in self.names if name not in table.columns]
        if missing:
            raise DataContractError(
                f"Scoring table: {len(missing)} of {len(self.columns)} features are missing (first: {', '.join(missing[:5])}). "
                "Expected the columns of the model's signature; build them with the same version of Tenure."
            )
        matrix = np.empty((len(table), len(self.columns)), dtype=np.float64)
        for index, column in enumerate(self.columns):
            matrix[:, index] = _encode(table[column.name], column)
        return matrix


def _is_text(values: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values))


def _fit_column(values: pd.Series, name: str, min_rows: int) -> EncodedColumn:
    if not _is_text(values) or values.isna().all():
        return EncodedColumn(name)
    counts = values.dropna().astype(str).value_counts()
    if len(counts) > MAX_LEVELS:
        repeated = counts[counts > 1]
        return EncodedColumn(
            name, shares=tuple((str(level), int(repeated[level]) / len(values)) for level in sorted(repeated.index))
        )
    frequent = counts[counts >= min_rows]
    ordered = sorted(frequent.index, key=lambda level: (-int(frequent[level]), level))
    return EncodedColumn(name, tuple(ordered))


def _encode(values: pd.Series, column: EncodedColumn) -> np.ndarray:
    if column.shares is not None:
        shares = values.astype(str).map(dict(column.shares)).astype(float).fillna(0.0)
        return np.where(values.notna(), shares, np.nan)
    if column.levels is None:
        return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    codes = {level: float(code) for code, level in enumerate(column.levels, start=1)}
    known = values.notna()
    encoded = values.astype(str).map(codes).astype(float).fillna(0.0)
    return np.where(known, encoded, np.nan)


def to_json(encoding: Encoding) -> list[dict[str, Any]]:
    return [
        {"name": c.name}
        | ({} if c.levels is None else {"levels": list(c.levels)})
        | ({} if c.shares is None else {"shares": dict(c.shares)})
        for c in encoding.columns
    ]


def from_json(entries: Sequence[dict[str, Any]]) -> Encoding:
    return Encoding(
        tuple(
            EncodedColumn(
                e["name"],
                tuple(e["levels"]) if "levels" in e else None,
                tuple(e["shares"].items()) if "shares" in e else None,
            )
            for e in entries
        )
    )

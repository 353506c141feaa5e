"""What MLflow loads: features in, propensity out, reasons on request. Text and JSON only, nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenure.models.explain import reasons
from tenure.models.model import PropensityModel


class PropensityPyfunc:
    """The pyfunc flavour of a ``PropensityModel``."""

    def __init__(self, model: PropensityModel) -> None:
        self.model = model

    def numbers(self, table: pd.DataFrame) -> pd.DataFrame:
        """Give what the model says of each row, without reasons. features => propensity"""
        return pd.DataFrame({"propensity": self.model.propensities(table)})

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score a table of features. features => propensity [, reason_1, reason_2, reason_3]

        Raises
        ------
        DataContractError : features are missing.
        """
        table = pd.DataFrame(model_input).reset_index(drop=True)
        if table.columns.empty:
            # MLflow drops what its schema does not know, and with the last column all rows: an empty answer would
            # mislead.
            self.model.encoding.transform(table)
        scored = self.numbers(table)
        if params and params.get("explain"):
            return scored.join(reasons(self.model, table))
        return scored


def _load_pyfunc(path: str) -> PropensityPyfunc:
    """Entry point of MLflow's ``loader_module``."""
    return PropensityPyfunc(PropensityModel.load(Path(path)))


def synthetic_example(model: PropensityModel, rows: int = 3, seed: int = 0) -> pd.DataFrame:
    """Invent rows that fit a model's signature: no real customer is stored with a model."""
    generator = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for column, meaning in zip(model.encoding.columns, model.meanings, strict=True):
        if column.is_text:
            known = column.levels or [level for level, _ in column.shares or ()]
            columns[column.name] = [known[0] if known else "unknown"] * rows
        else:
            centre = float(meaning.usual) if isinstance(meaning.usual, int | float) else 1.0
            columns[column.name] = np.round(centre * generator.uniform(0.5, 1.5, rows), 2)
    return pd.DataFrame(columns)

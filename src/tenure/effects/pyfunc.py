"""What MLflow loads of an effect model: features in, each customer's effect out, reasons on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tenure.effects.model import EffectModel
from tenure.models.explain import reasons


class EffectPyfunc:
    """The pyfunc flavour of an ``EffectModel``."""

    def __init__(self, model: EffectModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Predict a table of features. features => effect, raw_effect [, reason_1, reason_2, reason_3]

        Raises
        ------
        DataContractError : features are missing.
        """
        table = pd.DataFrame(model_input).reset_index(drop=True)
        if table.columns.empty:  # MLflow drops what its schema does not know: an empty answer would mislead
            self.model.encoding.transform(table)
        found = self.model.effects(table)[["effect", "raw_effect"]]
        return found.join(reasons(self.model, table)) if params and params.get("explain") else found


def _load_pyfunc(path: str) -> EffectPyfunc:
    """Entry point of MLflow's ``loader_module``."""
    return EffectPyfunc(EffectModel.load(Path(path)))

"""What MLflow loads of an effect model: features in, each customer's effect out, reasons on request."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tenure.effects.model import EffectModel
from tenure.models.pyfunc import PropensityPyfunc


class EffectPyfunc(PropensityPyfunc):
    """The pyfunc flavour of an ``EffectModel``."""

    model: EffectModel

    def numbers(self, table: pd.DataFrame) -> pd.DataFrame:
        """Give each row's effect. features => effect (what to promise), raw_effect (what to act on)"""
        return self.model.effects(table)[["effect", "raw_effect"]]


def _load_pyfunc(path: str) -> EffectPyfunc:
    """Entry point of MLflow's ``loader_module``."""
    return EffectPyfunc(EffectModel.load(Path(path)))

"""A registered effect model: what it needs to predict and to explain an action's effect, saved as text, never pickled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import StoredFormatError
from tenure.core.stored import made_of
from tenure.effects.arms import LightTrees, TiedArms
from tenure.effects.design import Regressor, regress
from tenure.effects.learner import EffectFit
from tenure.models.calibrate import Calibrator
from tenure.models.estimators.protocol import Estimator, FittingRows
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.model import FeatureMeaning, PropensityModel

KIND = "effect"


@dataclass(frozen=True)
class EffectEstimator(Estimator):
    """The learner with its regressors, as an estimator whose raw score is the raw effect."""

    regressors: tuple[Regressor, ...]
    learner: TiedArms | LightTrees

    @classmethod
    def fit(
        cls, rows: FittingRows, settings: TrainingSettings, *, directions: Sequence[int] = (), rounds: int = 0
    ) -> EffectEstimator:
        raise NotImplementedError("An effect is learnt by fit_effect, of rows that say who was treated.")

    def raw_scores(self, matrix: np.ndarray) -> np.ndarray:
        treated, control = self.learner.arms(regress(self.regressors, matrix))
        return treated - control

    def contributions(self, matrix: np.ndarray, usual: np.ndarray | None = None) -> np.ndarray:
        """Return each feature's part of the raw effect, and last what is left of it: the effect of an average customer."""
        parts = self.learner.parts(regress(self.regressors, matrix))
        summed = np.zeros((len(matrix), matrix.shape[1] + 1))
        for place, regressor in enumerate(self.regressors):
            summed[:, regressor.feature] += parts[:, place]
        summed[:, -1] = self.raw_scores(matrix) - summed.sum(axis=1)
        return summed

    def describe(self) -> str:
        return self.learner.describe()

    def dump(self) -> str:
        return json.dumps({"regressors": [asdict(one) for one in self.regressors], "learner": self.learner.document()})

    @classmethod
    def load(cls, text: str) -> EffectEstimator:
        document = json.loads(text)
        regressors = [made_of(Regressor, one | {"knots": tuple(one["knots"])}) for one in document["regressors"]]
        learner = document["learner"]
        return cls(tuple(regressors), (LightTrees if "booster" in learner else TiedArms).of(learner))


class EffectModel(PropensityModel):
    """The effect of one action on one outcome, by customer, treated minus withheld, in the outcome's unit.

    ``calibrator`` draws raw effects to the mean by as much as they did not come true. ``about`` says action, outcome,
    mean and slope with their intervals, and on whom it was fitted.
    """

    @classmethod
    def of(cls, fit: EffectFit, meanings: Sequence[FeatureMeaning], about: Mapping[str, Any]) -> EffectModel:
        """Make the model of a fit; ``meanings`` of its features, in their order."""
        slope = float(np.clip(fit.slope.value, 0, 1))
        return cls(
            EffectEstimator(fit.design.regressors, fit.learner), fit.design.encoding,
            Calibrator(slope, fit.mean.value - slope * fit.centre), tuple(meanings), dict(about), KIND,
        )  # fmt: skip

    @classmethod
    def restored(
        cls, kind: str, dumped: str, place: str, about: dict[str, Any], raw: Callable[[str], Path] | None
    ) -> Estimator:
        if kind != KIND:
            raise StoredFormatError(f"{place}: holds an estimator '{kind}'. Expected the model of an effect.")
        return EffectEstimator.load(dumped)

    def effects(self, table: pd.DataFrame) -> pd.DataFrame:
        """Predict a table of features. => raw_effect (what to act on), effect (what to promise), low, high; same index

        ``low, high``: of the mean effect's 95 % interval, moved to the customer's own.
        """
        raw = self.raw_scores(table)
        effect = self.calibrator.slope * raw + self.calibrator.intercept
        mean = self.about["mean"]
        ends = {end: effect + (self.about[f"mean_{end}"] - mean) for end in ("low", "high")}
        return pd.DataFrame({"raw_effect": raw, "effect": effect, **ends}, index=table.index)

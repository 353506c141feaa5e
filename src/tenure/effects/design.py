"""Feature columns to the regressors of an effect model: standardised ranks, marks of the unknown, levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tenure.models.encoding import Encoding
from tenure.models.estimators.logistic_baseline import QUANTILES, rank_among

Matrix = NDArray[np.float32]

LEAST_SHARE = 0.005  # of rows that must hold a level, or know what others do not, for a column of its own
CHUNK = 100_000  # rows encoded at a time: a million rows never stand in memory twice
MOST_RANKED = 200_000  # rows that ranks are learnt from


@dataclass(frozen=True)
class Regressor:
    """One column of the design: of which feature it is made, how, and what standardises it."""

    feature: int
    kind: str  # rank, unknown or level
    knots: tuple[float, ...] = ()
    level: float = 0.0
    mean: float = 0.0
    spread: float = 1.0

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.kind == "rank":
            raw = rank_among(values, self.knots)
        else:
            raw = (np.isnan(values) if self.kind == "unknown" else values == self.level).astype(float)
        return np.asarray((raw - self.mean) / self.spread)


def regress(regressors: Sequence[Regressor], values: NDArray[np.float64]) -> Matrix:
    """Turn encoded features, rows x features, into regressors."""
    design = np.empty((len(values), len(regressors)), dtype=np.float32)
    for place, regressor in enumerate(regressors):
        design[:, place] = regressor.of(values[:, regressor.feature])
    return design


@dataclass(frozen=True)
class Design:
    """How a table of features becomes regressors of mean 0 and spread 1, the same for fitting and predicting."""

    encoding: Encoding
    regressors: tuple[Regressor, ...]

    @classmethod
    def fit(cls, table: pd.DataFrame, features: Sequence[str]) -> Design:
        """Learn ranks and levels; a column that does not vary has no regressor. Labels play no part."""
        least = max(2, int(LEAST_SHARE * len(table)))
        encoding = Encoding.fit(table, features, min_rows=least)
        sample = encoding.transform(table.iloc[:: max(1, len(table) // MOST_RANKED)])
        found: dict[bytes, Regressor] = {}
        for index, column in enumerate(encoding.columns):
            values = sample[:, index]
            drafts = [Regressor(index, "unknown")]
            if column.levels is not None:
                drafts += [Regressor(index, "level", level=float(code)) for code in range(1, len(column.levels) + 1)]
            elif not np.isnan(values).all():
                knots = np.nanquantile(values, np.linspace(0, 1, min(QUANTILES, len(values))))
                drafts.append(Regressor(index, "rank", tuple(knots.tolist())))
            for draft in drafts:
                raw = draft.of(values)
                # Features of one table are unknown together: one mark serves them all.
                # A count that is 0 for nearly all moves between ranks half as far as a mark does.
                if raw.std() ** 2 > LEAST_SHARE / (5 if draft.kind == "rank" else 1.1):
                    ready = Regressor(index, draft.kind, draft.knots, draft.level, float(raw.mean()), float(raw.std()))
                    found.setdefault(raw.tobytes(), ready)
        return cls(encoding, tuple(found.values()))

    def transform(self, table: pd.DataFrame) -> Matrix:
        """Return rows x regressors.

        Raises
        ------
        DataContractError : a feature is missing.
        """
        design = np.empty((len(table), len(self.regressors)), dtype=np.float32)
        for start in range(0, max(len(table), 1), CHUNK):
            values = self.encoding.transform(table.iloc[start : start + CHUNK])
            design[start : start + CHUNK] = regress(self.regressors, values)
        return design

    def by_feature(self, parts: NDArray[np.float64]) -> pd.DataFrame:
        """Add the parts of regressors up to those of their features: one column per feature."""
        summed = np.zeros((len(parts), len(self.encoding.columns)))
        for place, regressor in enumerate(self.regressors):
            summed[:, regressor.feature] += parts[:, place]
        return pd.DataFrame(summed, columns=self.encoding.names)

"""Forecasters judged beside each other on a past they had not seen, and the best of them chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError

DRAWS = 200
CONFIDENCE = 0.95
# Equal weights are hard to beat where no model is clearly better. Source: Clemen (1989), Combining Forecasts, IJF 5(4).
MEAN = "mean of the models"
# The plain average stands for having no model; it is judged, and has no part in the mean.
PLAIN = "past average"
COLUMNS = (
    "model",
    "horizon_days",
    "judged_days",
    "judged_on_day",
    "customers",
    "error",
    "error_low",
    "error_high",
    "absolute_error",
    "forecast_total",
    "actual_total",
    "is_used",
    "note",
)
Forecaster = Callable[[pd.DataFrame, int, int], pd.DataFrame]


@dataclass(frozen=True)
class Forecasts:
    """``tables``: model => table per customer. ``notes``: model => why it could not be fitted."""

    tables: dict[str, pd.DataFrame]
    notes: dict[str, str]


@dataclass(frozen=True)
class Errors:
    """Errors of forecasts per customer: root mean squared, its 95 % interval (customers drawn anew), mean absolute.

    Squared errors rank, for they alone are smallest for the expectation; the median is mostly 0.
    """

    squared: np.ndarray
    error: float
    low: float
    high: float
    absolute: float


def forecast_all(forecasters: Mapping[str, Forecaster], facts: pd.DataFrame, end: int, days: int) -> Forecasts:
    """Ask every forecaster, and take the mean of those that are models."""
    tables: dict[str, pd.DataFrame] = {}
    notes: dict[str, str] = {}
    for name, forecast in forecasters.items():
        try:
            tables[name] = forecast(facts, end, days)
        except NotEnoughDataError as error:
            notes[name] = str(error)
    models = [table for name, table in tables.items() if name != PLAIN]
    if len(models) > 1:
        tables[MEAN] = pd.concat(models).groupby(level=0, sort=True).mean()
    return Forecasts(tables, notes)


def errors(forecast: np.ndarray, actual: np.ndarray, *, draws: int = DRAWS, seed: int = 7) -> Errors:
    """Compare forecasts with what came. Source of the interval: Efron and Tibshirani (1993), percentile bootstrap."""
    squared = (forecast - actual) ** 2
    low, high = np.sqrt(_interval(resampled_means(squared[:, None], draws, seed)[:, 0]))
    absolute = float(np.abs(forecast - actual).mean())
    return Errors(squared, float(np.sqrt(squared.mean())), float(low), float(high), absolute)


def resampled_means(values: np.ndarray, draws: int = DRAWS, seed: int = 7) -> np.ndarray:
    """Return the column means of rows drawn with replacement, one line per draw: paired over the columns."""
    generator = np.random.default_rng(seed)
    count = len(values)
    copies = (np.bincount(generator.integers(0, count, count), minlength=count) for _ in range(draws))
    return np.array([drawn @ values / count for drawn in copies])


def _interval(drawn: np.ndarray) -> np.ndarray:
    tail = (1 - CONFIDENCE) / 2
    return np.asarray(np.quantile(drawn, [tail, 1 - tail]))


def judge(
    forecasters: Mapping[str, Forecaster],
    outcome: Callable[[pd.Index, int, int], pd.Series],
    facts: pd.DataFrame,
    *,
    start: int,
    end: int,
    horizon_days: int,
    measure: str = "revenue",
) -> pd.DataFrame:
    """Judge each forecaster on the days before ``end``, fitted on what was known before them; one is marked as used.

    Used is the one of smallest error; the mean of the models where that one is not clearly better (the 95 % interval of
    the paired difference of squared errors holds 0). ``outcome``: what came of these customers between two days. Where
    the history is shorter than twice the horizon, half of it is judged.

    => one row per model, columns as ``COLUMNS``; one that could not be fitted has its reason in ``note`` and no error.

    Raises
    ------
    NotEnoughDataError : no model could be fitted, or there is no day to judge on.
    """
    judged = min(horizon_days, (end - start) // 2)
    if judged < 1:
        raise NotEnoughDataError(
            f"value: {end - start} days of history. Expected some weeks, half of them to judge the models on."
        )
    cutoff = end - judged
    found = forecast_all(forecasters, facts, cutoff, judged)
    same = {"horizon_days": horizon_days, "judged_days": judged, "judged_on_day": cutoff, "is_used": False}
    rows, squared = [], {}
    for name, table in found.tables.items():
        actual = outcome(table.index, cutoff, end).to_numpy(dtype=float)
        forecast = table[measure].to_numpy(dtype=float)
        measured = errors(forecast, actual)
        squared[name] = measured.squared
        rows.append({
            "model": name, **same, "customers": len(table), "error": measured.error, "error_low": measured.low,
            "error_high": measured.high, "absolute_error": measured.absolute, "forecast_total": forecast.sum(),
            "actual_total": actual.sum(), "note": "",
        })  # fmt: skip
    rows += [{"model": name, **same, "note": note} for name, note in found.notes.items()]
    if not squared:
        raise NotEnoughDataError(f"value: no model could be fitted ({'; '.join(found.notes.values())})")
    used = _chosen(squared)
    return pd.DataFrame([row | {"is_used": row["model"] == used} for row in rows], columns=list(COLUMNS))


def _chosen(squared: Mapping[str, np.ndarray]) -> str:
    best = min(squared, key=lambda name: squared[name].mean())
    if best == MEAN or MEAN not in squared:
        return best
    low, high = _interval(resampled_means((squared[best] - squared[MEAN])[:, None])[:, 0])
    return best if high < 0 else MEAN

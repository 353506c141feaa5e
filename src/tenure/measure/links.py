"""Which leading measures go with which lagging ones, some weeks later: measured, and corrected for all that was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tenure.measure.kpis.kpi import Kpi

LEADS = range(1, 9)  # weeks
FEWEST_WEEKS = 52
# Of the links that are drawn so many are false at most, on average. At .05 weeks in no order drew one in 7 % of runs: the
# tails of so short and uneven series are heavier than those of t.
FALSE_SHARE = 0.02
MISSED = 0.05  # of the intervals
COLUMNS = ("leading", "lagging", "lead_weeks", "weeks", "slope", "error", "freedom")


def links(weeks: pd.DataFrame, leading: Sequence[str], lagging: Sequence[str]) -> pd.DataFrame:
    """Measure every link from a leading measure to a lagging one, at every lead.

    ``weeks``: a column per measure by Monday, empty where unknown
    => leading, lagging, lead_weeks, weeks, slope, low, high, p, p_adjusted, is_found; the surest first

    The weekly difference of the lagging measure, ``lead_weeks`` after a week, on that week's difference of the leading
    one, given the level and the last differences of both: so neither's own rhythm counts as a link (lag-augmented
    local projection; Montiel Olea and Plagborg-Moller 2021). Errors: HC3. ``p_adjusted``: Benjamini and Hochberg over
    all rows. The interval of those found is as wide as their choice asks (Benjamini and Yekutieli 2005), of all others
    95 %.
    """
    from scipy import stats

    weeks = weeks.set_axis(pd.to_datetime(weeks.index)).asfreq("7D")
    rows = [
        (x, y, *row)
        for x in leading
        for y in lagging
        for row in _of_pair(weeks[x].to_numpy(float), weeks[y].to_numpy(float))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    freedom = table.pop("freedom").to_numpy(float)
    error = table.pop("error").to_numpy(float)
    table["p"] = 2 * stats.t.sf(np.abs(table["slope"].to_numpy(float)) / error, freedom)
    table["p_adjusted"] = stats.false_discovery_control(table["p"]) if len(table) else table["p"]
    table["is_found"] = table["p_adjusted"] <= FALSE_SHARE
    missed = np.where(table["is_found"], MISSED * table["is_found"].mean(), MISSED)
    half = stats.t.isf(missed / 2, freedom) * error
    table.insert(5, "low", table["slope"] - half)
    table.insert(6, "high", table["slope"] + half)
    return table.sort_values("p", kind="stable", ignore_index=True)


def _of_pair(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """=> lead, weeks, slope, its error, degrees of freedom; nothing where weeks are too few or do not vary"""
    step, y_step = (np.diff(series, prepend=np.nan) for series in (x, y))
    given = np.column_stack([np.ones(len(x)), _before(x), _before(step), y, y_step, _before(y_step)])
    for lead in LEADS:
        later = np.r_[y_step[lead:], np.full(min(lead, len(x)), np.nan)]
        known = ~np.isnan(np.column_stack([step, given, later])).any(axis=1)
        if known.sum() >= FEWEST_WEEKS:
            slope, error = _slope(later[known], step[known], given[known])
            if error > 0:
                yield lead, int(known.sum()), slope, error, int(known.sum()) - given.shape[1] - 1


def _before(series: np.ndarray) -> np.ndarray:
    shifted: np.ndarray = np.r_[np.nan, series[:-1]]
    return shifted


def _slope(later: np.ndarray, step: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    """Regress ``later`` on ``step``, given other columns. => slope, HC3 error; both 0 where nothing varies beside them"""
    basis, sizes, _ = np.linalg.svd(given / np.maximum(np.abs(given).max(axis=0), 1e-300), full_matrices=False)
    basis = basis[:, sizes > 1e-10 * sizes[0]]
    alone, left = (column - basis @ (basis.T @ column) for column in (step, later))
    variation = float(alone @ alone)
    if variation <= 1e-12 * (step @ step) or left @ left <= 1e-12 * (later @ later):
        return 0.0, 0.0
    slope = float(alone @ left) / variation
    leverage = (basis**2).sum(axis=1) + alone**2 / variation
    rest = (left - slope * alone) / np.maximum(1 - leverage, 1e-9)
    return slope, float(np.sqrt(((alone * rest) ** 2).sum())) / variation


def causes(effects: pd.DataFrame, kpis: Mapping[str, Kpi]) -> pd.DataFrame:
    """Find which randomised actions moved which KPIs: those whose measured interval leaves 0 out.

    ``effects``: as ``decisions.measured.read_effects``. => kpi, action, outcome, unit, effect, low, high
    """
    proven = effects[(effects["low"] > 0) | (effects["high"] < 0)]
    rows = [proven[proven["outcome"].isin(kpi.moved_by)].assign(kpi=name) for name, kpi in kpis.items()]
    columns = ["kpi", "action", "outcome", "unit", "effect", "low", "high"]
    return pd.concat(rows)[columns] if rows else pd.DataFrame(columns=columns)

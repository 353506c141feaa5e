"""When the next purchase is due: each customer's own rhythm, shrunk to that of the category where few gaps were seen.

Gaps between purchases are log-normal around a customer's mean, and the means normal around the category's (empirical
Bayes; Gelman and Hill, 2007, chapter 12). What has passed since the last purchase is given: the gap is at least that
long. Which quantiles of that distribution to promise is learnt from what came of the same promise in the past.

``purchases`` everywhere: customer_id, category, day, known; one row per customer, category and day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

COVERAGE = 0.8
NOMINAL = np.array([(1 - COVERAGE) / 2, 0.5, (1 + COVERAGE) / 2])
# A promise for so many days ahead is calibrated on what came within as many days of an earlier one.
CALIBRATED_DAYS = (28, 91, 365)
MIN_RETURNS = 100
# How many gaps the spread of the category counts for, beside a customer's own.
SPREAD_GAPS = 6.0
LEAST_BETWEEN = 0.05  # variance of log gaps between customers: nobody's rhythm is exactly the category's
KEYS = ["customer_id", "category"]


def rhythms(purchases: pd.DataFrame, end: int, min_purchases: int) -> pd.DataFrame:
    """Describe the rhythm of each customer and category bought so often before a day.

    => customer_id, category, purchases, last (day), elapsed (days since), mean_gap, log_gap and log_spread: mean and
       standard deviation of the logarithm of the next gap
    """
    known = purchases[(purchases["day"] < end) & (purchases["known"] < end)].sort_values([*KEYS, "day"], kind="stable")
    gap = known.groupby(KEYS, sort=False)["day"].diff()
    known = known.assign(gap=gap, log=np.log(gap))
    by = known.groupby(KEYS, sort=True)
    table = by.agg(
        purchases=("day", "size"),
        last=("day", "max"),
        mean_gap=("gap", "mean"),
        mean=("log", "mean"),
        variance=("log", "var"),
    )
    table = table[table["purchases"] >= min_purchases].reset_index()
    return _drawn_to_category(table.assign(elapsed=end - table["last"], gaps=table["purchases"] - 1))


def _drawn_to_category(table: pd.DataFrame) -> pd.DataFrame:
    gaps, category = table["gaps"], table["category"]
    freedom = (gaps - 1).clip(lower=0)
    squares = (table["variance"].fillna(0.0) * freedom).groupby(category).sum()
    overall = squares.sum() / max(float(freedom.sum()), 1.0) or 1.0
    within = (
        ((squares + SPREAD_GAPS * overall) / (freedom.groupby(category).sum() + SPREAD_GAPS))
        .reindex(category)
        .to_numpy()
    )
    centre = table["mean"].groupby(category).mean().reindex(category).fillna(table["mean"].mean()).to_numpy()
    noise = (within / gaps.where(gaps > 0)).groupby(category).mean()
    between = (
        (table["mean"].groupby(category).var() - noise)
        .fillna(overall)
        .clip(lower=LEAST_BETWEEN)
        .reindex(category)
        .to_numpy()
    )
    own = gaps / (gaps + within / between)
    spread = (table["variance"].fillna(0.0) * freedom + SPREAD_GAPS * within) / (freedom + SPREAD_GAPS)
    return table.assign(
        log_gap=own * table["mean"].fillna(0.0) + (1 - own) * centre,
        log_spread=np.sqrt(spread * (1 + 1 / (gaps + within / between))),
    ).drop(columns=["mean", "variance", "gaps"])


def remaining_days(table: pd.DataFrame, level: np.ndarray | float) -> np.ndarray:
    """Return the days from now within which the purchase comes with a probability, given that it has not come yet."""
    passed = _passed(table)
    quantile = ndtri(np.clip(passed + np.asarray(level) * (1 - passed), 1e-9, 1 - 1e-9))
    return np.asarray(np.exp(table["log_gap"] + table["log_spread"] * quantile) - table["elapsed"])


def _passed(table: pd.DataFrame) -> np.ndarray:
    since = np.log(np.maximum(table["elapsed"] - 0.5, 0.5))
    return np.asarray(ndtr((since - table["log_gap"]) / table["log_spread"]))


@dataclass(frozen=True)
class Calibration:
    """``levels``: days ahead => the probabilities (low, middle, high) whose days held what they promised."""

    levels: dict[int, np.ndarray]

    def of(self, table: pd.DataFrame) -> np.ndarray:
        """Choose the levels of each row by how far ahead its purchase is due. => three columns"""
        due = remaining_days(table, 0.5)
        chosen = np.tile(NOMINAL, (len(table), 1))
        for days in sorted(self.levels, reverse=True):
            chosen[due <= days] = self.levels[days]
        return chosen


def calibrate(purchases: pd.DataFrame, end: int, min_purchases: int) -> Calibration:
    """Learn from earlier days which quantiles would have held, of customers who came back when they were due.

    Whatever is too short a past, or too few customers, keeps the nominal quantiles.
    """
    start = int(purchases["day"].min())
    levels: dict[int, np.ndarray] = {}
    nearer = 0
    for days in CALIBRATED_DAYS:
        cutoff = end - days
        if cutoff - start < days:
            break
        table = rhythms(purchases, cutoff, min_purchases)
        gap = next_days(table, purchases, end) - table["last"].to_numpy()
        due = remaining_days(table, 0.5)
        asked = ~np.isnan(gap) & (due > nearer) & (due <= days)
        if asked.sum() >= MIN_RETURNS:
            passed = _passed(table)
            reached = ndtr((np.log(np.where(asked, gap, 1.0)) - table["log_gap"]) / table["log_spread"])
            share = ((reached - passed) / np.maximum(1 - passed, 1e-9))[asked]
            levels[days] = np.clip(np.quantile(share, NOMINAL), 1e-6, 1 - 1e-6)
        nearer = days
    return Calibration(levels)


def next_days(table: pd.DataFrame, purchases: pd.DataFrame, until: int) -> np.ndarray:
    """Return the day of the first purchase after the rhythm's now and before a day; NaN where none came."""
    now = (table["last"] + table["elapsed"]).to_numpy()
    later = purchases[(purchases["day"] >= (now.min() if len(now) else 0)) & (purchases["day"] < until)]
    found = later.groupby(KEYS)["day"].min()
    return np.asarray(found.reindex(pd.MultiIndex.from_frame(table[KEYS])).to_numpy(dtype=float))


def due_days(purchases: pd.DataFrame, end: int, min_purchases: int) -> pd.DataFrame:
    """Tell when each rhythm's next purchase is due.

    => customer_id, category, purchases, last, mean_gap, low, due, high (whole days from ``end``, 0 = that day; 80 % of
       those who come back do so between low and high)
    """
    table = rhythms(purchases, end, min_purchases)
    levels = calibrate(purchases, end, min_purchases).of(table)
    for place, name in enumerate(("low", "due", "high")):
        table[name] = np.maximum(np.rint(remaining_days(table, levels[:, place])), 0.0)
    return table.drop(columns=["elapsed", "log_gap", "log_spread"])

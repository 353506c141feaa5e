"""How many positives propensities expect, and how far chance alone may lead from it."""

from __future__ import annotations

import numpy as np
import pandas as pd


def expected_interval(propensities: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    """Return the 95 % interval of the count that comes true if every propensity is right.

    The count is Poisson binomial: customers are taken as independent; each counts its weight, in steps of a quarter of the
    smallest where they differ.

    >>> expected_interval(np.full(100, 0.5))
    (40.0, 60.0)
    >>> expected_interval(np.full(100, 0.5), np.full(100, 20.0))
    (800.0, 1200.0)
    """
    from scipy.signal import convolve

    weights = np.ones(len(propensities)) if weights is None else weights
    unit = float(weights.min()) / (4 if np.ptp(weights) else 1) if len(weights) else 1.0
    steps = np.round(weights / unit).astype(int)
    parts = [np.r_[1 - p, np.zeros(step - 1), p] for p, step in zip(propensities, steps, strict=True)] or [np.ones(1)]
    while len(parts) > 1:
        # Adding two independent counts convolves their distributions; by pairs, so that long ones are few.
        odd = parts[len(parts) // 2 * 2 :]
        parts = [convolve(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)] + odd
    low, high = np.searchsorted(parts[0].cumsum(), [0.025, 0.975])
    return float(low) * unit, float(high) * unit


def by_decile(joined: pd.DataFrame) -> pd.DataFrame:
    """decile, propensity, label, weight => decile, customers, expected, low, high, realised, lift"""
    rate = np.average(joined["label"], weights=joined["weight"])
    rows = []
    for decile, group in joined.groupby("decile"):
        weights = group["weight"].to_numpy()
        expected, realised = (float(weights @ group[name]) for name in ("propensity", "label"))
        lift = realised / weights.sum() / rate if rate else float("nan")
        interval = expected_interval(group["propensity"].to_numpy(), weights)
        rows.append((int(str(decile)), len(group), expected, *interval, realised, lift))
    return pd.DataFrame(rows, columns=["decile", "customers", "expected", "low", "high", "realised", "lift"])

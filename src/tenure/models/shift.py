"""Whether values are still distributed as they were."""

from __future__ import annotations

import numpy as np

BINS = 10
# The field's rule of thumb: below .1 nothing moved, above .25 it is another population.
MAJOR_SHIFT = 0.25
# An empty bin counts as this share of a bin's equal part: the logarithm of nothing is no number.
EMPTY = 0.01


def population_stability(former: np.ndarray, latter: np.ndarray, bins: int = BINS) -> float:
    """Return the population stability index of two sets of numbers: 0 when they are distributed alike; unknown is a bin of its own.

    Source: Siddiqi (2006), credit risk scorecards; bins of equal count of the former.
    """
    edges = (
        np.unique(np.nanquantile(former, np.linspace(0, 1, bins + 1)[1:-1]))
        if np.isfinite(former).any()
        else np.empty(0)
    )
    shares = [_shares(np.asarray(values, dtype=float), edges) for values in (former, latter)]
    expected, found = (np.maximum(share, EMPTY / bins) for share in shares)
    return float(((found - expected) * np.log(found / expected)).sum())


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    unknown = np.isnan(values)
    places = np.where(unknown, len(edges) + 1, np.searchsorted(edges, values, side="right"))
    return np.bincount(places, minlength=len(edges) + 2) / max(len(values), 1)

"""What many customers or groups have in common, lent to those of whom little is known: empirical Bayes by moments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def shrunk(effects: Array, errors: Array) -> tuple[Array, Array]:
    """Draw effects of groups towards their mean by how much of their spread is noise: the best one is partly luck.

    ``errors``: the standard error of each, above 0. => the effects drawn in, and their standard errors

    Source: Morris (1983), Parametric empirical Bayes inference; the spread by moments (DerSimonian and Laird, 1986).

    >>> shrunk(np.array([0.0, 4.0]), np.array([2.0, 2.0]))[0].round(2).tolist()
    [1.0, 3.0]
    """
    weights = errors**-2
    mean = np.average(effects, weights=weights)
    excess = weights @ (effects - mean) ** 2 - (len(effects) - 1)
    free = weights.sum() - (weights**2).sum() / weights.sum()
    spread = max(0.0, excess / free) if free > 0 else 0.0
    kept = spread / (spread + errors**2)
    of_mean = weights**2 @ (spread + errors**2) / weights.sum() ** 2
    return np.asarray(mean + kept * (effects - mean)), np.sqrt(kept * errors**2 + (1 - kept) ** 2 * of_mean)

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


def shrunk_rates(hits: Array, tries: Array) -> Array:
    """Draw rates of customers towards that of all of them, the more the fewer tries: a beta prior by moments.

    Source: Kleinman (1973), Proportions with extraneous variance: success and failure.

    >>> shrunk_rates(np.array([0.0, 0.0, 9.0, 10.0]), np.array([0.0, 10.0, 10.0, 10.0])).round(2).tolist()
    [0.63, 0.06, 0.88, 0.97]
    """
    total = max(tries.sum(), 1.0)
    rate = hits.sum() / total
    own = np.divide(hits, tries, out=np.full(len(hits), rate), where=tries > 0)
    noise, free = rate * (1 - rate), total - (tries**2).sum() / total
    spread = (tries @ (own - rate) ** 2 - noise * ((tries > 0).sum() - 1)) / free if free > 0 else 0.0
    # As many tries as the rate of all is worth, one at least; none outweighs it where customers do not differ.
    worth = max(noise / spread - 1, 1.0) if spread > 0 else np.inf
    return np.asarray(rate + tries / (tries + worth) * (own - rate))

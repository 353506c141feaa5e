"""Maximum likelihood of a few positive parameters, which either converges or says that it did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tenure.errors import NotEnoughDataError

# Beyond these a positive parameter has run away: the data say nothing of it.
SMALLEST, LARGEST = 1e-4, 1e5


def fit_positive(
    mean_log_likelihood: Callable[[np.ndarray], float], starts: Sequence[Sequence[float]], model: str
) -> np.ndarray:
    """Maximise a mean log-likelihood over positive parameters, from each start in turn until one converges.

    Raises
    ------
    NotEnoughDataError : no start converged to parameters the data determine.
    """
    from scipy.optimize import minimize

    def loss(logs: np.ndarray) -> float:
        value = -mean_log_likelihood(np.exp(logs))
        return value if np.isfinite(value) else 1e10

    bounds = [(np.log(SMALLEST), np.log(LARGEST))] * len(starts[0])
    for start in starts:
        found = minimize(loss, np.log(start), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "maxiter": 500})
        inside = np.all((found.x > bounds[0][0] + 1e-6) & (found.x < bounds[0][1] - 1e-6))
        if found.success and inside and found.fun < 1e9:
            return np.exp(found.x)
    raise NotEnoughDataError(
        f"{model}: its likelihood has no maximum within {SMALLEST:g} and {LARGEST:g} on these purchases, from {len(starts)} starts. "
        "Expected some customers who came back and some who did not; the other models are used."
    )

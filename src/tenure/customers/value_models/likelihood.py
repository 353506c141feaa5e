"""Maximum likelihood of a few positive parameters, which either converges or says that it did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.purchases import Repetition

# A parameter may come to rest at one of these: the model is then a simpler one (nobody stops, all buy alike) and valid.
SMALLEST, LARGEST = 1e-3, 1e4
IMPOSSIBLE = 1e10


def fit_positive(
    mean_log_likelihood: Callable[[np.ndarray], float], starts: Sequence[Sequence[float]], model: str
) -> np.ndarray:
    """Maximise a mean log-likelihood over positive parameters, from each start in turn until one converges.

    Raises
    ------
    NotEnoughDataError : no start converged.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    def loss(logs: np.ndarray) -> float:
        value = -mean_log_likelihood(np.exp(logs))
        return value if np.isfinite(value) else IMPOSSIBLE

    bounds = [(np.log(SMALLEST), np.log(LARGEST))] * len(starts[0])
    for start in starts:
        # The optimiser's matrices are tiny: several threads of linear algebra would only wait for each other.
        with threadpool_limits(1, user_api="blas"):
            found = minimize(
                loss, np.log(start), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-10, "maxiter": 300}
            )
        if found.success and found.fun < IMPOSSIBLE:
            return np.exp(found.x)
    raise NotEnoughDataError(
        f"{model}: its likelihood did not converge on these purchases from {len(starts)} starts. Expected finite days "
        "and amounts of customers some of whom came back; the other models are used."
    )


class BuyingProcess(Protocol):
    """How customers buy until they stop, given its parameters."""

    def log_likelihood(self, customers: Repetition) -> np.ndarray: ...


Process = TypeVar("Process", bound=BuyingProcess)


def fit_process(
    process: Callable[..., Process], customers: Repetition, starts: Sequence[Sequence[float]], model: str
) -> Process:
    """Fit a buying process by maximum likelihood; ``process`` makes one of its parameters, in the order of ``starts``.

    Raises
    ------
    NotEnoughDataError : nobody came back, or no maximum was found.
    """
    customers.check_return(model)
    total = customers.weights.sum()

    def mean(parameters: np.ndarray) -> float:
        return float(customers.weights @ process(*parameters).log_likelihood(customers) / total)

    return process(*(float(value) for value in fit_positive(mean, starts, model)))

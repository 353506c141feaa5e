"""Maximum likelihood of a few positive parameters, which either converges or says that it did not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.purchases import Repetition

# A parameter may come to rest at one of these: the model is then a simpler one (nobody stops, all buy alike) and valid.
SMALLEST, LARGEST = 1e-3, 1e4
IMPOSSIBLE = 1e10
# A horizon's models are judged on one day and asked on another; all horizons ask on the same.
FITS_KEPT = 8


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
            return np.asarray(np.exp(found.x))
    raise NotEnoughDataError(
        f"{model}: its likelihood did not converge on these purchases from {len(starts)} starts. Expected finite days "
        "and amounts of customers some of whom came back; the other models are used."
    )


@lru_cache(FITS_KEPT)
def fitted(fit: Callable[..., Any], *columns: bytes) -> Any:
    """Fit columns of floats, given as their bytes: the same ones once, whoever asks."""
    return fit(*(np.frombuffer(column) for column in columns))


class BuyingProcess(ABC):
    """How customers buy until they stop; its fields are its parameters, in the order of ``starts``."""

    title: ClassVar[str]
    starts: ClassVar[Sequence[Sequence[float]]]

    @classmethod
    def fit(cls, customers: Repetition) -> Self:
        """Fit by maximum likelihood.

        Raises
        ------
        NotEnoughDataError : nobody came back, or no maximum was found.
        """
        customers.check_return(cls.title)
        found: Self = fitted(cls._fit, *(column.tobytes() for column in vars(customers).values()))
        return found

    @classmethod
    def _fit(cls, *columns: np.ndarray) -> Self:
        customers = Repetition(*columns)
        total = customers.weights.sum()

        def mean(parameters: np.ndarray) -> float:
            return float(customers.weights @ cls(*parameters).log_likelihood(customers) / total)

        return cls(*(float(value) for value in fit_positive(mean, cls.starts, cls.title)))

    @abstractmethod
    def log_likelihood(self, customers: Repetition) -> np.ndarray:
        """Return ln P(repeats, recency | observed) of each customer."""

    @abstractmethod
    def p_alive(self, customers: Repetition) -> np.ndarray:
        """Return P(still a customer) of each."""

    @abstractmethod
    def expected_purchases(self, customers: Repetition, weeks: float) -> np.ndarray:
        """Return the expected number of purchases of each in the next ``weeks``."""

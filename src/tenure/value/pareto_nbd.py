"""Pareto/NBD: customers buy at a gamma-distributed rate and stop at a gamma-distributed rate, at any moment.

Source: Fader and Hardie (2005), A Note on Deriving the Pareto/NBD Model and Related Expressions; Schmittlein, Morrison and
Colombo (1987), Management Science 33(1). Time is in weeks throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, hyp2f1

from tenure.value.likelihood import fit_positive
from tenure.value.purchases import Repetition

STARTS = ((0.5, 10.0, 0.5, 10.0), (1.0, 10.0, 0.3, 30.0), (0.3, 2.0, 0.2, 2.0))


@dataclass(frozen=True)
class ParetoNbd:
    """``r, alpha``: shape and rate (weeks) of the gamma of purchase rates; ``s, beta``: those of the rates of stopping."""

    r: float
    alpha: float
    s: float
    beta: float

    @classmethod
    def fit(cls, customers: Repetition) -> ParetoNbd:
        """Fit by maximum likelihood.

        Raises
        ------
        NotEnoughDataError : nobody came back, or no maximum was found.
        """
        customers.check_return("Pareto/NBD")
        total = customers.weights.sum()

        def mean(parameters: np.ndarray) -> float:
            return float(customers.weights @ cls(*parameters).log_likelihood(customers) / total)

        return cls(*(float(value) for value in fit_positive(mean, STARTS, "Pareto/NBD")))

    def log_likelihood(self, customers: Repetition) -> np.ndarray:
        """Return ln P(repeats, recency | observed) of each customer."""
        x, t = customers.repeats, customers.observed
        shared = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        return shared + self._log_alive(x, t) + np.log1p(self._odds_of_having_stopped(customers))

    def _log_alive(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return -(self.r + x) * np.log(self.alpha + t) - self.s * np.log(self.beta + t)

    def _odds_of_having_stopped(self, customers: Repetition) -> np.ndarray:
        """Return P(stopped) ÷ P(alive) of each: s / (r + s + x) times A0, over the likelihood of being alive."""
        x, t_x, t = customers.repeats, customers.recency, customers.observed
        total = self.r + self.s + x
        # The larger of alpha and beta leads, so that the argument stays in [0, 1).
        larger, gap = max(self.alpha, self.beta), abs(self.alpha - self.beta)
        second = self.s + 1 if self.alpha >= self.beta else self.r + x

        def term(at: np.ndarray) -> np.ndarray:
            relative = np.exp(-total * np.log(larger + at) - self._log_alive(x, t))
            return relative * hyp2f1(total, second, total + 1, gap / (larger + at))

        return np.asarray(np.maximum(self.s / total * (term(t_x) - term(t)), 0.0))

    def p_alive(self, customers: Repetition) -> np.ndarray:
        """Return P(still a customer) of each."""
        return np.asarray(1 / (1 + self._odds_of_having_stopped(customers)))

    def expected_purchases(self, customers: Repetition, weeks: float) -> np.ndarray:
        """Return the expected number of purchases of each in the next ``weeks``."""
        t = customers.observed
        rate = (self.r + customers.repeats) / (self.alpha + t)
        if abs(self.s - 1) < 1e-6:
            lived = (self.beta + t) * np.log((self.beta + t + weeks) / (self.beta + t))
        else:
            lived = (self.beta + t) / (self.s - 1) * (1 - ((self.beta + t) / (self.beta + t + weeks)) ** (self.s - 1))
        return np.asarray(rate * lived * self.p_alive(customers))

"""BG/NBD: customers buy at a gamma-distributed rate and may stop for good after any purchase.

Source: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), equations 6 to
10. Time is in weeks throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, expit, gammaln, hyp2f1

from tenure.customers.value_models.likelihood import BuyingProcess
from tenure.customers.value_models.purchases import Repetition


@dataclass(frozen=True)
class BgNbd(BuyingProcess):
    """``r, alpha``: shape and rate (weeks) of the gamma of purchase rates; ``a, b``: the beta of stopping."""

    title = "BG/NBD"
    starts = ((0.5, 5.0, 1.0, 2.0), (1.0, 10.0, 0.5, 5.0), (0.2, 1.0, 0.2, 1.0))

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, customers: Repetition) -> np.ndarray:
        x, t_x, t = customers.repeats, customers.recency, customers.observed
        shared = (
            gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha)
            + betaln(self.a, self.b + x) - betaln(self.a, self.b) - (self.r + x) * np.log(self.alpha + t)
        )  # fmt: skip
        return np.asarray(shared + np.logaddexp(0.0, self._log_odds_of_having_stopped(x, t_x, t)))

    def _log_odds_of_having_stopped(self, x: np.ndarray, t_x: np.ndarray, t: np.ndarray) -> np.ndarray:
        odds = (
            np.log(self.a)
            - np.log(self.b + np.maximum(x, 1) - 1)
            + (self.r + x) * (np.log(self.alpha + t) - np.log(self.alpha + t_x))
        )
        return np.where(x > 0, odds, -np.inf)  # nobody stops before a first repeat in this model

    def p_alive(self, customers: Repetition) -> np.ndarray:
        """Return P(still a customer) of each; 1 where nothing was bought again, as the model has it."""
        return np.asarray(
            expit(-self._log_odds_of_having_stopped(customers.repeats, customers.recency, customers.observed))
        )

    def expected_purchases(self, customers: Repetition, weeks: float) -> np.ndarray:
        """Return the expected number of purchases of each in the next ``weeks`` (equation 10)."""
        x, t = customers.repeats, customers.observed
        a, b, r, alpha = self.a, self.b, self.r, self.alpha
        if abs(a - 1) < 1e-6:  # the limit lies between both sides of it
            sides = [BgNbd(r, alpha, a + e, b).expected_purchases(customers, weeks) for e in (-1e-4, 1e-4)]
            return np.asarray(np.mean(sides, axis=0))
        z = weeks / (alpha + t + weeks)
        # Euler's transformation of the published form: its parameters stay small however many purchases there are.
        left = (1 - z) ** (a - 1) * hyp2f1(a + b - r - 1, a - 1, a + b + x - 1, z)
        return np.asarray((a + b + x - 1) / (a - 1) * (1 - left) * self.p_alive(customers))

"""Gamma-Gamma: what a purchase of a customer is worth, drawn to the mean of all the more the fewer were seen.

Source: Fader, Hardie and Lee (2005), RFM and CLV: Using Iso-Value Curves for Customer Base Analysis, JMR 42(4),
appendix; Fader and Hardie (2013), The Gamma-Gamma Model of Monetary Value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from tenure.customers.value_models.likelihood import fit_positive

STARTS = ((2.0, 3.0, 15.0), (6.0, 4.0, 15.0), (1.0, 2.0, 50.0))


@dataclass(frozen=True)
class GammaGamma:
    """``p``: shape of a customer's amounts; ``q, gamma``: shape and rate of their rates over customers.

    ``gamma`` is in the source's currency.
    """

    p: float
    q: float
    gamma: float

    @classmethod
    def fit(cls, purchases: np.ndarray, means: np.ndarray) -> GammaGamma:
        """Fit to the mean amounts (positive) of customers with so many purchases (one or more).

        Raises
        ------
        NotEnoughDataError : no maximum was found.
        """
        # Amounts in units of a typical one, so that yen and pounds start alike.
        scale = float(np.median(means)) / 30 if len(means) else 1.0

        def mean(parameters: np.ndarray) -> float:
            return float(cls(*parameters).log_likelihood(purchases, means / scale).mean()) if len(means) else np.nan

        p, q, gamma = fit_positive(mean, STARTS, "Gamma-Gamma")
        return cls(float(p), float(q), float(gamma * scale))

    def log_likelihood(self, purchases: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return ln of the density of each customer's mean amount."""
        p, q, gamma, x = self.p, self.q, self.gamma, purchases
        return np.asarray(
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
            + (p * x - 1) * np.log(means) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * means)
        )  # fmt: skip

    def expected_amount(self, purchases: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return the expected amount of a further purchase; with ``purchases`` 0 that of anybody (needs q > 1)."""
        p, q, gamma = self.p, self.q, self.gamma
        return np.asarray(p * (gamma + purchases * means) / (p * purchases + q - 1))

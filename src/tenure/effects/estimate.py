"""A mean with its interval: rows of one customer count as one observation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

Array = NDArray[np.float64]

ERROR = 0.05


@dataclass(frozen=True)
class Estimate:
    """A number between the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def mean_of(values: ArrayLike, customers: ArrayLike, *, error: float = ERROR) -> Estimate:
    """Average over rows. One value and one customer per row  =>  the mean, between the ends of its interval.

    Source: Liang and Zeger (1986), the sandwich by cluster; Student's t on customers less one.

    >>> print(mean_of([0, 1, 0, 1], ["ana", "bo", "cy", "di"]))
    0.5 (-0.419 to 1.42)
    """
    numbers = np.asarray(values, dtype=float)
    centre = float(numbers.mean())
    return from_influence(centre, numbers - centre, customers, error=error)


def from_influence(value: float, influence: ArrayLike, customers: ArrayLike, *, error: float = ERROR) -> Estimate:
    """Give an estimate its interval from what each row adds to it, times the number of rows."""
    own = np.asarray(influence, dtype=float) / np.size(influence)
    codes, known = pd.factorize(np.asarray(customers))
    count = len(known)
    if count < 2:
        return Estimate(value, -math.inf, math.inf)
    spread = math.sqrt(float((np.bincount(codes, own) ** 2).sum()) * count / (count - 1))
    half = -float(special.stdtrit(count - 1, error / 2)) * spread
    return Estimate(value, value - half, value + half)

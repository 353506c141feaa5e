"""Treated minus control: the difference of two arms, how sure it is, and whether chance made the arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

ERROR = 0.05  # chance of a false alarm: of the interval when looked at once, of the sequence over all looks
# A sequence is narrowest at some number of customers, which must not depend on how many there are by now.
NARROWEST_AT = 1_000
_RHO_SQUARED = (-2 * math.log(ERROR) + math.log(1 - 2 * math.log(ERROR))) / NARROWEST_AT


@dataclass(frozen=True)
class Difference:
    """The effect of having been assigned, with 95 % intervals, in the outcome's unit per customer.

    ``always_low, always_high`` hold however often one looks; ``relative`` is the effect as a share of the control's mean.
    """

    treated_mean: float
    control_mean: float
    effect: float
    low: float
    high: float
    always_low: float
    always_high: float
    relative: float
    relative_low: float
    relative_high: float
    error: float  # standard error of the effect

    def believed(self, *, is_once: bool) -> tuple[float, float]:
        """Give the interval for one look, or the one that holds on every look."""
        return (self.low, self.high) if is_once else (self.always_low, self.always_high)

    @property
    def detectable(self) -> float:
        """The smallest true effect that would have shown in four of five such campaigns."""
        return _standard_errors() * self.error


def difference(rows: pd.DataFrame, outcome: str, covariates: Sequence[str] = ()) -> Difference:
    """Compare the arms by assignment: customer_id, is_treated, weight, the outcome, covariates  =>  Difference.

    Rows are weighted (Hajek), rows of one customer count as one observation. With covariates, all known before the
    assignment, the outcome is adjusted by one common slope each, which leaves the effect unbiased and narrows it.

    Source: Deng, Xu, Kohavi, Walker (2013), CUPED; slopes by Lin (2013), section 5 ("tyranny of the minority"), as
    precise as with interactions. Interval: Welch (1947). Sequence: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024),
    Time-uniform central limit theory, theorem 2.2.
    """
    values, known = rows[outcome].to_numpy(float)[:, None], _centred(rows, covariates)
    codes, customers = pd.factorize(rows["customer_id"])
    if known.size:
        _, errors, _ = _arms(np.hstack([values, known]), rows)
        together = errors.T @ errors
        slopes = np.linalg.lstsq(together[1:, 1:], together[1:, :1], rcond=None)[0]
        values = values - known @ slopes
    means, errors, shares = _arms(values, rows, known.shape[1])
    treated, control = map(float, means[:, 0])
    error = math.sqrt(_covariance(errors, codes)[0, 0])
    is_treated = rows["is_treated"].to_numpy()[:, None]
    ratio = math.nan if control <= 0 else control
    of_ratio = np.where(is_treated, errors / ratio, errors * treated / ratio**2)
    relative, half = treated / ratio - 1, -special.ndtri(ERROR / 2) * math.sqrt(_covariance(of_ratio, codes)[0, 0])
    effect, once = treated - control, -special.stdtrit(_freedom(errors, is_treated), ERROR / 2) * error
    # Of a rare outcome an early look finds none in the smaller arm, and no spread: there both arms' spread is the truer.
    spread = np.where(is_treated, values - treated, values - control).var()
    always = sequence_width(len(customers)) * math.sqrt(max(error**2, spread * (shares**2).sum()))
    return Difference(
        treated, control, effect, effect - once, effect + once, effect - always, effect + always,
        relative, relative - half, relative + half, error,
    )  # fmt: skip


def sequence_width(customers: int) -> float:
    """Give the half width of the confidence sequence in standard errors; an interval for one look has 1.96."""
    seen = customers * _RHO_SQUARED
    return math.sqrt(2 * (seen + 1) / seen * math.log(math.sqrt(seen + 1) / ERROR))


def balance(rows: pd.DataFrame, covariates: Sequence[str]) -> float:
    """Test jointly whether the arms were alike before the assignment; return p, nan where nothing was known of them.

    Source: Hotelling (1931), T squared, with unequal covariances; Hansen and Bowers (2008) on judging balance so.
    """
    known = _centred(rows, covariates)
    if not known.size:
        return math.nan
    fewest = int(rows["is_treated"].value_counts().min())
    means, errors, _ = _arms(known, rows)
    covariance = _covariance(errors, pd.factorize(rows["customer_id"])[0])
    apart = means[0] - means[1]
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    squared = float(apart @ np.linalg.pinv(covariance, hermitian=True) @ apart)
    free = max(1, fewest - rank)
    return float(stats.f.sf(squared / rank * free / max(1, fewest - 1), rank, free))


def sample_ratio(rows: pd.DataFrame) -> float:
    """Test whether as many are in each arm as their logged ``chance`` says; return p, nan where it was not logged.

    The sums of 1/chance of both arms estimate the same number of customers.
    """
    chance = rows["chance"].to_numpy(float)
    if np.isnan(chance).any():
        return math.nan
    signed = np.where(rows["is_treated"], 1, -1) / chance
    return float(2 * stats.norm.sf(abs(signed.sum()) / math.sqrt((signed**2).sum())))


def detectable(customers: int, share_held: float, base_rate: float, power: float = 0.8) -> float:
    """Give the smallest difference of a rate that so many customers show with this power, at 5 % false alarms.

    >>> round(detectable(2_000, 0.05, 0.05), 3), round(detectable(200_000, 0.05, 0.05), 4)
    (0.063, 0.0063)
    """
    return _standard_errors(power) * math.sqrt(
        base_rate * (1 - base_rate) / (customers * share_held * (1 - share_held))
    )


def customers_needed(difference: float, share_held: float, base_rate: float, power: float = 0.8) -> int:
    """Give how many customers show a difference of a rate with this power.

    >>> customers_needed(0.0063, 0.05, 0.05)
    197755
    """
    return math.ceil(detectable(1, share_held, base_rate, power) ** 2 / difference**2)


def _standard_errors(power: float = 0.8) -> float:
    return float(special.ndtri(1 - ERROR / 2) + special.ndtri(power))


def _centred(rows: pd.DataFrame, covariates: Sequence[str]) -> Array:
    """Give the covariates that vary, standardised; who has none counts as the mean."""
    if not covariates:
        return np.empty((len(rows), 0))
    table = rows[list(covariates)].astype(float)
    known = np.asarray((table - table.mean()).fillna(0.0))
    spread = known.std(axis=0)
    varies = spread > 1e-9 * np.abs(table).max().fillna(1.0).to_numpy()  # a mean of equal numbers is not exactly theirs
    return np.asarray(known[:, varies] / spread[varies])


def _arms(values: Array, rows: pd.DataFrame, slopes: int = 0) -> tuple[Array, Array, Array]:
    """Give each arm's means (treated first), what each row adds to the error of their difference, and its share of its arm."""
    weights, is_treated = rows["weight"].to_numpy(float), rows["is_treated"].to_numpy()
    means, errors, shares = np.empty((2, values.shape[1])), np.empty_like(values), np.empty(len(values))
    for place, (mine, sign) in enumerate(((is_treated, 1), (~is_treated, -1))):
        shares[mine] = share = weights[mine] / weights[mine].sum()
        means[place], count = share @ values[mine], int(mine.sum())
        unbiased = math.sqrt(count / max(1, count - 1 - slopes))
        errors[mine] = sign * unbiased * share[:, None] * (values[mine] - means[place])
    return means, errors, shares


def _covariance(errors: Array, customers: NDArray[np.intp]) -> Array:
    """Sum the rows of each customer, who are numbered, before they are squared."""
    summed = errors
    if customers.max() + 1 < len(customers):
        summed = np.column_stack([np.bincount(customers, column) for column in errors.T])
    return np.asarray(summed.T @ summed)


def _freedom(errors: Array, is_treated: NDArray[np.bool_]) -> float:
    """Give Satterthwaite's degrees of freedom; as of the normal distribution where no arm varies."""
    parts = [(float((errors[mine] ** 2).sum()), int(mine.sum())) for mine in (is_treated, ~is_treated)]
    spread = sum(part**2 / max(1, count - 1) for part, count in parts)
    return sum(part for part, _ in parts) ** 2 / spread if spread else math.inf

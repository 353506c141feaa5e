"""Who gets which action by which channel within budget and capacities: the largest sum of values, and its price.

Lagrangian prices of the limits are found by cutting planes (Kelley 1960), with HiGHS as the master. The master's weights mix
the assignments of its cuts into a plan within the limits (Dantzig and Wolfe 1960), which is rounded to whole customers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from tenure.core.errors import UsageError
from tenure.decisions.rounding import ONE, draw_options

NOTHING = -1
SAMPLE = 40_000
SMALL = 1000  # with so many open cells or fewer, where rounding shows, a mixed-integer programme is solved outright
MILLIONTHS = 1_000_000
CHUNK = 8192
MOVES = 10  # rounds of filling up in which customers also change columns, before only those with nothing are asked
MORE = 1e-5  # the master has this much more of each limit: of all optimal prices it finds those of one unit more


@dataclass(frozen=True)
class Limit:
    """A budget or a capacity: its amount, and what one customer in each column takes of it."""

    name: str
    amount: float
    use: np.ndarray

    def __post_init__(self) -> None:
        if not (self.amount >= 0 and np.isfinite(self.use).all() and (self.use >= 0).all()):
            raise UsageError(f"limit '{self.name}': amount {self.amount}, use {self.use}. Expected numbers from 0 on.")


@dataclass(frozen=True)
class Allocation:
    """One column per customer (-1 = nothing), their value, a proven upper bound, prices and use by limit."""

    choice: np.ndarray
    value: float
    bound: float
    prices: dict[str, float]
    used: dict[str, float]


def allocate(
    values: np.ndarray, limits: Sequence[Limit], ties: np.ndarray, *, prices: dict[str, float] | None = None
) -> Allocation:
    """Choose at most one column per customer, so that the values sum to the most that the limits allow.

    customers x columns  =>  one column per customer, or -1

    Parameters
    ----------
    values : what a customer in a column brings, its cost taken off; NaN or -inf where it is not open.
    limits : never exceeded. They count in whole millionths, so that three at .10 fit .30.
    ties : a distinct uint64 hash per customer, which orders equals: the order of rows makes no difference.
    prices : where the search starts, the day before's for instance.

    Returns
    -------
    Prices say what one more unit of a limit would bring; 0 where there is room for another contact.

    Examples
    --------
    >>> best = allocate(np.array([[5.0], [3.0], [1.0]]), [Limit("calls", 1, np.ones(1))], np.arange(3))
    >>> best.choice.tolist(), best.value, best.bound, best.prices
    ([0, -1, -1], 5.0, 5.0, {'calls': 3.0})
    """
    use, amount = in_millionths(limits, *values.shape)
    order = np.argsort(ties, kind="stable")
    sorted_values = np.where(values > 0, values, -np.inf).astype(values.dtype)[order]
    start = np.array([(prices or {}).get(limit.name, 0.0) for limit in limits])
    best, sorted_choice = _plan(sorted_values, use / MILLIONTHS, amount / MILLIONTHS, start, ties[order])
    left = sorted_values - best @ use / MILLIONTHS
    if np.isfinite(sorted_values).sum() <= SMALL:
        sorted_choice = _solve(sorted_values, use, amount)
    _drop(left, sorted_choice, use, amount)
    room = _fill(sorted_values, sorted_choice, use, amount)
    value = math.fsum(_worth(sorted_values, sorted_choice).tolist())
    bound = best @ amount / MILLIONTHS + left.max(axis=1, initial=0).sum()  # Geoffrion (1974)
    choice = np.empty_like(sorted_choice)
    choice[order] = sorted_choice
    binds = room < use.max(axis=1, initial=0, where=np.isfinite(sorted_values).any(axis=0))
    names = [limit.name for limit in limits]
    return Allocation(
        choice,
        value,
        max(float(bound), value),
        prices=dict(zip(names, np.where(binds, best, 0.0).tolist(), strict=True)),
        used=dict(zip(names, ((amount - room) / MILLIONTHS).tolist(), strict=True)),
    )


def in_millionths(limits: Sequence[Limit], customers: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return use (limits x columns), rounded up, and amounts, rounded down; no amount is more than all could take."""
    use = np.array([limit.use for limit in limits], dtype=float).reshape(len(limits), columns)
    whole = np.ceil(np.round(use * MILLIONTHS, 3)).astype(np.int64)
    amounts = np.floor(np.round(np.array([limit.amount for limit in limits]) * MILLIONTHS, 3))
    return whole, np.minimum(amounts, whole.max(axis=1, initial=0) * customers).astype(np.int64)


def _worth(values: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return what each customer's choice is worth, 0 for nothing."""
    worth, taken = np.zeros(len(values)), np.flatnonzero(choice != NOTHING)
    worth[taken] = values[taken, choice[taken]]
    return worth


def _plan(
    values: np.ndarray, use: np.ndarray, amount: np.ndarray, start: np.ndarray, ties: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return prices and a choice about within the limits: searched on a sample, by tie hash, then on everyone from there."""
    sample = values[:SAMPLE]
    share = len(sample) / max(len(values), 1)
    best, points, weights = _search(sample, use, amount * share, np.array([0 * start, start]), 1e-8, 200)
    if share < 1:
        best, points, weights = _search(values, use, amount, np.vstack([points, best]), 3e-5, 80)
    choices = [_best_at(values, point @ use)[0] for point in points]
    choices.append(np.full(len(values), NOTHING, dtype=np.int16))
    shares = np.floor(weights * ONE).astype(np.int64)
    shares = np.append(shares, ONE - shares.sum())
    options = np.array(choices).T
    place = draw_options(options, np.tile(shares, (len(values), 1)), ties, seed=0)
    return best, options[np.arange(len(values)), place]


def _search(
    values: np.ndarray, use: np.ndarray, amount: np.ndarray, points: np.ndarray, tolerance: float, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best prices, and the points whose assignments, in which shares, make the best plan."""
    amount = amount + MORE * np.maximum(amount, use.max(axis=1, initial=0))
    most = values.max(axis=0, initial=0)
    scale = np.array([(most[row > 0] / row[row > 0]).max(initial=0) for row in use])
    cuts: list[np.ndarray] = []
    for turn in range(rounds):
        for point in points:
            choice, total = _best_at(values, point @ use)
            taken = use @ np.bincount(choice + 1, minlength=use.shape[1] + 1)[1:]
            cuts.append(np.concatenate([point, taken, [total, total + point @ (amount - taken)]]))
        tried, taken, ends = np.split(np.array(cuts), [len(use), 2 * len(use)], axis=1)
        totals, heights = ends.T
        best, unit = tried[heights.argmin()], max(totals.max(), np.finfo(float).tiny)
        slopes = np.column_stack([taken * scale / unit, np.ones(len(cuts))])
        found = linprog(np.append(amount * scale / unit, 1), A_ub=-slopes, b_ub=-totals / unit)
        # A fifth of the way from the best point jumps less (Ben-Ameur and Neto 2007); every tenth turn goes all the way.
        aim = best + (found.x[:-1] * scale - best) * (0.2 if turn % 10 else 1)
        points = _rounded(aim)[None]
        if heights.min() - found.fun * unit <= tolerance * heights.min() or (tried == points).all(axis=1).any():
            break
    weights = -found.ineqlin.marginals
    return best, tried[weights > 1e-9], _rounded(weights[weights > 1e-9])


def _rounded(numbers: np.ndarray) -> np.ndarray:
    """Round to nine digits, so that the last bit of one machine's arithmetic decides nothing."""
    return np.array([float(f"{number:.9g}") for number in numbers])


def _best_at(values: np.ndarray, charge: np.ndarray) -> tuple[np.ndarray, float]:
    """Return everyone's best choice where each column costs its charge, and what the choices are worth in all."""
    choice, total = np.full(len(values), NOTHING, dtype=np.int16), 0.0
    for start in range(0, len(values) if len(charge) else 0, CHUNK):
        part = values[start : start + CHUNK]
        left = part - charge.astype(part.dtype)
        best = left.argmax(axis=1)
        taken = np.flatnonzero(left[np.arange(len(part)), best] > 0)
        choice[start + taken] = best[taken]
        total += float(part[taken, best[taken]].sum(dtype=float))
    return choice, total


def _solve(values: np.ndarray, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Solve a small case outright, over its open cells."""
    choice = np.full(len(values), NOTHING, dtype=np.int16)
    who, where = np.nonzero(np.isfinite(values))
    if len(who):
        rows = np.vstack([np.equal.outer(np.arange(len(values)), who), use[:, where] / MILLIONTHS])
        limits = LinearConstraint(rows, ub=np.append(np.ones(len(values)), amount / MILLIONTHS))
        gains = values[who, where].astype(float)
        found = milp(-gains, integrality=1, bounds=Bounds(0, 1), constraints=limits, options={"node_limit": 1000})
        chosen = np.zeros(len(who), dtype=bool) if found.x is None else found.x > 0.5
        choice[who[chosen]] = where[chosen]
    return choice


def _drop(left: np.ndarray, choice: np.ndarray, use: np.ndarray, amount: np.ndarray) -> None:
    """Give up those who lose least by their next best, at the prices and per unit, until every limit holds."""
    for row, most in zip(use, amount, strict=True):
        takes = np.append(row, 0)[choice]
        if (over := takes.sum() - most) > 0:
            who = np.flatnonzero(takes)
            others = left[who]
            others[np.arange(len(who)), choice[who]] = -np.inf
            loss = (left[who, choice[who]] - others.max(axis=1, initial=0)) / takes[who]
            order = np.argsort(loss, kind="stable")
            choice[who[order[: np.searchsorted(np.cumsum(takes[who][order]), over) + 1]]] = NOTHING


def _fill(values: np.ndarray, choice: np.ndarray, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Take what is left, the largest gain first, until nobody gains within it; return the room that remains."""
    takes = np.column_stack([use, np.zeros(len(use), dtype=np.int64)])  # its last column, -1, is nothing
    room = amount - takes @ np.bincount(choice % takes.shape[1], minlength=takes.shape[1])
    turn = 0
    while True:
        fits = (use[:, None, :] - takes[:, :, None] <= room[:, None, None]).all(axis=0)
        fits[: -1 if turn >= MOVES else 0] = False
        gain = np.where(fits[choice], values, -np.inf)
        gain -= _worth(values, choice).astype(gain.dtype)[:, None]
        who = np.flatnonzero(gain.max(axis=1, initial=0) > 0)
        if not len(who):
            return room
        where, most = gain[who].argmax(axis=1), gain[who].max(axis=1)
        for place in np.argsort(-most, kind="stable"):
            step = use[:, where[place]] - takes[:, choice[who[place]]]
            if (step <= room).all():
                room -= step
                choice[who[place]] = where[place]
        turn += 1

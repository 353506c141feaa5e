"""Who gets which action by which channel, within a budget and capacities: the best sum of values, and what one more unit would bring.

Method: Lagrangian relaxation of the limits, its prices found by cutting planes (Kelley 1960) with HiGHS as the master; the
master's weights mix the assignments of the last cuts into a plan within the limits (Dantzig and Wolfe 1960), which is
rounded to whole customers and repaired. Sums of use are of whole millionths, so nothing is exceeded by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from tenure.core.errors import UsageError

NOTHING = -1
SAMPLE = 40_000
# Up to so many open cells a mixed-integer programme is solved outright: a handful of customers, where rounding shows.
SMALL = 400
MILLIONTHS = 1_000_000
CHUNK = 8192
# Rounds in which a customer may also move to a better column, before only those with nothing are looked at.
MOVES = 10
# The amounts of the master are larger by this share: of all best prices it then finds those of one unit more.
MORE = 1e-5


@dataclass(frozen=True)
class Limit:
    """What may be taken of one thing, and what one customer in each column takes of it; a budget or a capacity."""

    name: str
    amount: float
    use: np.ndarray

    def __post_init__(self) -> None:
        numbers = np.append(np.asarray(self.use, dtype=float), self.amount)
        if not (numbers >= 0).all() or np.isinf(numbers[:-1]).any():
            raise UsageError(f"limit '{self.name}': amount {self.amount}, use {self.use}. Expected numbers >= 0.")


@dataclass(frozen=True)
class Allocation:
    """One column per customer (-1 = nothing), its value, a proven upper bound of any, prices and use by limit."""

    choice: np.ndarray
    value: float
    bound: float
    prices: dict[str, float]
    used: dict[str, float]


def allocate(
    values: np.ndarray,
    limits: Sequence[Limit],
    ties: np.ndarray,
    *,
    prices: dict[str, float] | None = None,
) -> Allocation:
    """Choose at most one column per customer so that the values sum to the most the limits allow.

    customers x columns  =>  one column per customer, or -1

    Parameters
    ----------
    values : what a customer's column is worth, its cost taken off; NaN or -inf where it is not open.
    limits : hard; amounts count in whole millionths, so three at .10 fit .30.
    ties : a distinct uint64 hash per customer, which orders equals: the order of rows makes no difference.
    prices : where the search starts, the day before's for instance.

    Returns
    -------
    ``prices``: what one more unit of a limit would bring, in the unit of ``values``; 0 where there is room for another.

    Examples
    --------
    >>> best = allocate(np.array([[5.0], [3.0], [1.0]]), [Limit("calls", 1, np.ones(1))], np.arange(3, dtype=np.uint64))
    >>> best.choice.tolist(), best.value, best.bound, best.prices
    ([0, -1, -1], 5.0, 5.0, {'calls': 3.0})
    """
    customers, columns = values.shape
    use, amount = in_millionths(limits, customers, columns)
    order = np.argsort(ties, kind="stable")
    values = values[order]
    values[~(values > 0)] = -np.inf  # nothing is worth 0 and takes nothing
    start = np.array([(prices or {}).get(limit.name, 0.0) for limit in limits])
    plan = _search(values, use / MILLIONTHS, amount / MILLIONTHS, start)
    choice = plan.choice
    if np.isfinite(values).sum() <= SMALL:
        choice = _solve(values, use, amount)
    _drop(values, choice, use, amount, plan.prices @ use / MILLIONTHS)
    room = _fill(values, choice, use, amount)
    value = math.fsum(_worth(values, choice).tolist())
    wanted = np.isfinite(values).any(axis=0)
    binds = room < use.max(axis=1, initial=0, where=wanted)
    unsorted = np.empty_like(choice)
    unsorted[order] = choice
    names = [limit.name for limit in limits]
    return Allocation(
        choice=unsorted,
        value=value,
        bound=max(plan.bound, value),
        prices=dict(zip(names, np.where(binds, plan.prices, 0.0).tolist(), strict=True)),
        used=dict(zip(names, ((amount - room) / MILLIONTHS).tolist(), strict=True)),
    )


def in_millionths(limits: Sequence[Limit], customers: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return use (limits x columns) and amounts in whole millionths, use rounded up, amounts down to what all could take."""
    use = np.array([limit.use for limit in limits], dtype=float).reshape(len(limits), columns)
    whole = np.ceil(np.round(use * MILLIONTHS, 3)).astype(np.int64)
    most = whole.max(axis=1, initial=0) * customers
    amounts = np.array([limit.amount for limit in limits], dtype=float)
    return whole, np.minimum(np.floor(np.round(amounts * MILLIONTHS, 3)), most).astype(np.int64)


def _worth(values: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return each customer's value of the choice, 0 for nothing."""
    return np.where(choice == NOTHING, 0.0, values[np.arange(len(values)), choice])


@dataclass(frozen=True)
class _Plan:
    """Where the search ended: the best prices, the bound they prove, and a choice about within the limits."""

    prices: np.ndarray
    bound: float
    choice: np.ndarray


def _search(values: np.ndarray, use: np.ndarray, amount: np.ndarray, start: np.ndarray) -> _Plan:
    """Find prices on a sample (the first by tie hash), then on everyone from where the sample's search ended."""
    points = [np.zeros(len(amount)), start]
    share = min(1.0, SAMPLE / max(len(values), 1))
    cuts = _Cuts(values[:SAMPLE], use, amount * share)
    active, weights = cuts.search(points, tolerance=1e-8, rounds=300)
    if share < 1:
        best = cuts.best
        cuts = _Cuts(values, use, amount)
        active, weights = cuts.search([*active, best], tolerance=1e-5, rounds=60)
    return _Plan(cuts.best, _bound(values, cuts.best, use, amount), _mix(values, [p @ use for p in active], weights))


class _Cuts:
    """Cutting planes of the Lagrangian dual: one per point, from the assignment that is best at its prices."""

    def __init__(self, values: np.ndarray, use: np.ndarray, amount: np.ndarray) -> None:
        self.values, self.use, self.amount = values, use, amount + MORE * np.minimum(amount, 1) + MORE * amount
        self.points: list[np.ndarray] = []
        self.totals: list[float] = []
        self.taken: list[np.ndarray] = []
        self.heights: list[float] = []

    @property
    def best(self) -> np.ndarray:
        return self.points[int(np.argmin(self.heights))]

    def add(self, point: np.ndarray) -> None:
        choice, total = _best_at(self.values, point @ self.use)
        taken = self.use @ np.bincount(choice + 1, minlength=self.use.shape[1] + 1)[1:]
        self.points.append(point)
        self.totals.append(total)
        self.taken.append(taken)
        self.heights.append(float(total + point @ (self.amount - taken)))

    def search(self, points: list[np.ndarray], *, tolerance: float, rounds: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the points whose assignments make the best plan, and the share of customers that follows each."""
        for turn in range(rounds):
            for point in points:
                self.add(point)
            solution, weights, height = self._master()
            if min(self.heights) - height <= tolerance * min(self.heights):
                break
            # Between the best point and the master's jumps less (Ben-Ameur and Neto 2007); every third turn keeps it exact.
            points = [_rounded((self.best + solution) / 2 if turn % 3 else solution)]
        active = np.flatnonzero(weights > 1e-9)
        return [self.points[place] for place in active], _rounded(weights[active])

    def _master(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Solve for the lowest point above all cuts: its prices, the cuts' weights, its height."""
        unit = max(*self.totals, np.finfo(float).tiny)
        most = self.values.max(axis=0, initial=0)
        scale = np.array([(most[row > 0] / row[row > 0]).max(initial=0) for row in self.use])
        slopes = np.column_stack([np.array(self.taken) * scale / unit, np.ones(len(self.points))])
        found = linprog(np.append(self.amount * scale / unit, 1), A_ub=-slopes, b_ub=-np.array(self.totals) / unit)
        return found.x[:-1] * scale, -found.ineqlin.marginals, float(found.fun * unit)


def _rounded(numbers: np.ndarray) -> np.ndarray:
    """Round to nine digits, so that the last bit of one machine's arithmetic decides nothing."""
    return np.array([float(f"{number:.9g}") for number in numbers])


def _best_at(values: np.ndarray, charge: np.ndarray) -> tuple[np.ndarray, float]:
    """Return everyone's best choice when each column costs its charge, and what the choices are worth in all."""
    choice, total = np.full(len(values), NOTHING, dtype=np.int16), 0.0
    for start in range(0, len(values) if values.shape[1] else 0, CHUNK):
        part = values[start : start + CHUNK]
        left = part - charge.astype(part.dtype)
        best = left.argmax(axis=1)
        taken = np.flatnonzero(left[np.arange(len(part)), best] > 0)
        choice[start + taken] = best[taken]
        total += float(part[taken, best[taken]].sum(dtype=float))
    return choice, total


def _bound(values: np.ndarray, prices: np.ndarray, use: np.ndarray, amount: np.ndarray) -> float:
    """Return the dual at the prices: no assignment within the limits is worth more. Source: Geoffrion (1974)."""
    charge = prices @ use
    parts = (values[start : start + CHUNK] - charge for start in range(0, len(values), CHUNK))
    return float(prices @ amount + math.fsum(float(part.max(axis=1, initial=0).sum()) for part in parts))


def _mix(values: np.ndarray, charges: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Let a share of the customers follow each assignment: who is chosen alike by all stays, the others are spread evenly."""
    choices = np.array([_best_at(values, charge)[0] for charge in charges] + [np.full(len(values), NOTHING, np.int16)])
    kind = np.zeros(len(values), dtype=np.uint64)
    for choice in choices:
        kind = kind * np.uint64(values.shape[1] + 1) + (choice + 1).astype(np.uint64)
    spread = np.empty(len(values))
    # Multiples of the golden ratio fill (0, 1) evenly in any run of them, so each kind is split by the weights.
    spread[np.argsort(kind, kind="stable")] = np.arange(len(values)) * ((math.sqrt(5) - 1) / 2) % 1
    return choices[np.searchsorted(np.cumsum(weights), spread, side="right"), np.arange(len(values))]


def _solve(values: np.ndarray, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Solve a small case outright, as a mixed-integer programme over the open cells."""
    choice = np.full(len(values), NOTHING, dtype=np.int16)
    who, where = np.nonzero(np.isfinite(values))
    if len(who):
        once = np.equal.outer(np.arange(len(values)), who)
        rows = np.vstack([once, use[:, where] / MILLIONTHS])
        most = np.append(np.ones(len(values)), amount / MILLIONTHS)
        found = milp(
            -values[who, where].astype(float),
            integrality=1,
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(rows, ub=most),
            options={"node_limit": 1000, "mip_rel_gap": 0},
        )
        if found.x is not None:
            chosen = found.x > 0.5
            choice[who[chosen]] = where[chosen]
    return choice


def _drop(values: np.ndarray, choice: np.ndarray, use: np.ndarray, amount: np.ndarray, charge: np.ndarray) -> None:
    """Give up those who lose the least by their next best, per unit of what is over, until every limit holds."""
    for row, most in zip(use, amount, strict=True):
        takes = np.where(choice == NOTHING, 0, row[choice])
        over = takes.sum() - most
        if over > 0:
            who = np.flatnonzero(takes)
            left = values[who] - charge
            own = _worth(left, choice[who])
            left[np.arange(len(who)), choice[who]] = -np.inf
            order = np.argsort((own - left.max(axis=1, initial=0)) / takes[who], kind="stable")
            enough = np.searchsorted(np.cumsum(takes[who][order]), over) + 1
            choice[who[order[:enough]]] = NOTHING


def _fill(values: np.ndarray, choice: np.ndarray, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Take what is left, the largest gain first, until nobody gains within it; return the room that remains."""
    takes = np.column_stack([use, np.zeros(len(use), dtype=np.int64)])  # the last column, -1, is nothing
    room = amount - takes @ np.bincount(choice % takes.shape[1], minlength=takes.shape[1])
    turn = 0
    while True:
        fits = (use[:, None, :] - takes[:, :, None] <= room[:, None, None]).all(axis=0)
        fits[: -1 if turn >= MOVES else 0] = False
        turn += 1
        who, where, gain = (np.concatenate(part) for part in zip(*_gains(values, choice, fits), strict=True))
        if not len(who):
            return room
        for place in np.argsort(-gain, kind="stable"):
            step = use[:, where[place]] - takes[:, choice[who[place]]]
            if (step <= room).all():
                room -= step
                choice[who[place]] = where[place]


def _gains(
    values: np.ndarray, choice: np.ndarray, fits: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield who gains most by which column that fits, and how much."""
    for start in range(0, max(len(values), 1), CHUNK):
        part, now = values[start : start + CHUNK], choice[start : start + CHUNK]
        gain = np.where(fits[now], part, 0) - _worth(part, now)[:, None]
        best = gain.argmax(axis=1) if gain.size else np.zeros(len(part), dtype=int)
        most = gain.max(axis=1, initial=0)
        who = np.flatnonzero(most > 0)
        yield start + who, best[who], most[who]

"""Exploration: every customer's chances, floored and within the limits, and the draw by exactly these chances.

Exploration has of each limit what the best leave: whole contacts kept back for it, at most ``explore_total`` of the limit, what the
best set free by being replaced themselves, and what nobody else takes. Where the floor needs more than that, a column has
the highest chance that fits, equal for all customers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tenure.core.errors import UsageError
from tenure.decisions.allocation import MILLIONTHS, NOTHING, Allocation, Limit, allocate, in_millionths
from tenure.decisions.rounding import ONE, draw_options

CLOSED = -2


@dataclass(frozen=True)
class Draw:
    """What was drawn for each customer (-1 = nothing), by which chance, and the arm: best, explored or withheld."""

    chosen: np.ndarray
    chance: np.ndarray
    arm: np.ndarray


@dataclass(frozen=True)
class Assignment:
    """The best within the limits, and the options of each customer with their chances (whole, in units of 1 / ONE)."""

    best: Allocation
    options: np.ndarray
    chances: np.ndarray
    ties: np.ndarray

    def draw(self, *, seed: int) -> Draw:
        """Draw by the chances: no draw breaks a limit, the same seed draws the same, whatever the order of rows."""
        return _draw(self.options, self.chances, self.best.choice, self.ties, seed)


def assign(
    values: np.ndarray,
    actions: Sequence[str],
    limits: Sequence[Limit],
    ties: np.ndarray,
    *,
    explore: float,
    explore_total: float,
    uniform: bool = False,
    later: Sequence[str] = (),
) -> Assignment:
    """Allocate the best, and give every other open action, and nothing, its chance.

    customers x columns  =>  the best column, and a chance of each option, per customer

    Parameters
    ----------
    values : what a customer in a column brings; NaN or -inf where it is not open. Open below 0, it is only explored.
    actions : each column's action. An action is explored by the customer's most valuable open column of it.
    explore, explore_total : least chance of each alternative; most of all alternatives of a customer together.
    uniform : a wave: all open actions, and nothing, have equal chances within the limits; nothing has the rest.
    later : actions that a person approves first: never explored, and drawn for sure where best.

    Examples
    --------
    >>> two = np.array([[5.0, 2.0]])
    >>> day = assign(two, ["call", "letter"], [], np.arange(1), explore=0.02, explore_total=0.05)
    >>> drawn = day.draw(seed=7)
    >>> int(day.best.choice[0]), str(drawn.arm[0]), round(float(drawn.chance[0]), 4)
    (0, 'best', 0.96)
    """
    if not (0 <= explore <= 1 and 0 <= explore_total <= 1):
        raise UsageError(f"explore {explore}, explore_total {explore_total}. Expected shares from 0 to 1.")
    customers, columns = values.shape
    names, action = np.unique(np.asarray(actions, dtype=str), return_inverse=True)
    alternatives = _most_valuable(values, action, len(names))
    alternatives[:, np.isin(names, later)] = CLOSED
    opened = (alternatives != CLOSED).sum(axis=1)
    several = np.arange(1, len(names) + 1)
    each = 1 / (several + 1) if uniform else np.minimum(explore, explore_total / several)
    floors = np.append(0, np.floor(each * ONE + 1e-6)).astype(np.int64)  # by the number of open actions
    nobody = np.full(customers, NOTHING, dtype=np.int16)
    use, amount = in_millionths(limits, customers, columns)
    asked = use @ _Expected(alternatives, opened, nobody, floors, columns).contacts(np.full(columns, ONE))
    contact = np.maximum(use.max(axis=1, initial=0), 1)
    kept = np.minimum(asked, explore_total * amount).astype(np.int64) // contact * contact
    kept[uniform | (amount >= contact * customers)] = 0
    left = [replace(one, amount=one.amount - off / MILLIONTHS) for one, off in zip(limits, kept, strict=True)]
    best = allocate(values, left, ties)

    own = np.append(action, -1)[best.choice]
    awaits = np.isin(np.append(names, ""), later)[own] & (own >= 0)
    opened[awaits] = 0
    rest = np.where(awaits, best.choice, NOTHING) if uniform else best.choice
    alternatives[(np.arange(len(names)) == own[:, None]) & (not uniform)] = CLOSED
    alternatives[opened == 0] = CLOSED
    caps = _highest_that_fit(_Expected(alternatives, opened, rest, floors, columns), use, amount)
    floor = floors[opened]
    chances = np.where(alternatives == CLOSED, 0, np.minimum(floor[:, None], np.append(caps, [0, 0])[alternatives]))
    chances = np.column_stack([chances, np.where(rest == NOTHING, 0, floor)])
    chances = np.column_stack([chances, ONE - chances.sum(axis=1)])
    return Assignment(best, np.column_stack([alternatives, nobody, rest]), chances, ties)


def _draw(options: np.ndarray, chances: np.ndarray, best: np.ndarray, ties: np.ndarray, seed: int) -> Draw:
    place = np.arange(len(options)), draw_options(options, chances, ties, seed=seed)
    chosen = options[place]
    arm = np.select([chosen == best, chosen == NOTHING], ["best", "withheld"], "explored")
    return Draw(chosen, chances[place] / ONE, arm)


def _most_valuable(values: np.ndarray, action: np.ndarray, actions: int) -> np.ndarray:
    """Return the most valuable open column of each action (customers x actions), CLOSED where none is open."""
    found = np.full((len(values), actions), CLOSED, dtype=np.int16)
    for at in range(actions):
        columns = np.flatnonzero(action == at)
        own = np.where(np.isfinite(values[:, columns]), values[:, columns], -np.inf)
        found[:, at] = np.where(np.isfinite(own.max(axis=1)), columns[own.argmax(axis=1)], CLOSED)
    return found


class _Expected:
    """Each column's expected contacts, from how many customers have which number of open actions, rest and alternative."""

    def __init__(
        self, alternatives: np.ndarray, opened: np.ndarray, rest: np.ndarray, floors: np.ndarray, columns: int
    ) -> None:
        shape = (len(floors), columns + 1, columns)
        kind = opened * (columns + 1) + rest + 1
        self.floors = floors
        self.rest = np.bincount(kind, minlength=shape[0] * shape[1]).reshape(shape[:2])
        self.pairs = np.zeros(shape, dtype=np.int64)
        for column in alternatives.T:
            cell = (kind * columns + column)[column != CLOSED]
            self.pairs += np.bincount(cell, minlength=self.pairs.size).reshape(shape)

    def contacts(self, caps: np.ndarray) -> np.ndarray:
        """Return the contacts of each column, rounded up, where none of its chances as an alternative exceeds its cap."""
        explored = self.pairs * np.minimum(self.floors[:, None], caps)[:, None, :]
        rest = self.rest * (ONE - self.floors[:, None]) - explored.sum(axis=2)
        whole: np.ndarray = -(-(explored.sum(axis=(0, 1)) + rest.sum(axis=0)[1:]) // ONE)
        return whole


def _highest_that_fit(expected: _Expected, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Return the highest chance of each column: first equal in each limit that is short, then for each column alone."""

    def short(caps: np.ndarray) -> np.ndarray:
        over: np.ndarray = use @ expected.contacts(caps) > amount
        return over

    most = int(expected.floors.max())
    caps = np.full(use.shape[1], most)
    while (over := short(caps)).any():
        row = int(over.argmax())
        caps = _capped(caps, use[row] > 0, 0, lambda tried, at=row: not short(tried)[at])  # type: ignore[misc]
    for column in np.flatnonzero(caps < most):
        alone = np.arange(len(caps)) == column
        caps = _capped(np.where(alone, most, caps), alone, int(caps[column]), lambda tried: not short(tried).any())
    return caps


def _capped(wanted: np.ndarray, among: np.ndarray, low: int, fits: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Cap the chances wanted of some columns by the highest one that fits, by halving; ``low`` fits."""
    high = int(wanted[among].max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(np.where(among, np.minimum(wanted, middle), wanted)) else (low, middle - 1)
    return np.where(among, np.minimum(wanted, low), wanted)

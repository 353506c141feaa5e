"""Exploration: each customer's chances, floored and within every limit, and the draw by exactly these chances.

What exploration takes of a limit is what the best leave: a whole-contact reserve of at most ``explore_total`` of the limit, what the best's
own chances of being replaced set free, and what nobody else needs. Where the floor needs more, a column's chance is the
highest that fits, equal for all customers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tenure.decisions.allocation import MILLIONTHS, NOTHING, Allocation, Limit, allocate, in_millionths
from tenure.decisions.rounding import ONE, draw_options

CLOSED = -2


@dataclass(frozen=True)
class Draw:
    """What was drawn for each customer (-1 = nothing), its chance, and the arm: best, explored or withheld."""

    chosen: np.ndarray
    chance: np.ndarray
    arm: np.ndarray


@dataclass(frozen=True)
class Assignment:
    """The best within the limits, what was drawn instead or not, and what the drawn take of each limit."""

    best: Allocation
    drawn: Draw
    used: dict[str, float]


def assign(
    values: np.ndarray,
    actions: Sequence[str],
    limits: Sequence[Limit],
    ties: np.ndarray,
    *,
    explore: float,
    explore_total: float,
    seed: int,
    uniform: bool = False,
    later: Sequence[str] = (),
) -> Assignment:
    """Allocate the best, give every other open action and nothing its chance, and draw; no draw breaks a limit.

    customers x columns  =>  best, chosen, chance and arm per customer

    Parameters
    ----------
    values : what a customer's column is worth; NaN or -inf where it is not open. Below 0 it is open, and never the best.
    actions : each column's action. An action is explored by the customer's most valuable column of it.
    explore, explore_total : least chance of each alternative, and most of a customer's alternatives together.
    uniform : a wave: all open actions and nothing have equal chances within the limits; nothing has the rest.
    later : actions drawn once a person approved (``draw_approved``): never explored, and where best chosen by chance 1.

    Examples
    --------
    >>> day = assign(
    ...     np.array([[5.0, 2.0]]), ["call", "letter"], [], np.zeros(1, np.uint64), explore=0.02, explore_total=0.05, seed=7
    ... )
    >>> int(day.best.choice[0]), str(day.drawn.arm[0]), round(float(day.drawn.chance[0]), 4)
    (0, 'best', 0.96)
    """
    names, action = np.unique(np.asarray(actions, dtype=str), return_inverse=True)
    alternatives = _most_valuable(values, action, len(names))
    alternatives[:, np.isin(names, later)] = CLOSED
    opened = (alternatives != CLOSED).sum(axis=1)
    each = (
        np.minimum(explore, explore_total / np.arange(1, len(names) + 1))
        if not uniform
        else 1 / np.arange(2, len(names) + 2)
    )
    floors = np.append(0, np.floor(each * ONE)).astype(np.int64)  # by the number of open actions
    use, amount = in_millionths(limits, *values.shape)
    nobody = np.full(len(values), NOTHING)
    asked = _Expected(alternatives, opened, nobody, floors, values.shape[1]).contacts(np.full(values.shape[1], ONE))
    step = np.maximum(use.max(axis=1, initial=0), 1)
    reserve = np.minimum(use @ asked, np.nan_to_num(explore_total * amount)).astype(np.int64) // step * step
    reserve[uniform | (amount >= step * len(values))] = 0
    left = [
        replace(limit, amount=limit.amount - kept / MILLIONTHS) for limit, kept in zip(limits, reserve, strict=True)
    ]
    best = allocate(values, left, ties)

    choice = best.choice
    own = np.where(choice == NOTHING, -1, np.append(action, -1)[choice])
    is_later = np.isin(np.append(names, ""), list(later))[own]
    opened[is_later] = 0
    if uniform:
        rest = np.where(is_later, choice, NOTHING)
    else:
        rest = choice
        chosen = np.flatnonzero(choice != NOTHING)
        alternatives[chosen, own[chosen]] = CLOSED
    alternatives[opened == 0] = CLOSED
    caps = _highest_that_fit(_Expected(alternatives, opened, rest, floors, values.shape[1]), use, amount)
    floor = floors[opened]
    chances = np.where(alternatives == CLOSED, 0, np.minimum(floor[:, None], np.append(caps, [0, 0])[alternatives]))
    chances = np.column_stack([chances, np.where(rest == NOTHING, 0, floor)])
    drawn = _draw(np.column_stack([alternatives, nobody, rest]), chances, choice, ties, seed)
    taken = use @ np.bincount(drawn.chosen[drawn.chosen != NOTHING], minlength=values.shape[1]) / MILLIONTHS
    return Assignment(best, drawn, dict(zip([limit.name for limit in limits], taken.tolist(), strict=True)))


def draw_approved(columns: np.ndarray, ties: np.ndarray, *, explore: float, seed: int) -> Draw:
    """Draw among approved customers: each has its column by chance 1 - explore, else nothing (withheld).

    Examples
    --------
    >>> draw = draw_approved(np.zeros(100, dtype=int), np.arange(100), explore=0.25, seed=7)
    >>> int((draw.arm == "withheld").sum()), float(draw.chance[draw.arm == "withheld"][0])
    (25, 0.25)
    """
    withheld = np.full((len(columns), 1), int(explore * ONE))
    return _draw(np.column_stack([np.full(len(columns), NOTHING), columns]), withheld, columns, ties, seed)


def _draw(options: np.ndarray, chances: np.ndarray, best: np.ndarray, ties: np.ndarray, seed: int) -> Draw:
    """Draw by the chances of all options but the last, which has the rest."""
    chances = np.column_stack([chances, ONE - chances.sum(axis=1)])
    place = draw_options(options, chances, ties, seed=seed)
    at = np.arange(len(options))
    chosen = options[at, place].astype(np.int16)
    arm = np.select([chosen == best, chosen == NOTHING], ["best", "withheld"], "explored")
    return Draw(chosen, chances[at, place] / ONE, arm)


def _most_valuable(values: np.ndarray, action: np.ndarray, actions: int) -> np.ndarray:
    """Return the most valuable open column of each action (customers x actions), CLOSED where none is open."""
    found = np.full((len(values), actions), CLOSED, dtype=np.int16)
    for at in range(actions):
        columns = np.flatnonzero(action == at)
        of_action = np.where(np.isfinite(values[:, columns]), values[:, columns], -np.inf)
        best = of_action.argmax(axis=1)
        is_open = np.isfinite(of_action[np.arange(len(values)), best])
        found[is_open, at] = columns[best[is_open]]
    return found


class _Expected:
    """How many contacts each column has at most, from counts of customers by open actions, rest and alternative."""

    def __init__(
        self, alternatives: np.ndarray, opened: np.ndarray, rest: np.ndarray, floors: np.ndarray, columns: int
    ) -> None:
        shape = (len(floors), columns + 1, columns)
        kind = opened * (columns + 1) + rest + 1
        self.floors = floors
        self.rest = np.bincount(kind, minlength=shape[0] * shape[1]).reshape(shape[:2])
        self.pairs = np.zeros(shape, dtype=np.int64)
        for column in alternatives.T:
            is_open = column != CLOSED
            flat = kind[is_open] * columns + column[is_open]
            self.pairs += np.bincount(flat, minlength=self.pairs.size).reshape(shape)

    def contacts(self, caps: np.ndarray) -> np.ndarray:
        """Return each column's expected contacts, rounded up, when no chance of it exceeds its cap."""
        explored = self.pairs * np.minimum(self.floors[:, None], caps)[:, None, :]
        rests = self.rest * (ONE - self.floors[:, None]) - explored.sum(axis=2)
        whole: np.ndarray = -(-(explored.sum(axis=(0, 1)) + rests.sum(axis=0)[1:]) // ONE)
        return whole


def _highest_that_fit(expected: _Expected, use: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Return the highest chance of each column: first equal among those of a limit that is short, then each alone."""
    caps = np.full(use.shape[1], expected.floors.max())
    while len(short := np.flatnonzero(use @ expected.contacts(caps) > amount)):
        row = short[:1]
        caps = _capped(
            caps, use[row[0]] > 0, 0, lambda tried, row=row: use[row] @ expected.contacts(tried) <= amount[row]
        )
    for column in np.flatnonzero(caps < expected.floors.max()):
        alone = np.arange(len(caps)) == column
        wanted = np.where(alone, expected.floors.max(), caps)
        caps = _capped(wanted, alone, int(caps[column]), lambda tried: (use @ expected.contacts(tried) <= amount).all())
    return caps


def _capped(wanted: np.ndarray, among: np.ndarray, low: int, fits: Callable[[np.ndarray], Any]) -> np.ndarray:
    """Cap the chances wanted of some columns by the highest one that fits, by halving; ``low`` fits."""
    high = int(wanted[among].max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(np.where(among, np.minimum(wanted, middle), wanted)) else (low, middle - 1)
    return np.where(among, np.minimum(wanted, low), wanted)

"""The draw: whole counts from expected ones without bias, then who; every column's total is its expectation, up or down.

Source: dependent rounding on a bipartite graph (Gandhi, Khuller, Parthasarathy and Srinivasan 2006), here one binary digit
of all chances at a time (Doerr 2006): what is odd in a digit falls into cycles of customers' rows and columns, and a fair coin per cycle
moves the digit up and down in turn around it, which keeps every row's and every column's sum.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

# Chances are whole multiples of 1 / ONE, so that the chance drawn with is exactly the one logged.
DIGITS = 20
ONE = 1 << DIGITS
GOLDEN = 0x9E3779B97F4A7C15
WHOLE = (1 << 64) - 1


def scramble(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Hash whole numbers with a seed to uint64: no state, the same on every machine.

    Source: SplitMix64 (Steele, Lea and Flood 2014).

    Examples
    --------
    >>> scramble(np.arange(2, dtype=np.uint64), seed=7).tolist() == scramble(np.arange(2, dtype=np.uint64), seed=7).tolist()
    True
    """
    mixed = np.asarray(numbers).astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + np.uint64(
        (seed + 1) * GOLDEN & WHOLE
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def draw_options(columns: np.ndarray, chances: np.ndarray, ties: np.ndarray, *, seed: int) -> np.ndarray:
    """Draw one option for each customer, by the chances given, so that each column's total is its expectation up or down.

    customers x options  =>  the place of one option per customer

    Parameters
    ----------
    columns : which column an option takes; any whole numbers.
    chances : in units of 1 / ONE; each row sums to ONE.
    ties : a distinct uint64 hash per customer: with the seed it says who is drawn, whatever the order of rows.

    Examples
    --------
    >>> half = np.full((4, 2), ONE // 2)
    >>> int(draw_options(np.tile([0, -1], (4, 1)), half, np.arange(4), seed=1).sum())
    2
    """
    kind = np.zeros(len(ties), dtype=np.uint64)
    for column, chance in zip(columns.T, chances.T, strict=True):
        kind = scramble(kind ^ ((column.astype(np.int64) << (DIGITS + 1)) + chance * (chance > 0)).astype(np.uint64), 0)
    _, first, group, size = np.unique(kind, return_index=True, return_inverse=True, return_counts=True)
    expected = chances[first].astype(np.int64) * size[:, None]
    counts = round_counts(columns[first], expected, seed=seed)
    places = np.tile(np.arange(columns.shape[1]), len(size))
    drawn = np.empty(len(ties), dtype=np.intp)
    drawn[np.lexsort((scramble(ties, seed), group))] = np.repeat(places, counts.ravel())
    return drawn


def round_counts(columns: np.ndarray, expected: np.ndarray, *, seed: int) -> np.ndarray:
    """Round expected counts (rows x options, in units of 1 / ONE) to whole ones; each row's total is whole and kept.

    Every count, and every column's total, is its expectation rounded up or down; its mean over seeds is the expectation.
    """
    counts = expected >> DIGITS
    row, option = np.nonzero(expected & (ONE - 1))
    rest = expected[row, option] & (ONE - 1)
    names, column = np.unique(columns[row, option], return_inverse=True)
    # One more row fills each column up to a whole number, so that every sum is whole.
    filling = -np.bincount(column, weights=rest, minlength=len(names)).astype(np.int64) % ONE
    row, column = np.append(row, np.full(len(names), len(expected))), np.append(column, np.arange(len(names)))
    rounded = _round(row, column, np.append(rest, filling), seed)
    counts[row[: len(option)], option] += rounded[: len(option)] >> DIGITS
    return counts


def _round(row: np.ndarray, column: np.ndarray, rest: np.ndarray, seed: int) -> np.ndarray:
    """Round a digit at a time; rows and columns sum to multiples of ONE, so each has an even number of odd entries."""
    edge = np.arange(len(rest), dtype=np.uint64)
    shuffled = np.argsort(scramble(edge, seed), kind="stable")
    orders = [shuffled[np.argsort(ends[shuffled], kind="stable")] for ends in (row, column)]
    for digit in range(DIGITS):
        odd = (rest >> digit & 1).astype(bool)
        by_row, by_column = (order[odd[order]] for order in orders)
        if not len(by_row):
            continue
        number = np.empty(len(rest), dtype=np.int32)
        number[by_row] = np.arange(len(by_row))
        met = number[by_column]
        beyond = np.empty(len(met), dtype=np.int32)
        beyond[met] = met.reshape(-1, 2)[:, ::-1].ravel()
        # From an entry to the other of its row, and on to the other of that one's column: two steps keep the direction.
        across = np.arange(len(met), dtype=np.int32) ^ 1
        steps = csr_array((np.ones(len(met)), beyond[across], np.arange(len(met) + 1, dtype=np.int32)))
        way = connected_components(steps, connection="strong")[1]
        other = way[across]
        coin = scramble(np.minimum(way, other), seed * DIGITS + digit + 1) >> np.uint64(63) == 1
        rest[by_row] += np.where((way < other) == coin, 1, -1) << digit
    return rest

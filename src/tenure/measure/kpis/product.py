"""What each factor of a product did to its change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise, permutations
from math import factorial, prod


def split_product(before: Sequence[int | Decimal], after: Sequence[int | Decimal]) -> list[Decimal]:
    """Split the change of the last of some quantities between the first, and the ratio of each to the one before it.

    Customers, orders, amount => what customers, orders per customer and amount per order changed the amount by, in
    cents; they add up to the change exactly. The factors are changed one after the other, and each one's effect is
    averaged over all orders in which they can be (Shapley value; Shorrocks 2013), in fractions.

    Examples
    --------
    >>> [str(part) for part in split_product([10, 20, Decimal(400)], [11, 33, Decimal(660)])]
    ['50.00', '210.00', '0.00']
    """
    old, new = _factors(before), _factors(after)
    parts = [Fraction(0)] * len(old)
    for order in permutations(range(len(old))):
        now = list(old)
        for place in order:
            former, now[place] = prod(now), new[place]
            parts[place] += Fraction(prod(now) - former, factorial(len(old)))
    # Differences of rounded sums add up; the last one also holds what is less than a cent.
    sums = [Decimal(round(total * 100)).scaleb(-2) for total in accumulate(parts, initial=Fraction(0))]
    sums[-1] = Decimal(after[-1]) - Decimal(before[-1])
    return [later - earlier for earlier, later in pairwise(sums)]


def _factors(chain: Sequence[int | Decimal]) -> list[Fraction]:
    """Where nobody ordered, the ratios are 0, too."""
    exact = [Fraction(each) for each in chain]
    return [exact[0], *(b / a if a else Fraction(0) for a, b in pairwise(exact))]

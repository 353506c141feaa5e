"""What each factor of a product did to its change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import permutations
from math import factorial, prod

CENT = Decimal("0.01")


def shares_of_change(before: Sequence[int | Decimal], after: Sequence[int | Decimal]) -> list[Decimal]:
    """Split the change of the last of some quantities between the first, and the ratio of each to the one before it.

    Customers, orders, amount => what customers, orders per customer and amount per order changed the amount by. One
    factor after the other is changed, and its effect is averaged over all orders in which they can be (Shapley value;
    Shorrocks 2013): exact in fractions, whatever the signs. The parts are in cents and add up to the change exactly.

    Examples
    --------
    >>> [str(part) for part in shares_of_change([10, 20, Decimal(400)], [11, 22, Decimal(440)])]
    ['40.00', '0.00', '0.00']
    """
    old, new = _factors(before), _factors(after)
    parts = [Fraction(0)] * len(old)
    for order in permutations(range(len(old))):
        now = list(old)
        for place in order:
            former, now[place] = prod(now), new[place]
            parts[place] += Fraction(prod(now) - former, factorial(len(old)))
    # Rounded sums, then their differences: so the parts add up, and the last one holds what is less than a cent.
    sums = [_rounded(sum(parts[: place + 1], Fraction(0))) for place in range(len(parts) - 1)]
    sums = [Decimal(0), *sums, Decimal(after[-1]) - Decimal(before[-1])]
    return [later - earlier for earlier, later in zip(sums, sums[1:], strict=False)]


def _factors(chain: Sequence[int | Decimal]) -> list[Fraction]:
    """Where nobody ordered all else is 0, too: then the whole change is spread as between any other factors."""
    exact = [Fraction(each) for each in chain]
    return [exact[0], *(b / a if a else Fraction(0) for a, b in zip(exact, exact[1:], strict=False))]


def _rounded(number: Fraction) -> Decimal:
    return Decimal(round(number * 100)).scaleb(-2).quantize(CENT, ROUND_HALF_EVEN)

"""Whom to act on: a target's ranked list, summed up for the first lines of a page."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

DECIDES = ("propensity", "decile", "assumed_value_of_acting")


@dataclass(frozen=True)
class Decision:
    """What a ranked list says to do.

    ``asked``: customers scored. ``worth``: those on whom acting is assumed to bring more than it costs; ``chosen``: as
    many of them as can be contacted; ``value``: what acting is assumed to bring on the chosen, in the source's
    currency, the cost taken off. ``first``: customers of decile 1; ``expected``: how many of them the propensities
    expect to be positive.
    """

    asked: int
    worth: int
    chosen: int
    value: float
    first: int
    expected: float


def decide(ranked: pd.DataFrame, capacity: int = 0) -> Decision:
    """Sum up a ranked list (of it the columns ``DECIDES``); a value that is not known counts as not worth a contact.

    ``capacity``: how many can be contacted, 0 where that is not said; those on whom acting is worth most come first.
    """
    values = ranked["assumed_value_of_acting"]
    worth = values[values > 0].sort_values(ascending=False)
    chosen = worth.head(capacity) if capacity else worth
    first = ranked["decile"] == 1
    expected = float(ranked.loc[first, "propensity"].sum())
    return Decision(len(ranked), len(worth), len(chosen), float(chosen.sum()), int(first.sum()), expected)

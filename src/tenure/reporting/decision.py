"""Whom to act on: a target's ranked list, summed up for the first lines of a page."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

DECIDES = (
    "propensity", "decile", "effect_low", "effect_high", "stake", "cost",
    "value_of_acting", "is_assumed", "may_be_contacted",
)  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """What a ranked list says to do.

    ``asked``: customers scored; ``barred``: those of them who may be contacted by no channel, and are none of the
    following. ``worth``: on whom acting brings more than it costs; ``chosen``: as many of them as can be contacted;
    ``value``, from ``low`` to ``high``: what acting brings on the chosen, in the source's currency, the cost taken off;
    ``is_assumed``: an effect in it was not measured. ``first``: customers of decile 1; ``expected``: how many of them the
    propensities expect to be positive.
    """

    asked: int
    worth: int
    chosen: int
    value: float
    first: int
    expected: float
    barred: int = 0
    low: float = 0.0
    high: float = 0.0
    is_assumed: bool = True


def decide(ranked: pd.DataFrame, capacity: int = 0) -> Decision:
    """Sum up a ranked list (of it the columns ``DECIDES``); a value that is not known counts as not worth a contact.

    ``capacity``: how many can be contacted, 0 where that is not said; those on whom acting is worth most come first.
    """
    worth = worth_a_contact(ranked)
    chosen = worth.head(capacity) if capacity else worth
    low, high = ((chosen[effect] * chosen["stake"] - chosen["cost"]).sum() for effect in ("effect_low", "effect_high"))
    first = ranked["decile"] == 1
    return Decision(
        asked=len(ranked),
        worth=len(worth),
        chosen=len(chosen),
        value=float(chosen["value_of_acting"].sum()),
        first=int(first.sum()),
        expected=float(ranked.loc[first, "propensity"].sum()),
        barred=int((~ranked["may_be_contacted"]).sum()),
        low=float(low),
        high=float(high),
        is_assumed=bool(chosen["is_assumed"].any()),
    )


def worth_a_contact(ranked: pd.DataFrame) -> pd.DataFrame:
    """Choose who may be contacted and on whom acting brings more than it costs, the highest value first."""
    worth = ranked[ranked["may_be_contacted"] & (ranked["value_of_acting"] > 0)]
    # A list is ranked by propensity, then by customer: equal values stay in that order.
    return worth.sort_values("value_of_acting", ascending=False, kind="stable")

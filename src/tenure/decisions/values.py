"""What each open candidate is expected to bring: effect times value at stake, less cost and what is given away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from tenure.customers.acting import Effect, assumed_effect, value_of_acting
from tenure.decisions.action import Action
from tenure.decisions.candidates import NO_CANDIDATE, Candidates
from tenure.decisions.measured import SIGN, as_won
from tenure.targets.definition import Target

NOBODYS: Mapping[str, pd.DataFrame] = MappingProxyType({})


@dataclass(frozen=True)
class Values:
    """Customers x columns each, NaN where there is no candidate; money in the source's currency.

    ``effect``: what the action changes in the probability of its target's outcome, between ``low`` and ``high``;
    ``value``: expected of it after all costs, ``value_low`` by the low end of the effect. ``cost``: of one contact by each column; ``is_assumed``: by column, whether
    nobody has measured the effect. ``harms``: where the customer's own predicted effect is none, or a harm: a veto.
    """

    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    value_low: np.ndarray
    cost: np.ndarray
    is_assumed: np.ndarray
    harms: np.ndarray


def values_of(
    candidates: Candidates,
    targets: Mapping[str, Target],
    measured: pd.DataFrame,
    taken: Mapping[str, float],
    personal: Mapping[str, pd.DataFrame] = NOBODYS,
) -> Values:
    """Value every candidate. ``measured``: action, effect, low, high of randomised arms; ``taken``: take-up seen by action.

    ``personal``: by action whose customers differ, each one's effect (index customer_id: raw_effect, effect, low, high).
    An effect that nobody has measured is assumed: the share of positives that the action, else its target, wins.
    """
    shape = candidates.refused.shape
    arrays = {
        name: np.full(shape, np.nan, dtype=np.float32) for name in ("effect", "low", "high", "value", "value_low")
    }
    known = measured.drop_duplicates("action", keep="last").set_index("action")
    cost = np.array([action.cost + channel.cost for action, channel in candidates.columns])
    assumed, harms = np.ones(len(candidates.columns), dtype=bool), np.zeros(shape, dtype=bool)
    for place, (action, _) in enumerate(candidates.columns):
        at = candidates.refused[:, place] != NO_CANDIDATE
        if action.service:
            continue
        if not action.moves:
            arrays["value"][at, place] = arrays["value_low"][at, place] = float(action.worth or 0) - cost[place]
            continue
        rows, target = candidates.customers[at], targets[action.moves]
        if f"{target.name}_propensity" not in rows:  # not scored today
            continue
        effect = _effect(action, target, rows[f"{target.name}_propensity"], known)
        if action.name in personal:
            own = personal[action.name].reindex(rows["customer_id"]).set_axis(rows.index)
            effect = as_won(own, target)
            harms[at, place] = own["raw_effect"].to_numpy() * SIGN[target.stake] <= 0
        assumed[place] = effect.is_assumed
        worth = value_of_acting(
            effect,
            rows[f"{target.name}_at_stake"],
            cost=cost[place],
            if_taken=action.if_taken,
            taken=taken.get(action.name, action.take_up),
        )
        arrays["value"][at, place] = worth["value_of_acting"]
        arrays["value_low"][at, place] = worth["effect_low"] * worth["stake"] - worth["cost"]
        # What is kept is what treated have more than withheld: a saving action has a negative effect on churn.
        sign = SIGN[target.stake]
        ends = np.sort(sign * worth[["effect_low", "effect_high"]].to_numpy(), axis=1).T
        arrays["effect"][at, place], (arrays["low"][at, place], arrays["high"][at, place]) = (
            sign * worth["effect"],
            ends,
        )
    return Values(**arrays, cost=cost, is_assumed=assumed, harms=harms)


def _effect(action: Action, target: Target, propensities: pd.Series, measured: pd.DataFrame) -> Effect:
    """Give the outcomes an action wins: by randomised arms where they tell, else as assumed.

    An interval that holds 0 and is wider than what is assumed says nothing against it.
    """
    own = target if action.effect is None else replace(target, save_rate=action.effect)
    assumed = assumed_effect(own, propensities)
    if action.name not in measured.index:
        return assumed
    found = as_won(measured.loc[action.name].to_dict(), target)
    tells_nothing = found.low <= 0 <= found.high and found.high - found.low > 2 * pd.Series(assumed.value).mean()
    return assumed if tells_nothing else found

"""What each open candidate is expected to bring: effect times value at stake, less cost and what is given away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.customers.acting import ASSUMED_RANGE, value_of_acting
from tenure.decisions.action import Action
from tenure.decisions.candidates import Candidates
from tenure.targets.definition import Target


@dataclass(frozen=True)
class Values:
    """Customers x columns each, NaN where there is no candidate; money in the source's currency.

    ``effect``: what the action changes in the probability of its target's outcome, between ``low`` and ``high``;
    ``value``: expected of it after all costs, ``value_low`` by the low end of the effect. ``cost``: of one contact by each column; ``is_assumed``: by column, whether
    nobody has measured the effect.
    """

    effect: np.ndarray
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    value_low: np.ndarray
    cost: np.ndarray
    is_assumed: np.ndarray


def values_of(
    candidates: Candidates, targets: Mapping[str, Target], measured: pd.DataFrame, taken: Mapping[str, float]
) -> Values:
    """Value every candidate. ``measured``: action, effect, low, high of randomised arms; ``taken``: take-up seen by action.

    An effect that nobody has measured is assumed: the share of positives that the action, else its target, wins.
    """
    shape = candidates.refused.shape
    arrays = {
        name: np.full(shape, np.nan, dtype=np.float32) for name in ("effect", "low", "high", "value", "value_low")
    }
    known = measured.drop_duplicates("action", keep="last").set_index("action")
    cost = np.array([action.cost + channel.cost for action, channel in candidates.columns])
    assumed = np.array([action.name not in known.index for action, _ in candidates.columns], dtype=bool)
    for place, (action, _) in enumerate(candidates.columns):
        at = candidates.refused[:, place] != 255
        if action.service:
            continue
        if not action.moves:
            arrays["value"][at, place] = arrays["value_low"][at, place] = float(action.worth or 0) - cost[place]
            continue
        rows = candidates.customers[at]
        ends = _effects(action, targets[action.moves], rows, known)
        stake = rows[f"{action.moves}_at_stake"].to_numpy(dtype=float)
        given = action.if_taken * taken.get(action.name, action.take_up)
        for name, effect in ends.items():
            arrays[name][at, place] = effect
        arrays["value"][at, place] = value_of_acting(ends["effect"], stake, cost[place], given)
        arrays["value_low"][at, place] = value_of_acting(ends["low"], stake, cost[place], given)
    return Values(**arrays, cost=cost, is_assumed=assumed)


def _effects(action: Action, target: Target, rows: pd.DataFrame, measured: pd.DataFrame) -> dict[str, np.ndarray]:
    propensity = rows[f"{target.name}_propensity"].to_numpy(dtype=float)
    if action.name in measured.index:
        found = measured.loc[action.name]
        return {name: np.where(np.isnan(propensity), np.nan, float(found[name])) for name in ("effect", "low", "high")}
    assumed = propensity * (target.save_rate if action.effect is None else action.effect)
    return {"effect": assumed, "low": assumed * ASSUMED_RANGE[0], "high": assumed * ASSUMED_RANGE[1]}

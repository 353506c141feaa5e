"""Whether choosing customers by their predicted effects pays more than what needs no effect model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tenure.effects.estimate import ERROR, Array, Estimate, mean_of
from tenure.effects.learner import EffectFit

FEWEST_CONTACTED = 100  # customers on either side of the choice


@dataclass(frozen=True)
class Gate:
    """A verdict on an effect model, out of fold.

    ``table``: against, value (of the alternative per row), difference (the personal policy's value less it), low, high.
    ``contacted``: share of rows that the personal policy contacts; ``says``: the verdict in a sentence.
    """

    passes: bool
    contacted: float
    value: Estimate
    table: pd.DataFrame
    says: str


def judge(
    fit: EffectFit,
    rows: pd.DataFrame,
    *,
    cost: ArrayLike,
    stake: ArrayLike = 1.0,
    sign: int = 1,
    budget: float | None = None,
    error: float = ERROR,
) -> Gate:
    """Compare contacting by predicted effect with what is simpler, each by a paired interval  =>  Gate.

    rows: those that ``fit`` was fitted on, in the same order; ``propensity``, where there is none, is the outcome
    expected of who is left alone. A contact is worth sign x effect x ``stake`` - ``cost``, a number or one per row. The
    personal policy contacts where that is above 0, of those the best share ``budget`` of all rows. It passes if it
    is worth more than contacting nobody, everybody (within a budget, as many at random), by the mean effect where
    stakes differ, and as many by propensity x stake: every interval must lie above 0.

    ``error``: of each interval. As all must lie above 0, 0.1 would already keep false openings at 5 % of askings (an
    intersection-union test: Berger, 1982); who asks a year every month divides it by 12 (Bonferroni).
    """
    stakes, costs = (np.broadcast_to(np.asarray(each, float), len(rows)) for each in (stake, cost))
    gains, customers = sign * stakes * fit.pseudo - costs, rows["customer_id"]
    most = len(rows) if budget is None else int(budget * len(rows))
    chosen = _best(sign * stakes * fit.raw - costs, most)
    propensity = rows["propensity"].fillna(0) if "propensity" in rows else fit.expected[1]
    others = {
        "nobody": np.zeros(len(rows)),
        "as many at random": np.full(len(rows), chosen.mean()),
        "as many by propensity": _top(np.asarray(propensity * stakes, dtype=float), int(chosen.sum())),
    }
    if most == len(rows):
        others["everybody"] = np.ones(len(rows))
    if np.ptp(stakes) or np.ptp(costs):
        others["by the mean effect"] = _best(sign * stakes * fit.mean.value - costs, most)
    paired = [mean_of((chosen - other) * gains, customers, error=error) for other in others.values()]
    table = pd.DataFrame(
        {"against": list(others), "value": [float((other * gains).mean()) for other in others.values()]}
    )
    table = table.assign(
        difference=[p.value for p in paired], low=[p.low for p in paired], high=[p.high for p in paired]
    )
    fewest = min(customers[side].nunique() for side in (chosen > 0, chosen == 0))
    passes = bool((table["low"] > 0).all()) and fewest >= FEWEST_CONTACTED
    says = _sentence(fit.slope, table, passes, fewest)
    return Gate(passes, float(chosen.mean()), mean_of(chosen * gains, customers), table, says)


def _best(worth: Array, most: int) -> Array:
    """Choose, as 1, the rows that are worth most, at most so many and none that is not worth it."""
    return _top(worth, most) * (worth > 0)


def _top(ranking: Array, count: int) -> Array:
    chosen = np.zeros(len(ranking))
    chosen[np.argsort(-ranking, kind="stable")[:count]] = 1
    return chosen


def _sentence(slope: Estimate, table: pd.DataFrame, passes: bool, fewest: int) -> str:
    found = f"slope {slope.value:.2f}, {slope.low:.2f} to {slope.high:.2f}"
    if not np.isfinite(slope.low):
        found = "nothing known sets them apart"
    if passes:
        return f"Customers differ ({found}): choosing by effect pays more than anything simpler."
    if slope.low <= 0 and not slope.high < 1:  # as far from nothing as from all that was predicted
        return f"Whether customers differ cannot be told ({found}): the mean effect counts for all."
    if slope.low <= 0:
        return f"Customers do not differ ({found}): the mean effect counts for all."
    if fewest < FEWEST_CONTACTED:
        return f"Customers differ ({found}), but the same is best for nearly all of them: the mean effect counts."
    unbeaten = ", ".join(table.loc[table["low"] <= 0, "against"])
    better = f"choosing by effect is not proven better than contacting {unbeaten}"
    return f"Customers differ ({found}), but {better}: the mean effect counts."

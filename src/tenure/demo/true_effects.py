"""What no learner of effects may read: what an action changes for each customer, by two lives with the same chances."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pandas as pd

from tenure.core.errors import UnknownNameError
from tenure.demo.actions import act
from tenure.demo.state import State
from tenure.demo.truth import HORIZON, ROWS_AT_A_TIME, is_asked, roll_out
from tenure.demo.world import World

COUNTED_DAYS = 30
OUTCOMES = HORIZON | {"orders": COUNTED_DAYS, "taken": COUNTED_DAYS}


def true_effects(
    hidden: pd.DataFrame,
    action: str,
    channel: str,
    *,
    target: str,
    horizon_days: int | None = None,
    rollouts: int = 50,
    seed: int = 1,
    world: World | None = None,
) -> pd.DataFrame:
    """Compare each customer contacted on a morning with the same customer left alone, over the same days and chances.

    => customer_id, treated, untreated, effect: means over the rollouts, and treated minus untreated

    For churn and upsell of those the question is asked of, else of all who have arrived. Nobody is contacted further.

    Parameters
    ----------
    hidden : the hidden states of one morning: ``hidden_at`` of a demo, ``Company.hidden`` of one that lives on.
    target : churn, upsell, lapse, or ``orders`` and ``taken``, which count orders and offers taken.
    horizon_days : another horizon than the outcome's (churn 30, upsell 60, lapse 90, orders and taken 30).

    Raises
    ------
    UnknownNameError : an action, a channel or a target without a truth.
    """
    if target not in OUTCOMES:
        raise UnknownNameError("Outcome with a true effect", target, OUTCOMES)
    world = world or World()
    day = int((hidden["cutoff"].iloc[0] - pd.Timestamp(world.start)).days)
    asked = hidden["arrival"] < day
    if target in ("churn", "upsell"):
        asked &= is_asked(world, hidden, target)
    hidden = hidden[asked]
    everyone, means = State.of(hidden), []
    size = max(1, ROWS_AT_A_TIME // rollouts)
    for number, first in enumerate(range(0, len(hidden), size)):
        index = np.repeat(np.arange(first, min(first + size, len(hidden))), rollouts)
        pair = []
        for is_treated in (True, False):
            twin = everyone.take(index)
            if is_treated:
                act(world, twin, action, channel, np.arange(len(index)))
            chances = repeat(np.random.default_rng([seed, number]))
            lived = roll_out(world, twin, target, day, chances, horizon_days or OUTCOMES[target])
            pair.append(lived.reshape(-1, rollouts).mean(axis=1))
        means.append(np.column_stack(pair))
    treated, untreated = np.concatenate(means).T if means else np.empty((2, 0))
    return pd.DataFrame(
        {
            "customer_id": hidden["customer_id"].to_numpy(),
            "treated": treated,
            "untreated": untreated,
            "effect": treated - untreated,
        }
    )

"""What no model may read: the probability of each label, given everything hidden, by rollouts of the same days."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.errors import UnknownNameError, UsageError
from tenure.demo.simulator import advance
from tenure.demo.state import LIVE, State
from tenure.demo.world import World

HORIZON = {"churn": 30, "upsell": 60, "lapse": 90}
GRACE_DAYS = 14
OF_THE_SHOP = ("lapse", "orders", "taken")
ROWS_AT_A_TIME = 400_000


def true_probabilities(
    truth_directory: Path,
    *,
    target: str,
    cutoff: date,
    rollouts: int = 500,
    seed: int = 1,
    customer_ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return P(label = 1 | hidden state at the cutoff). => customer_id, probability

    For churn and upsell of those the question is asked of, were every cancellation known at once; for lapse of everyone
    who has arrived. ``customer_ids``: of these instead.
    An upper bound: no model sees the hidden state.

    Raises
    ------
    UnknownNameError : a target without truth. UsageError : the cutoff is no first of a month of the history.
    """
    if target not in HORIZON:
        raise UnknownNameError("Target with a truth", target, HORIZON)
    world = World()
    hidden = hidden_at(truth_directory, cutoff)
    day = (cutoff - world.start).days
    if customer_ids is not None:
        asked = hidden["customer_id"].isin(set(customer_ids))
    else:
        asked = (hidden["arrival"] < day) & is_asked(world, hidden, target)
    hidden = hidden[asked].reset_index(drop=True)
    everyone = State.of(hidden)
    size = max(1, ROWS_AT_A_TIME // rollouts)
    parts = []
    for number, first in enumerate(range(0, len(hidden), size)):
        index = np.repeat(np.arange(first, min(first + size, len(hidden))), rollouts)
        chances = repeat(np.random.default_rng([seed, number]))
        labels = roll_out(world, everyone.take(index), target, day, chances)
        parts.append(labels.reshape(-1, rollouts).mean(axis=1))
    return pd.DataFrame({"customer_id": hidden["customer_id"], "probability": np.concatenate(parts) if parts else []})


def hidden_at(truth_directory: Path, cutoff: date) -> pd.DataFrame:
    """Read everybody's hidden state at the first of a month. => customer_id, cutoff, the columns of ``State``

    Raises
    ------
    UsageError : the cutoff is no first of a month of the history.
    """
    hidden = pd.read_parquet(truth_directory / "hidden_state.parquet")
    hidden = hidden[hidden["cutoff"] == pd.Timestamp(cutoff)]
    if hidden.empty:
        raise UsageError(
            f"Cutoff {cutoff}: the truth is kept at the firsts of the months of the demo's history. Expected one of them."
        )
    return hidden


def is_asked(world: World, hidden: pd.DataFrame, target: str) -> pd.Series:
    """Say of whom a target is asked, by everything hidden at a cutoff."""
    first, second = hidden["status"] == LIVE, hidden["second"] == LIVE
    if target == "lapse":
        return pd.Series(True, hidden.index)
    if target == "upsell":
        return second | first & (hidden["plan"] < len(world.plans) - 1)
    # Nothing that is paid for runs on beyond the outcome window, and not everything is cancelled.
    runs_on = first & (hidden["to_renewal"] > HORIZON[target]) | second & (
        hidden["second_to_renewal"] > HORIZON[target]
    )
    return (second | first & ~hidden["cancelling"]) & ~runs_on


def roll_out(
    world: World,
    state: State,
    target: str,
    day: int,
    chances: Iterable[np.random.Generator],
    horizon_days: int | None = None,
) -> np.ndarray:
    """Live on from a day, in place, and return each customer's label; of ``orders`` and offers ``taken``, how many.

    ``chances``: the generator of each day.
    """
    horizon = horizon_days or HORIZON[target]
    count = np.zeros(len(state.plan), dtype=np.int64)
    held, ended_on = count == 0, count - 1
    for ahead, chance in zip(range(horizon + (GRACE_DAYS if target == "churn" else 0)), chances, strict=False):
        marks = advance(world, state, day + ahead, chance, is_shop_alone=target in OF_THE_SHOP).marks
        if target == "churn":
            # A due date in the window is settled on its day, so no end after the window counts.
            if ahead < horizon:
                ended_on[held & ~state.is_held] = ahead
            held = state.is_held
            ended_on[held] = -1
            count += (ended_on >= 0) & (ahead - ended_on >= GRACE_DAYS)
        elif target == "upsell":
            count += marks["upgraded"] | marks["addon_bought"]
        else:
            count += marks["taken" if target == "taken" else "order"]
    if target in ("orders", "taken"):
        return count
    return np.asarray(count == 0 if target == "lapse" else count > 0)

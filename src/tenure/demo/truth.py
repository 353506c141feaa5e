"""What no model may read: the probability of each label, given everything hidden, by rollouts of the same days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.errors import UnknownNameError, UsageError
from tenure.demo.simulator import LIVE, State, advance
from tenure.demo.world import World

HORIZON = {"churn": 30, "upsell": 60, "lapse": 90}
GRACE_DAYS = 14
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

    For churn and upsell of the subscribers live at the cutoff, for lapse of everyone who has arrived;
    ``customer_ids`` limits them.
    An upper bound: no model sees the hidden state.

    Raises
    ------
    UnknownNameError : a target without truth. UsageError : the cutoff is no first of a month of the history.
    """
    if target not in HORIZON:
        raise UnknownNameError("Target with a truth", target, HORIZON)
    world = World()
    hidden = pd.read_parquet(truth_directory / "hidden_state.parquet")
    hidden = hidden[hidden["cutoff"] == pd.Timestamp(cutoff)]
    if hidden.empty:
        raise UsageError(
            f"Cutoff {cutoff}: the truth is kept at the firsts of the months of the demo's history. Expected one of them."
        )
    day = (cutoff - world.start).days
    asked = hidden["arrival"] < day
    if target != "lapse":
        asked &= (hidden["status"] == LIVE) & ~hidden["cancelling"]
    if customer_ids is not None:
        asked &= hidden["customer_id"].isin(set(customer_ids))
    hidden = hidden[asked].reset_index(drop=True)
    everyone = State(**{f.name: hidden[f.name].to_numpy() for f in fields(State)})
    size = max(1, ROWS_AT_A_TIME // rollouts)
    parts = []
    for number, first in enumerate(range(0, len(hidden), size)):
        index = np.repeat(np.arange(first, min(first + size, len(hidden))), rollouts)
        labels = _roll_out(world, everyone.take(index), target, day, np.random.default_rng([seed, number]))
        parts.append(labels.reshape(-1, rollouts).mean(axis=1))
    return pd.DataFrame({"customer_id": hidden["customer_id"], "probability": np.concatenate(parts) if parts else []})


def _roll_out(world: World, state: State, target: str, day: int, generator: np.random.Generator) -> np.ndarray:
    positive = np.zeros(len(state.plan), dtype=bool)
    ended_on = np.full(len(state.plan), -1)
    horizon = HORIZON[target]
    for ahead in range(horizon + (GRACE_DAYS + 1 if target == "churn" else 0)):
        marks = advance(world, state, day + ahead, generator).marks
        if target == "churn":
            if ahead < horizon:
                ended_on[marks["ended"]] = ahead
            back = marks["started"] & (ended_on >= 0) & (ahead - ended_on <= GRACE_DAYS)
            ended_on[back] = -1
        elif target == "upsell":
            positive |= marks["upgraded"] | marks["addon_bought"]
        else:
            positive |= marks["order"]
    return ended_on >= 0 if target == "churn" else positive if target == "upsell" else ~positive

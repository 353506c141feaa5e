"""Measured effects, kept for deciding: one file per as-of, written by who measures, read by who decides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.workspace import Workspace
from tenure.customers.acting import Effect
from tenure.targets.definition import Target

COLUMNS = (
    "action", "moves", "outcome", "unit", "horizon_days", "effect", "low", "high", "control_mean", "treated", "control",
    "customers", "is_anytime",
)  # fmt: skip


def write_effects(workspace: Workspace, source: str, as_of: date, effects: pd.DataFrame) -> Path:
    """Keep each action's effects as measured at an as-of, per customer in the outcome's unit.

    COLUMNS: ``low, high`` are the 95 % interval, of the confidence sequence where ``is_anytime``.
    """
    path = (workspace.decisions_of(source) / "effects") / f"as_of={as_of}.parquet"
    with replaced_file(path) as fresh:
        effects.reindex(columns=list(COLUMNS)).to_parquet(fresh, index=False)
    return path


def read_effects(workspace: Workspace, source: str, as_of: date) -> pd.DataFrame:
    """Read what was last measured at an as-of or before it; no rows where nothing was."""
    found = [
        path
        for path in sorted((workspace.decisions_of(source) / "effects").glob("as_of=*.parquet"))
        if path.stem <= f"as_of={as_of}"
    ]
    return pd.read_parquet(found[-1]) if found else pd.DataFrame(columns=list(COLUMNS))


def on_labels(effects: pd.DataFrame) -> pd.DataFrame:
    """Take the effects on the target that each action moves: those by which its value is reckoned."""
    return effects[effects["moves"].notna() & (effects["outcome"] == effects["moves"])]


# What one outcome more is: a loss where the outcome is what customers are saved from.
SIGN = {"saved": -1, "added": 1, "first_year": 1}


def as_won(found: Mapping[str, Any] | pd.DataFrame, target: Target) -> Effect:
    """Turn treated minus control into what is won: of a target that is saved, fewer outcomes are."""
    if SIGN[target.stake] < 0:
        return Effect(-found["effect"], -found["high"], -found["low"])
    return Effect(found["effect"], found["low"], found["high"])


def proven_effects(effects: pd.DataFrame, targets: Mapping[str, Target]) -> dict[str, Effect]:
    """Give the effect of acting on each target, of the action measured on most customers, where its interval leaves 0 out."""
    own = on_labels(effects).sort_values("customers", kind="stable").drop_duplicates("moves", keep="last")
    proven = own[(own["low"] > 0) | (own["high"] < 0)]
    return {
        row["moves"]: as_won(row, targets[row["moves"]]) for row in proven.to_dict("records") if row["moves"] in targets
    }

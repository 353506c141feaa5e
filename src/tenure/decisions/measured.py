"""Measured effects, kept for deciding: one file per as-of, written by who measures, read by who decides."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd

from tenure.core.atomic_files import replaced_file
from tenure.core.workspace import Workspace, check_name

COLUMNS = (
    "action", "moves", "outcome", "unit", "horizon_days", "effect", "low", "high", "control_mean", "treated", "control",
    "customers", "is_anytime",
)  # fmt: skip


def _folder(workspace: Workspace, source: str) -> Path:
    return workspace.data / "decisions" / f"source={check_name('Source', source)}" / "effects"


def write_effects(workspace: Workspace, source: str, as_of: date, effects: pd.DataFrame) -> Path:
    """Keep each action's effects as measured at an as-of, per customer in the outcome's unit.

    COLUMNS: ``low, high`` are the 95 % interval, of the confidence sequence where ``is_anytime``.
    """
    path = _folder(workspace, source) / f"as_of={as_of}.parquet"
    with replaced_file(path) as fresh:
        effects.reindex(columns=list(COLUMNS)).to_parquet(fresh, index=False)
    return path


def read_effects(workspace: Workspace, source: str, as_of: date) -> pd.DataFrame:
    """Read what was last measured at an as-of or before it; no rows where nothing was."""
    found = [
        path for path in sorted(_folder(workspace, source).glob("as_of=*.parquet")) if path.stem <= f"as_of={as_of}"
    ]
    return pd.read_parquet(found[-1]) if found else pd.DataFrame(columns=list(COLUMNS))

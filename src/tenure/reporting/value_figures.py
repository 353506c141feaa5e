"""Figures of value: how unevenly it is spread, and how well each model foretold it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.reporting.figures import INK, MODEL, MUTED, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def share_of_value(best_customers: pd.DataFrame) -> Figure:
    """Draw what share of the expected value the best customers bring; ``best_customers``: the attribute's details."""
    figure, axes = new_axes("Who brings the value", "", "share of the value expected")
    places = np.arange(len(best_customers))
    for offset, (column, label, colour) in enumerate(
        (("share_of_value_3m", "next 3 months", MUTED), ("share_of_value_12m", "next 12 months", MODEL))
    ):
        bars = axes.bar(places + 0.38 * offset - 0.19, best_customers[column], width=0.36, color=colour, label=label)
        axes.bar_label(bars, fmt="{:.0%}", fontsize=9, color=INK)
    axes.set_xticks(places, [f"best {share:.0%}" for share in best_customers["top_share"]])
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def model_errors(value_models: pd.DataFrame, part: str, horizon_days: int, currency: str) -> Figure:
    """Draw each model's error out of time with its interval, smallest first; the one used stands out."""
    asked = (value_models["part"] == part) & (value_models["horizon_days"] == horizon_days)
    shown = value_models[asked].dropna(subset="error").sort_values("error", ascending=False)
    figure, axes = new_axes(f"Error: {part}, {horizon_days} days", f"root mean squared, {currency} per customer", "")
    places = np.arange(len(shown))
    colours = [MODEL if is_used else MUTED for is_used in shown["is_used"]]
    axes.hlines(places, shown["error_low"], shown["error_high"], color=colours, linewidth=3)
    axes.scatter(shown["error"], places, color=colours, zorder=3)
    names = [f"{row.model}{' (used)' if row.is_used else ''}" for row in shown.itertuples()]
    axes.set_yticks(places, names)
    axes.grid(axis="y", visible=False)
    axes.margins(y=0.15)
    return figure

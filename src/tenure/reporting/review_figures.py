"""Figures of the review: what was forecast, and what came true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tenure.reporting.figures import HEURISTIC, INK, MODEL, MUTED, new_axes
from tenure.scoring.review.outcomes import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 12


def outcomes_over_time(outcomes: Sequence[Outcome]) -> Figure:
    """Draw, for each as-of, the count expected, with its 95 % interval, and the count that came true."""
    shown = outcomes[-SHOWN:]
    figure, axes = new_axes("Expected and realised, as-of by as-of", "scored as of", "customers")
    places = np.arange(len(shown))
    for place, outcome in zip(places, shown, strict=True):
        axes.plot(
            [place, place],
            [outcome.expected_low, outcome.expected_high],
            color=MUTED,
            linewidth=7,
            alpha=0.45,
            solid_capstyle="butt",
        )
    axes.plot(
        places, [p.expected for p in shown], "_", color=INK, markersize=13, label="expected, with its 95 % interval"
    )
    for is_as_expected, colour, label in (
        (True, MODEL, "came true"),
        (False, HEURISTIC, "came true, outside the interval"),
    ):
        chosen = [
            (place, p.realised) for place, p in zip(places, shown, strict=True) if p.is_as_expected is is_as_expected
        ]
        if chosen:
            axes.plot(*zip(*chosen, strict=True), "o", color=colour, markersize=7, label=label)
    axes.set_xticks(places, [f"{p.as_of:%d %b %y}" for p in shown], rotation=30, ha="right")
    axes.set_xlim(-0.6, max(len(shown) - 0.4, 0.6))
    axes.set_ylim(0, 1.2 * max(max(p.expected_high, p.realised) for p in shown))
    axes.legend(frameon=False, fontsize=9)
    return figure


def outcome_by_decile(outcome: Outcome) -> Figure:
    """Draw one as-of's deciles: expected with its interval, and realised."""
    table = outcome.deciles
    figure, axes = new_axes(f"By decile, scored as of {outcome.as_of}", "decile (1 = highest propensity)", "customers")
    axes.bar(table["decile"], table["realised"], color=MODEL, width=0.7, label="came true")
    error = [
        table["expected"] - table["low"].clip(upper=table["expected"]),
        table["high"].clip(lower=table["expected"]) - table["expected"],
    ]
    axes.errorbar(
        table["decile"],
        table["expected"],
        yerr=error,
        fmt="_",
        color=INK,
        ecolor=INK,
        capsize=3,
        markersize=11,
        label="expected, 95 %",
    )
    axes.set_xticks(table["decile"])
    axes.legend(frameon=False, fontsize=9)
    return figure

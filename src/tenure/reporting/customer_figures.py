"""Figures of the customers' page: where customers stand, and who moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.core.plain_text import for_figure
from tenure.customers.phase import PHASES
from tenure.customers.rfm import NOT_YET, SEGMENTS
from tenure.reporting.figures import HEURISTIC, INK, MODEL, MUTED, new_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RFM_SEGMENTS = [segment[0] for segment in SEGMENTS]
# From first knowing each other to the end; what is lost in warm colours.
PHASE_COLOURS = {
    "pipeline": "#c3cad1", "acquire": "#9fd3cf", "deploy": "#57aea7", "run": "#0b6e69", "expand": "#07423f",
    "won back": "#5b7db1", "at risk": "#e0a04a", "lapsed": "#c8553d",
}  # fmt: skip
SHOWN_ACTS = 10
TARGET_COLOURS = (HEURISTIC, MODEL, "#5b7db1", "#e0a04a", MUTED)


def rfm_migration(table: pd.DataFrame) -> Figure:
    """Draw, for each former segment, the share that is now in each; ``table``: ``rfm_migration``."""
    counts = table.pivot_table(index="segment_before", columns="segment", values="customers", fill_value=0)
    counts = counts.reindex(
        index=[name for name in (*RFM_SEGMENTS, NOT_YET) if name in counts.index], columns=RFM_SEGMENTS, fill_value=0
    )
    return _moved(counts, "Where each former segment is now", "segment now", "segment before")


def phases_over_time(flow: pd.DataFrame) -> Figure:
    """Draw how many customers stand in each phase, month by month; ``flow``: ``phase_flow``."""
    counts = flow.pivot_table(index="day", columns="phase", values="customers", aggfunc="sum", fill_value=0)
    shown = [phase for phase in PHASE_COLOURS if phase in counts.columns]
    figure, axes = new_axes("Customers by phase, month by month", "", "customers")
    figure.set_size_inches(6.4, 4.2)
    places, base = np.arange(len(counts)), np.zeros(len(counts))
    for phase in shown:
        axes.bar(places, counts[phase], bottom=base, color=PHASE_COLOURS[phase], width=0.85, label=phase)
        base += counts[phase].to_numpy()
    step = max(1, len(counts) // 6)
    axes.set_xticks(places[::step], [f"{pd.Timestamp(str(day)):%b %y}" for day in counts.index[::step]])
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    return figure


def phase_flow(flow: pd.DataFrame) -> Figure:
    """Draw, for each phase a month ago, the share that is now in each."""
    last = flow[(flow["day"] == flow["day"].max()) & (flow["phase_before"].fillna("") != "")]
    counts = last.pivot_table(index="phase_before", columns="phase", values="customers", fill_value=0)
    counts = counts.reindex(index=[p for p in PHASES if p in counts.index], columns=list(PHASES), fill_value=0)
    return _moved(counts, "The last month: from which phase to which", "phase now", "phase a month ago")


def engagement_weights(table: pd.DataFrame) -> Figure:
    """Draw the weight of one act of each kind, the heaviest on top; ``table``: ``engagement_weights``."""
    shown = table.head(SHOWN_ACTS)[::-1]
    figure, axes = new_axes("What each kind of activity foretells", "weight", "")
    axes.barh(
        shown["act"].map(for_figure),
        shown["weight"],
        color=[MODEL if weight > 0 else MUTED for weight in shown["weight"]],
    )
    axes.grid(axis="x", color="#e6e9ed", linewidth=0.8)
    axes.grid(visible=False, axis="y")
    return figure


def _moved(counts: pd.DataFrame, title: str, x_label: str, y_label: str) -> Figure:
    """Draw each row's shares as a map: rows are where customers were, columns where they are."""
    shares = counts.to_numpy() / counts.to_numpy().sum(axis=1, keepdims=True)
    figure, axes = new_axes(title, x_label, y_label)
    figure.set_size_inches(6.4, 4.6)
    axes.imshow(shares, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.55 else INK
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(counts.columns)), counts.columns, rotation=35, ha="right")
    axes.set_yticks(range(len(counts.index)), counts.index)
    axes.grid(visible=False)
    return figure


def scores_over_time(history: pd.DataFrame) -> Figure:
    """Draw one customer's propensities, as-of by as-of; ``history`` as ``CustomerPage`` holds it."""
    figure, axes = new_axes("Propensity by as-of", "", "propensity")
    for (target, scores), colour in zip(history.groupby("target"), TARGET_COLOURS, strict=False):
        axes.plot(pd.to_datetime(scores["as_of"]), scores["propensity"], "o-", color=colour, markersize=5, label=target)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xticks(sorted(pd.to_datetime(history["as_of"]).unique())[-6:])
    axes.tick_params(axis="x", rotation=30)
    axes.legend(frameon=False, fontsize=9)
    return figure

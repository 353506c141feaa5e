"""Figures of a training. Each function returns the figure; none shows or saves it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tenure.core.plain_text import for_figure
from tenure.customers.acting import assumed_effect, value_of_acting
from tenure.models.evaluate import gain_curve, value_curve
from tenure.models.training_result import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Figure  # handed on: pages and steps name the type, not the package

INK, MODEL, HEURISTIC, MUTED = "#1d2733", "#0b6e69", "#c8553d", "#8a94a0"
# Small enough to stay legible when a phone shows one figure per row.
SIZE = (4.7, 3.4)
LABEL_WIDTH = 36  # letters that fit beside an upright axis


def new_axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(for_figure(title), loc="left", fontsize=11, color=INK, fontweight="bold")
    axes.set_xlabel(for_figure(x_label), fontsize=10, color=INK)
    axes.set_ylabel(fill(for_figure(y_label), LABEL_WIDTH), fontsize=10, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    axes.grid(axis="y", color="#e6e9ed", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def base_rate_over_time(result: TrainingResult) -> Figure:
    """Draw the label rate of each matured cutoff, with its 95 % Wilson interval; the test cutoff stands out."""
    figure, axes = new_axes("Base rate over time", "cutoff", f"share that {result.target.positive}")
    table = result.funnel
    places = np.arange(len(table))
    colours = [MODEL if cutoff == result.plan.test else MUTED for cutoff in table["cutoff"]]
    axes.bar(places, table["base_rate"], color=colours, width=0.7)
    spread = _rate_intervals(table["positives"], table["eligible"])
    axes.errorbar(places, table["base_rate"], yerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    step = max(1, len(table) // 6)
    axes.set_xticks(places[::step], [f"{cutoff:%b %Y}" for cutoff in table["cutoff"][::step]], rotation=30, ha="right")
    axes.yaxis.set_major_formatter("{x:.0%}")
    return figure


def _rate_intervals(positives: pd.Series, rows: pd.Series) -> np.ndarray:
    """Give how far the 95 % Wilson interval of each rate reaches below and above it: two rows, one column per rate."""
    from scipy.stats import binomtest

    found = []
    for count, of in zip(positives, rows, strict=True):
        ends = binomtest(int(count), int(of)).proportion_ci(0.95, method="wilson")
        # An end that rounding puts on the wrong side of the rate would be drawn backwards.
        found.append((max(count / of - ends.low, 0.0), max(ends.high - count / of, 0.0)))
    return np.array(found).T


def gain(result: TrainingResult) -> Figure:
    """Draw the share of positives reached against the share contacted: model, baseline, chance."""
    labels = result.test["label"].to_numpy()
    figure, axes = new_axes(
        "Who is reached first",
        "share of eligible customers contacted",
        f"share reached of those who {result.target.positive}",
    )
    rankings = {
        "model": (result.test["propensity"].to_numpy(), MODEL),
        result.choice.words[result.rival].split(" “")[0]: (result.rival_scores, HEURISTIC),
    }
    for name, (ranking, colour) in rankings.items():
        curve = gain_curve(labels, ranking)
        axes.plot(curve["share_contacted"], curve["share_reached"], color=colour, linewidth=2, label=name)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="chance")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def lift(result: TrainingResult) -> Figure:
    """Draw the lift of each propensity decile, with the 95 % Wilson interval of its label rate; 1 is chance."""
    deciles = result.evaluation.deciles
    figure, axes = new_axes("Lift by decile", "decile (1 = highest propensity)", "label rate ÷ base rate")
    axes.bar(deciles["decile"], deciles["lift"], color=MODEL, width=0.75)
    spread = _rate_intervals(deciles["positives"], deciles["customers"]) / result.evaluation.metrics["base_rate"]
    axes.errorbar(deciles["decile"], deciles["lift"], yerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.axhline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_xticks(deciles["decile"])
    return figure


def reliability(result: TrainingResult) -> Figure:
    """Draw forecast against realised rates in ten bins of equal count, with 95 % Wilson intervals."""
    bins = result.evaluation.reliability
    figure, axes = new_axes(
        "Forecast vs. outcome", "mean propensity of the bin", f"share that {result.target.positive}"
    )
    error = [bins["label_rate"] - bins["low"], bins["high"] - bins["label_rate"]]
    top = float(max(bins["high"].max(), bins["mean_propensity"].max())) * 1.05
    axes.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle="--", label="perfect")
    axes.errorbar(
        bins["mean_propensity"],
        bins["label_rate"],
        yerr=error,
        fmt="o",
        color=MODEL,
        ecolor=MODEL,
        capsize=2,
        markersize=5,
        label="ten bins of equal count",
    )
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def value_by_contacts(result: TrainingResult, stake: pd.Series) -> Figure:
    """Draw the assumed value of contacting the first n, by the model's ranking and by the baseline's.

    ``stake``: what is at stake of each customer of the test; the rate is assumed, the labels are real.
    """
    test, target = result.test, result.target
    effect = assumed_effect(target, test["label"])
    gains = value_of_acting(effect, stake.fillna(0.0), cost=target.contact_cost)["value_of_acting"].to_numpy()
    figure, axes = new_axes(
        "Assumed value of acting",
        "customers contacted",
        f"value in {result.model.about['currency'] or 'currency'} (assumed)",
    )
    rankings = {
        "model, by expected value": ((test["propensity"] * stake.fillna(0.0)).to_numpy(), MODEL),
        result.choice.words[result.rival].split(" “")[0]: (result.rival_scores, HEURISTIC),
    }
    for name, (ranking, colour) in rankings.items():
        curve = value_curve(ranking, gains)
        axes.plot(curve["contacts"], curve["value"], color=colour, linewidth=2, label=name)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, fontsize=9)
    return figure


def drivers(contributions: pd.DataFrame) -> Figure:
    """Draw the ten drivers that move propensities most; ``contributions``: a row per customer, a column per driver."""
    totals = contributions.abs().mean().sort_values().tail(10)
    figure, axes = new_axes("What drives it", "mean absolute contribution (log-odds)", "")
    axes.barh([for_figure(name) for name in totals.index], totals.to_numpy(), color=MODEL, height=0.7)
    axes.grid(axis="y", visible=False)
    return figure


@dataclass(frozen=True)
class Picture:
    """A figure as a notebook shows it, whatever matplotlib backend is set."""

    figure: Figure

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", pad_inches=0.08)
        return buffer.getvalue()


def as_svg(figure: Figure) -> str:
    """Render a figure as SVG text, the same bytes for the same figure."""
    import matplotlib as mpl

    buffer = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "tenure", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.08)
    return buffer.getvalue().decode("utf-8")


def save_svg(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_svg(figure), encoding="utf-8")
    return path

"""SHAP's own plots of a model's exact contributions. Each function returns the figure."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenure.core.plain_text import for_figure
from tenure.models.explain import labels_of
from tenure.models.model import PropensityModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = "#0b6e69"
LABEL_WIDTH = 26
SHOWN = 10
# Inches. As narrow as the labels bear: a phone shows a figure as wide as itself, and the letters shrink with it.
WIDTH = 5.4


def _shap() -> Any:
    with warnings.catch_warnings():
        # On import shap asks notebooks for a progress-bar widget that nothing here uses.
        warnings.simplefilter("ignore")
        import shap
    return shap


@dataclass(frozen=True, eq=False)
class Explained:
    """Exact contributions of a table's rows, in log-odds of the propensity; the base comes last."""

    model: PropensityModel
    table: pd.DataFrame
    contributions: np.ndarray

    @cached_property
    def _encoded(self) -> np.ndarray:
        return self.model.encoding.transform(self.table)

    @cached_property
    def strongest(self) -> list[int]:
        """The places of the features, the largest mean absolute contribution first."""
        return [int(i) for i in np.argsort(-np.abs(self.contributions[:, :-1]).mean(axis=0), kind="stable")]

    def explanation(self, rows: slice, features: Sequence[int]) -> Any:
        """Make a ``shap.Explanation`` of what one plot draws and no more: shap walks through every text value."""
        labels = labels_of(self.model.meanings)
        return _shap().Explanation(
            values=self.contributions[rows][:, features],
            base_values=self.contributions[rows, -1],
            data=self._encoded[rows][:, features],
            display_data=self._displayed(rows, features),
            feature_names=[fill(for_figure(labels[place]), LABEL_WIDTH) for place in features],
        )

    def _displayed(self, rows: slice, features: Sequence[int]) -> np.ndarray:
        """Give each value as a reader knows it: a category by its name, not by its code."""
        table = self.table.iloc[rows]
        shown = np.empty((len(table), len(features)), dtype=object)
        for place, feature in enumerate(features):
            column = self.model.encoding.columns[feature]
            values = table[column.name]
            shown[:, place] = values.fillna("unknown").map(for_figure) if column.is_text else values.astype(float)
        return shown


def _drawn(plot: Any, height: float, *arguments: Any, **options: Any) -> Figure:
    import matplotlib as mpl

    mpl.use("agg", force=False)
    from matplotlib import pyplot as plt

    # The beeswarm jitters points with numpy's global generator: seeded here, put back after.
    state = np.random.get_state()
    np.random.seed(0)
    before = plt.get_fignums()
    figure = plt.figure(figsize=(WIDTH, height))
    plot(*arguments, show=False, **options)
    np.random.set_state(state)
    current = plt.gcf()
    current.set_size_inches(WIDTH, height)
    for axes in current.axes:
        axes.tick_params(labelsize=9)
        axes.xaxis.label.set_fontsize(10)
        # shap places its numbers on a wider figure: at their own size they would run over their bars.
        for text in axes.texts:
            text.set_fontsize(min(text.get_fontsize(), 8))
        for collection in axes.collections:
            collection.set_rasterized(True)
    current.tight_layout()
    for number in plt.get_fignums():
        if number not in before:
            plt.close(number)
    return current if current is not figure else figure


def beeswarm(explained: Explained) -> Figure:
    """Draw the ten strongest features, one point per customer."""
    return _drawn(_shap().plots.beeswarm, 4.8, _strongest(explained), max_display=SHOWN, plot_size=None)


def bar(explained: Explained) -> Figure:
    """Draw the mean absolute contribution of the ten strongest features."""
    return _drawn(_shap().plots.bar, 4.8, _strongest(explained), max_display=SHOWN)


def _strongest(explained: Explained) -> Any:
    # Without the others: their sum would dwarf each of the ten.
    return explained.explanation(slice(None), explained.strongest[:SHOWN])


def dependence(explained: Explained, rank: int) -> Figure:
    """Draw one feature's value against its contribution; ``rank`` 0 is the strongest."""
    column = explained.explanation(slice(None), explained.strongest[rank : rank + 1])[:, 0]
    return _drawn(_shap().plots.scatter, 3.8, column, color=POINTS, dot_size=10)


def waterfall(explained: Explained, row: int) -> Figure:
    """Draw how one customer's log-odds come about."""
    features = range(len(explained.model.feature_names))
    return _drawn(_shap().plots.waterfall, 4.6, explained.explanation(slice(row, row + 1), features)[0], max_display=9)

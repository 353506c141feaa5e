"""SHAP's own plots of a model's exact contributions. Each function returns the figure."""

from __future__ import annotations

import warnings
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tenure.models.explain import labels_of
from tenure.models.model import PropensityModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = "#0b6e69"
LABEL_WIDTH = 26
SHOWN = 10


def _shap() -> Any:
    with warnings.catch_warnings():
        # On import shap asks notebooks for a progress-bar widget that nothing here uses.
        warnings.simplefilter("ignore")
        import shap
    return shap


def explanation(model: PropensityModel, table: pd.DataFrame, contributions: np.ndarray) -> Any:
    """Make a ``shap.Explanation`` of a table's exact contributions, in log-odds of the propensity."""
    shap = _shap()

    return shap.Explanation(
        values=contributions[:, :-1], base_values=contributions[:, -1], data=model.encoding.transform(table),
        display_data=_displayed(model, table), feature_names=[fill(label, LABEL_WIDTH) for label in labels_of(model.meanings)],
    )  # fmt: skip


def _displayed(model: PropensityModel, table: pd.DataFrame) -> np.ndarray:
    """Give each value as a reader knows it: a category by its name, not by its code."""
    shown = np.empty((len(table), len(model.feature_names)), dtype=object)
    for place, column in enumerate(model.encoding.columns):
        values = table[column.name]
        shown[:, place] = values.fillna("unknown") if column.is_text else values.astype(float)
    return shown


def _drawn(plot: Any, height: float, *arguments: Any, **options: Any) -> Figure:
    import matplotlib as mpl

    mpl.use("agg", force=False)
    from matplotlib import pyplot as plt

    # The beeswarm jitters points with numpy's global generator: seeded here, put back after.
    state = np.random.get_state()
    np.random.seed(0)
    before = plt.get_fignums()
    figure = plt.figure(figsize=(6.4, height))
    plot(*arguments, show=False, **options)
    np.random.set_state(state)
    current = plt.gcf()
    current.set_size_inches(6.4, height)
    for axes in current.axes:
        axes.tick_params(labelsize=9)
        axes.xaxis.label.set_fontsize(10)
        for collection in axes.collections:
            collection.set_rasterized(True)
    current.tight_layout()
    for number in plt.get_fignums():
        if number not in before:
            plt.close(number)
    return current if current is not figure else figure


def _strongest(explained: Any) -> Any:
    # Without the others: their sum would dwarf each of the ten.
    order = np.argsort(-np.abs(explained.values).mean(axis=0), kind="stable")
    return explained[:, [int(index) for index in order[:SHOWN]]]


def beeswarm(explained: Any) -> Figure:
    """Draw the ten strongest features, one point per customer."""
    shap = _shap()

    return _drawn(shap.plots.beeswarm, 4.8, _strongest(explained), max_display=SHOWN, plot_size=None)


def bar(explained: Any) -> Figure:
    """Draw the mean absolute contribution of the ten strongest features."""
    shap = _shap()

    return _drawn(shap.plots.bar, 4.8, _strongest(explained), max_display=SHOWN)


def dependence(explained: Any, rank: int) -> Figure:
    """Draw one feature's value against its contribution; ``rank`` 0 is the strongest."""
    shap = _shap()

    order = np.argsort(-np.abs(explained.values).mean(axis=0), kind="stable")
    column = explained[:, int(order[rank])]
    return _drawn(shap.plots.scatter, 3.8, column, color=POINTS, dot_size=10)


def waterfall(explained: Any, row: int) -> Figure:
    """Draw how one customer's log-odds come about."""
    shap = _shap()

    return _drawn(shap.plots.waterfall, 4.6, explained[row], max_display=9)

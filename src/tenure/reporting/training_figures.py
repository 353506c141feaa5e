"""All figures of one training, by the names that pages, notebooks and the MLflow run know them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenure.models.explain import driver_contributions
from tenure.models.training_result import TrainingResult
from tenure.reporting import figures, shap_figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw_training(result: TrainingResult, stake: pd.Series) -> dict[str, Figure]:
    """Draw a training: how good it is at the test cutoff, and what drives it."""
    by_driver = driver_contributions(result.model, result.contributions)
    explained = shap_figures.Explained(result.model, result.sample, result.contributions)
    order = [int(row) for row in result.sample["propensity"].to_numpy().argsort()]
    drawn = {
        "base_rate": figures.base_rate_over_time(result),
        "gain": figures.gain(result),
        "lift": figures.lift(result),
        "reliability": figures.reliability(result),
        "value": figures.value_by_contacts(result, stake),
        "drivers": figures.drivers(by_driver),
        "beeswarm": shap_figures.beeswarm(explained),
        "bar": shap_figures.bar(explained),
        "waterfall_high": shap_figures.waterfall(explained, order[-1]),
        "waterfall_middle": shap_figures.waterfall(explained, order[len(order) // 2]),
    }
    for rank in range(min(2, len(result.model.feature_names))):
        drawn[f"dependence_{rank + 1}"] = shap_figures.dependence(explained, rank)
    return drawn

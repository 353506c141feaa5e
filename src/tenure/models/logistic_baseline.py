"""The small model: a regularised logistic regression on a handful of features, the comparison and the fallback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tenure.models.calibrate import fit_calibrator
from tenure.models.cross_fit import Folds, grouped_folds
from tenure.models.encoding import EncodedColumn, Encoding
from tenure.models.estimators.forms import Linear, LinearColumn, rank_among
from tenure.models.model import FeatureMeaning, PropensityModel, find_usual
from tenure.models.settings import TrainingSettings
from tenure.models.train import TrainedModel

QUANTILES = 100


def train_logistic(
    table: pd.DataFrame,
    labels: np.ndarray,
    customers: np.ndarray,
    meanings: Sequence[FeatureMeaning],
    settings: TrainingSettings,
    *,
    about: dict[str, Any] | None = None,
    folds: Folds | None = None,
) -> TrainedModel:
    """Train the logistic regression as ``train_model`` trains trees: calibrator from folds grouped by customer.

    Only numeric features with a known value are used; with none of them it promises everyone the base rate.
    """
    usable = [m for m in meanings if pd.api.types.is_numeric_dtype(table[m.name]) and table[m.name].notna().any()]
    encoding = Encoding(tuple(EncodedColumn(meaning.name) for meaning in usable))
    matrix = encoding.transform(table)
    out_of_fold = np.empty(len(labels))
    for fitting, held_out in folds or grouped_folds(labels, customers, settings):
        out_of_fold[held_out] = fit_linear(matrix[fitting], labels[fitting]).raw_scores(matrix[held_out])
    usual = find_usual(table, encoding.names)
    model = PropensityModel(
        form=fit_linear(matrix, labels),
        encoding=encoding,
        calibrator=fit_calibrator(out_of_fold, labels),
        meanings=tuple(replace(meaning, usual=usual[meaning.name]) for meaning in usable),
        about=about or {},
    )
    return TrainedModel(model, settings, trees=0, out_of_fold=out_of_fold)


def fit_linear(matrix: np.ndarray, labels: np.ndarray) -> Linear:
    """Fit a logistic regression (ridge penalty) to the ranks of a matrix, unknown values marked by a column of their own."""
    from sklearn.linear_model import LogisticRegression

    if not matrix.shape[1]:
        rate = float(np.mean(labels))
        return Linear((), float(np.log(rate / (1 - rate))))
    grid = np.linspace(0, 1, min(QUANTILES, len(matrix)))
    unknown = np.isnan(matrix)
    # A column without any known value (in one fold) has one rank, and so no say.
    quantiles = [
        tuple(np.nanquantile(column, grid)) if not blank.all() else (0.0,) * len(grid)
        for column, blank in zip(matrix.T, unknown.T, strict=True)
    ]
    ranks = np.column_stack([rank_among(column, knots) for column, knots in zip(matrix.T, quantiles, strict=True)])
    fitted = LogisticRegression(max_iter=1000).fit(np.hstack([ranks, unknown]), labels)
    slopes, marks = np.split(fitted.coef_[0], 2)
    means = (slopes * ranks + marks * unknown).mean(axis=0)
    columns = [
        LinearColumn(knots, float(slope), float(mark), float(mean))
        for knots, slope, mark, mean in zip(quantiles, slopes, marks, means, strict=True)
    ]
    return Linear(tuple(columns), float(fitted.intercept_[0]))

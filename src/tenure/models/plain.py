"""The comparison next to the rule: a regularised logistic regression on a handful of features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def plain_propensities(
    fitting: pd.DataFrame, labels: np.ndarray, test: pd.DataFrame, names: Sequence[str]
) -> np.ndarray:
    """Fit on the fitting rows, score the test rows; the base rate where none of the features is at hand."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    usable = [
        n
        for n in names
        if n in fitting.columns and pd.api.types.is_numeric_dtype(fitting[n]) and fitting[n].notna().any()
    ]
    if not usable:
        return np.full(len(test), float(np.mean(labels)))
    # Amounts and counts are skewed: their ranks make the better regressors.
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(n_quantiles=min(100, len(fitting)), random_state=0),
        LogisticRegression(max_iter=1000),
    )
    model.fit(fitting[usable], labels)
    return np.asarray(model.predict_proba(test[usable])[:, 1])

"""Intervals over several cutoffs draw customers, not rows."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tenure.models.scorecard import clustered_interval


def mean_auc(tables):
    return float(np.mean([roc_auc_score(t["label"], t["propensity"]) for t in tables]))


def test_rows_repeated_at_every_cutoff_do_not_make_the_interval_narrower():
    generator = np.random.default_rng(3)
    scores = generator.random(300)
    labels = (generator.random(300) < scores).astype(int)
    table = pd.DataFrame({"customer_id": [f"c{n}" for n in range(300)], "label": labels, "propensity": scores})
    once = clustered_interval([table], mean_auc)
    thrice = clustered_interval([table, table, table], mean_auc)
    assert thrice == once
    assert once[0] < mean_auc([table]) < once[1]

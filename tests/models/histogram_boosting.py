"""scikit-learn's histogram gradient boosting as an estimator, in one file of a source's folder."""

import json

import numpy as np

from tenure.models.estimators.protocol import Estimator

# What a tree says of each of its nodes, as shap reads it.
NODES = (
    "children_left",
    "children_right",
    "children_default",
    "features",
    "thresholds",
    "values",
    "node_sample_weight",
)


class HistogramBoosting(Estimator):
    """Trees as tables of numbers: what is stored is JSON, and scoring needs numpy alone."""

    def __init__(self, trees, base):
        self.tables = [{name: np.asarray(tree[name]) for name in NODES} for tree in trees]
        self.base = base

    @classmethod
    def fit(cls, rows, settings, *, directions=(), rounds=0):
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        model = HistGradientBoostingClassifier(
            learning_rate=0.1, max_iter=40, max_leaf_nodes=settings.num_leaves, early_stopping=False,
            monotonic_cst=list(directions) or None, random_state=settings.seed,
        )  # fmt: skip
        # More threads than free cores wait for each other.
        with threadpool_limits(1):
            model.fit(rows.matrix, rows.labels, sample_weight=rows.weights)
        return cls([_table(tree.nodes) for (tree,) in model._predictors], float(model._baseline_prediction.item()))

    def raw_scores(self, matrix):
        scores = np.full(len(matrix), self.base)
        rows = np.arange(len(matrix))
        for tree in self.tables:
            at = np.zeros(len(matrix), dtype=int)
            while (inner := tree["children_left"][at] >= 0).any():
                asked = matrix[rows, np.maximum(tree["features"][at], 0)]
                left = np.where(asked <= tree["thresholds"][at], tree["children_left"][at], tree["children_right"][at])
                at = np.where(inner, np.where(np.isnan(asked), tree["children_default"][at], left), at)
            scores += tree["values"][at, 0]
        return scores

    def trees(self):
        # Float64 throughout: shap's own default, float32, could send a row the other way.
        kinds = {"input_dtype": np.float64, "internal_dtype": np.float64}
        return {"trees": self.tables, "base_offset": self.base, "tree_output": "raw_value"} | kinds

    def describe(self):
        return f"histogram gradient boosting ({len(self.tables)} trees)"

    def dump(self):
        return json.dumps({"base": self.base, "trees": [{k: v.tolist() for k, v in t.items()} for t in self.tables]})

    @classmethod
    def load(cls, text):
        return cls(**json.loads(text))


def _table(nodes):
    leaf = nodes["is_leaf"] == 1
    left, right = (np.where(leaf, -1, nodes[side].astype(int)) for side in ("left", "right"))
    return {
        "children_left": left, "children_right": right, "children_default": np.where(nodes["missing_go_to_left"] == 1, left, right),
        "features": np.where(leaf, -2, nodes["feature_idx"]), "thresholds": np.where(leaf, 0.0, nodes["num_threshold"]),
        "values": nodes["value"][:, None], "node_sample_weight": nodes["count"].astype(float),
    }  # fmt: skip


ESTIMATOR = HistogramBoosting

"""What goes with what: a linear model of each product on all others, in closed form.

Source: Steck (2019), Embarrassingly shallow autoencoders for sparse data.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits


def bought_both(held: csr_matrix) -> np.ndarray:
    """Count the customers who bought both of two items; on the diagonal, those of one."""
    return np.asarray((held.T @ held).toarray(), dtype=np.float64)


def ease(both: np.ndarray, ridge: float) -> np.ndarray:
    """Fit the weight with which having one item (row) speaks for another (column); none speaks for itself.

    Each column is the ridge regression of an item on all others: B = -P / diag(P), P the inverse of the customers who
    bought both, plus the ridge on its diagonal. ``ridge`` is in mean customers per item, so that it means the same in
    a small shop and in a large one.

    Examples
    --------
    >>> ease(np.array([[4.0, 2.0], [2.0, 4.0]]), ridge=1.0)
    array([[0.  , 0.25],
           [0.25, 0.  ]], dtype=float32)
    """
    items = np.arange(len(both))
    penalised = both.copy()
    penalised[items, items] += ridge * max(float(np.diag(both).mean()), 1.0)
    # One thread: sums in one order, and on a busy machine faster than threads that wait for each other.
    with threadpool_limits(1):
        inverse = dpotri(dpotrf(penalised, overwrite_a=True)[0], overwrite_c=True)[0]
    inverse = np.triu(inverse) + np.triu(inverse, 1).T
    weights = -inverse / np.diag(inverse)
    weights[items, items] = 0.0
    return np.asarray(weights, dtype=np.float32)

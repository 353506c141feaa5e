"""What a ranking of customers, or a promise about them, is worth by the doubly robust gains of randomised contacts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from tenure.effects.estimate import Array, Estimate, from_influence

PER = 1_000


def qini_curve(ranking: ArrayLike, gains: ArrayLike, cost: ArrayLike = 1.0) -> pd.DataFrame:
    """Contact the highest first: a ranking, gains and costs per row  =>  one row per place, that of nobody first.

    => contacted, spent (shares of all rows and costs), gain (per 1,000 rows), at_random (of the same spent at random)

    >>> qini_curve([2, 1], [3.0, 1.0])["gain"].tolist()
    [0.0, 1500.0, 2000.0]
    """
    order = np.argsort(-np.asarray(ranking, float), kind="stable")
    earned, paid = np.asarray(gains, float)[order], np.broadcast_to(np.asarray(cost, float), len(order))[order]
    count = len(order)
    curve = pd.DataFrame({
        "contacted": np.arange(count + 1) / count,
        "spent": np.concatenate([[0.0], paid.cumsum() / paid.sum()]),
        "gain": np.concatenate([[0.0], PER * earned.cumsum() / count]),
    })  # fmt: skip
    return curve.assign(at_random=curve["spent"] * curve["gain"].iloc[-1])


def qini(ranking: ArrayLike, gains: ArrayLike, customers: ArrayLike, *, cost: ArrayLike = 1.0) -> Estimate:
    """Measure the area between a ranking's curve and the same spent at random, in gains per 1,000 rows.

    ``gains``: doubly robust pseudo-outcomes, or outcomes signed and weighted by 1/chance, of rows that the ranking did
    not learn from. ``cost``: of contacting each row. Ties count as drawn at random.

    Source: Radcliffe (2007), Qini; with costs: Sverdrup, Wu, Athey, Wager (2024), Qini curves for multi-armed treatment
    rules. As an average over rows, the area has the interval of a mean.

    >>> round(qini([2, 1], [3.0, 1.0], ["ana", "bo"]).value)  # of the curve 0, 1,500, 2,000
    250
    """
    return from_influence(*area(ranking, gains, cost), customers)


def qini_difference(
    ranking: ArrayLike, other: ArrayLike, gains: ArrayLike, customers: ArrayLike, *, cost: ArrayLike = 1.0
) -> Estimate:
    """Compare two rankings of the same rows: the first's area less the other's, paired."""
    (one, moved), (two, moved_too) = (area(each, gains, cost) for each in (ranking, other))
    return from_influence(one - two, moved - moved_too, customers)


def area(ranking: ArrayLike, gains: ArrayLike, cost: ArrayLike) -> tuple[float, Array]:
    """Return the area and what each row adds to it: by its own gain, and by pushing the rows behind it back."""
    earned = PER * np.asarray(gains, float)
    places = np.asarray(stats.rankdata(-np.asarray(ranking, float), "dense")) - 1
    paid = np.broadcast_to(np.asarray(cost, float), len(earned))
    paid = paid / paid.mean()
    spent, gained = np.bincount(places, paid) / len(earned), np.bincount(places, earned) / len(earned)
    before = (np.cumsum(spent) - spent / 2)[places]
    behind = (np.cumsum(gained[::-1])[::-1] - gained / 2)[places]
    value = float((earned * (0.5 - before)).mean())
    pushed = paid * behind
    return value, earned * (0.5 - before) - value - (pushed - pushed.mean() * paid)


def promise_kept(promised: ArrayLike, gains: ArrayLike, contacted: ArrayLike, customers: ArrayLike) -> Estimate:
    """Divide what was promised of the contacted by what came true, 1 = as promised: effects, gains and choices per row.

    ``promised`` and ``contacted`` come from a model that did not learn from the rows.

    >>> promise_kept([3.0, 3.0, 9.0], [1.0, 2.0, 0.0], [True, True, False], ["ana", "bo", "cy"]).value
    2.0
    """
    chosen = np.asarray(contacted, float)
    said, won = np.asarray(promised, float) * chosen, np.asarray(gains, float) * chosen
    if not won.mean():
        return Estimate(np.nan, -np.inf, np.inf)
    ratio = float(said.mean() / won.mean())
    return from_influence(ratio, (said - ratio * won) / won.mean(), customers)

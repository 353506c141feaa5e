"""Which mix recommends best, found out of time: on what was known four weeks ago, judged by what was bought since."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.special import expit, logit

from tenure.customers.recommenders.ease import bought_both, ease
from tenure.customers.recommenders.purchases import POPULAR_DAYS, Purchases
from tenure.customers.recommenders.ranking import DISCOVERY, REPEAT, Block, Mix
from tenure.customers.value_models.comparison import resampled_means

TEST_DAYS = 28
LISTED = 10
TESTED, FEWEST = 5_000, 30
SEED = 7
RIDGES = (3.0, 1.0, 10.0)
POWERS = (0.3, 0.0, 0.6, 1.0)
LOOKS = (0.0, 0.1, 0.5)
# What is tried, one after the other, the first value to begin with; of equals the earlier.
GRIDS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    DISCOVERY: {"ridge": RIDGES, "power": POWERS, "looks": LOOKS},
    REPEAT: {"half_life": (np.inf, 120.0, 60.0), "ease": (0.0, 0.5, 1.0, 2.0), "power": POWERS, "looks": LOOKS},
}
# The rules that a shop would use without a model.
PLAIN = {DISCOVERY: Mix(ease=0.0, power=1.0), REPEAT: Mix(ease=0.0, power=0.0)}
PLAIN_NAME = {DISCOVERY: f"popularity of {POPULAR_DAYS} days", REPEAT: "purchases counted"}
PROTOCOL = (
    f"NDCG@{LISTED} over customers who bought such an item in the last {TEST_DAYS} days, by what was known before them; "
    "the mix was chosen on the same days; interval 95 %, customers drawn"
)


@dataclass(frozen=True)
class Chance:
    """The chance that an item is bought in the next 28 days, by the logarithm of its score; never falling."""

    level: float
    slope: float = 0.0

    def of(self, score: np.ndarray) -> np.ndarray:
        return np.asarray(expit(self.level + self.slope * np.log(score.astype(float))).round(6))


@dataclass(frozen=True)
class Chosen:
    """Per kind the mix and the chances of its scores. ``quality``: one row per kind, how good it was and how tested."""

    mixes: Mapping[str, Mix]
    chances: Mapping[str, Chance]
    quality: pd.DataFrame


def choose(purchases: Purchases, fewest_customers: float) -> Chosen:
    """Choose a mix for repeats and one for discoveries; where too few bought such items, the usual one untested."""
    then = purchases.before(TEST_DAYS)
    usable = then.customers_of >= fewest_customers
    customers = _sampled(then.bought["customer"].unique())
    both = bought_both(then.held)
    blocks = {ridge: Block(then, customers, ease(both, ridge), usable) for ridge in RIDGES}
    bought = purchases.bought_since(TEST_DAYS)[customers] @ _diagonal(usable)
    again = bought.multiply(blocks[RIDGES[0]].known.held).tocsr()
    relevant = {DISCOVERY: (bought - again).tocsr(), REPEAT: again}
    mixes, chances, rows = {}, {}, []
    for kind in (DISCOVERY, REPEAT):
        outcome = relevant[kind]
        outcome.eliminate_zeros()
        judge = partial(_judged, blocks, kind, outcome)
        asked = int((np.diff(outcome.indptr) > 0).sum())
        ridge = mixes[DISCOVERY].ridge if kind == REPEAT else RIDGES[0]
        grid = {name: tried for name, tried in GRIDS[kind].items() if name != "looks" or len(purchases.looked)}
        usual = Mix(ridge=ridge, ease=1.0 if kind == DISCOVERY else 0.5)
        mixes[kind] = _best(grid, usual, lambda mix: float(judge(mix).mean())) if asked >= FEWEST else usual
        listed = blocks[mixes[kind].ridge].listed(kind, mixes[kind], LISTED)
        chances[kind] = _chance(listed["score"].to_numpy(), _at(outcome, listed))
        measured = _measured(judge(mixes[kind]), judge(PLAIN[kind])) if asked >= FEWEST else {}
        rows.append({"kind": kind, "mix": mixes[kind].in_words(kind), "customers": asked} | measured)
    columns = ["kind", "mix", "customers", "ndcg", "ndcg_low", "ndcg_high", "plain", "ndcg_plain"]
    quality = pd.DataFrame(rows).assign(plain=[PLAIN_NAME[row["kind"]] for row in rows])
    return Chosen(mixes, chances, quality.reindex(columns=columns).assign(protocol=PROTOCOL))


def ndcg(listed: pd.DataFrame, relevant: csr_matrix) -> np.ndarray:
    """Measure lists of ten by the normalised discounted cumulative gain of what was relevant, as 1.

    Source: Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques.

    customer, item, rank (from 0) => one value per customer (row of ``relevant``) with anything relevant, in order
    """
    discounts = 1 / np.log2(np.arange(LISTED) + 2)
    within = listed[listed["rank"] < LISTED]
    gains = _at(relevant, within) * discounts[within["rank"]]
    total = np.bincount(within["customer"], gains, minlength=relevant.shape[0])
    counts = np.diff(relevant.indptr)
    ideal = np.cumsum(discounts)[np.minimum(counts, LISTED) - 1]
    return np.asarray((total / ideal)[counts > 0])


def _judged(blocks: Mapping[float, Block], kind: str, outcome: csr_matrix, mix: Mix) -> np.ndarray:
    return ndcg(blocks[mix.ridge].listed(kind, mix, LISTED), outcome)


def _best(grid: Mapping[str, Sequence[float]], mix: Mix, judge: Callable[[Mix], float]) -> Mix:
    """Try the values of one number after the other, each with the best of those before it."""
    for name, tried in grid.items():
        mix = max((replace(mix, **{name: value}) for value in tried), key=judge)
    return mix


def _measured(chosen: np.ndarray, plain: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(resampled_means(chosen[:, None]), [0.025, 0.975])
    values = {"ndcg": chosen.mean(), "ndcg_low": low, "ndcg_high": high, "ndcg_plain": plain.mean()}
    return {name: round(float(value), 6) for name, value in values.items()}


def _chance(score: np.ndarray, bought: np.ndarray) -> Chance:
    """Fit a logistic regression on the logarithm of the score; one chance for all where it says nothing."""
    from sklearn.linear_model import LogisticRegression

    level = Chance(float(logit((bought.sum() + 1) / (len(bought) + 2))))
    logs = np.log(score.astype(float))
    if min(bought.sum(), (1 - bought).sum()) < FEWEST or np.ptp(logs) == 0:
        return level
    fitted = LogisticRegression(C=1e6).fit(logs[:, None], bought)
    slope = float(fitted.coef_[0, 0])
    return Chance(float(fitted.intercept_[0]), slope) if slope > 0 else level


def _at(relevant: csr_matrix, listed: pd.DataFrame) -> np.ndarray:
    return np.asarray(relevant[listed["customer"].to_numpy(), listed["item"].to_numpy()]).ravel()


def _diagonal(usable: np.ndarray) -> csr_matrix:
    places = np.arange(len(usable))
    return csr_matrix((usable.astype(np.float32), (places, places)))


def _sampled(customers: np.ndarray) -> np.ndarray:
    if len(customers) <= TESTED:
        return customers
    return np.sort(np.random.default_rng(SEED).choice(customers, TESTED, replace=False))

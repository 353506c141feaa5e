"""Which mix recommends best, found out of time: on what was known four weeks ago, judged by what was bought since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
FITTED, TESTED, FEWEST = 100_000, 5_000, 30
SEED = 7
RIDGES = (3.0, 1.0, 10.0)
# Where each search starts, and what is tried, one number after the other; of equals the first.
USUAL = {DISCOVERY: Mix(popular=0.03), REPEAT: Mix(power=0.3)}
LOOKS = (0.0, 0.03, 0.1, 0.3)
GRIDS: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    DISCOVERY: {"ridge": RIDGES, "popular": (0.03, 0.01, 0.06, 0.1, 0.2), "looks": LOOKS},
    REPEAT: {
        "half_life": (np.inf, 120.0, 60.0), "popular": (0.0, 0.3, 1.0), "power": (0.3, 0.0, 0.6, 1.0), "looks": LOOKS,
    },
}  # fmt: skip
# The rules that a shop would use without a model.
PLAIN = {DISCOVERY: Mix(ease=0.0, popular=1.0), REPEAT: Mix()}
PLAIN_NAME = {DISCOVERY: f"popularity of {POPULAR_DAYS} days", REPEAT: "purchases counted"}
PROTOCOL = (
    f"NDCG@{LISTED} over customers who bought such an item in the last {TEST_DAYS} days, by what was known before them; "
    "the mix was chosen on the same days; interval 95 %, customers drawn"
)


@dataclass(frozen=True)
class Chance:
    """The chance that an item is bought in the next 28 days: a logistic regression on logarithms.

    Of the item's score, never falling, and of how much its customer buys.
    """

    level: float
    score: float = 0.0
    activity: float = 0.0

    def of(self, score: np.ndarray, activity: np.ndarray) -> np.ndarray:
        odds = self.level + self.score * np.log(score.astype(float)) + self.activity * np.log1p(activity.astype(float))
        return np.asarray(expit(odds).round(6))


@dataclass(frozen=True)
class Chosen:
    """Per kind the mix and the chances of its scores. ``quality``: one row per kind, how good it was and how tested."""

    mixes: Mapping[str, Mix]
    chances: Mapping[str, Chance]
    quality: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Trial:
    """Some customers at an earlier moment, one block per ridge, and by kind what each bought since, as 1."""

    blocks: Mapping[float, Block]
    relevant: Mapping[str, csr_matrix]

    @classmethod
    def of(cls, blocks: Mapping[float, Block], since: csr_matrix) -> Trial:
        """Split what was bought since into discoveries and repeats, of the items that could be recommended then."""
        block = next(iter(blocks.values()))
        bought = since[block.customers].multiply(block.open).tocsr()
        again = bought.multiply(block.known.held).tocsr()
        found = {DISCOVERY: (bought - again).tocsr(), REPEAT: again}
        for matrix in found.values():
            matrix.eliminate_zeros()
        return cls(blocks, found)

    def asked(self, kind: str) -> int:
        """Count the customers with anything to find."""
        return int((np.diff(self.relevant[kind].indptr) > 0).sum())

    def listed(self, kind: str, mix: Mix) -> pd.DataFrame:
        return self.blocks[mix.ridge].listed(kind, mix, LISTED)

    def ndcg(self, kind: str, mix: Mix) -> np.ndarray:
        return ndcg(self.listed(kind, mix), self.relevant[kind])

    def best(self, kind: str, mix: Mix, *, has_looks: bool) -> Mix:
        """Try the values of one number after the other, each with the best of those before it."""
        for name, tried in GRIDS[kind].items():
            if name != "looks" or has_looks:
                mixes = [replace(mix, **{name: value}) for value in tried]
                mix = max(mixes, key=lambda tested: self.ndcg(kind, tested).mean())
        return mix

    def chance(self, kind: str, mix: Mix) -> Chance:
        """Fit the chances of a mix; one for all where the score says nothing."""
        from sklearn.linear_model import LogisticRegression

        listed = self.listed(kind, mix)
        bought = _at(self.relevant[kind], listed)
        level = Chance(float(logit((bought.sum() + 1) / (len(bought) + 2))))
        activity = self.blocks[mix.ridge].known.activity[listed["customer"]]
        told = np.column_stack([np.log(listed["score"].astype(float)), np.log1p(activity)])
        if min(bought.sum(), (1 - bought).sum()) < FEWEST:
            return level
        fitted = LogisticRegression(C=1e6).fit(told, bought)
        chance = Chance(float(fitted.intercept_[0]), *map(float, fitted.coef_[0]))
        return chance if chance.score > 0 else level


def choose(purchases: Purchases, fewest_customers: float) -> Chosen:
    """Choose a mix for repeats and one for discoveries; where too few bought such items, the usual one untested."""
    fitted = _sampled(np.arange(purchases.shape[0]), FITTED)
    fewest_customers *= len(fitted) / max(purchases.shape[0], 1)
    purchases = purchases.of(fitted) if len(fitted) < purchases.shape[0] else purchases
    then, since = purchases.before(TEST_DAYS), purchases.bought_since(TEST_DAYS)
    usable = then.customers_of >= fewest_customers
    known = then.bought["customer"].unique()
    both = bought_both(then.held)
    weights = {ridge: ease(both, ridge) for ridge in RIDGES}
    # Mixes are compared on who bought; what the chances are, everybody says.
    buyers = _sampled(known[np.diff(since.indptr)[known] > 0], TESTED)
    trial = Trial.of({ridge: Block(then, buyers, weights[ridge], usable) for ridge in RIDGES}, since)
    mixes: dict[str, Mix] = {}
    rows = []
    for kind in (DISCOVERY, REPEAT):
        mix = replace(USUAL[kind], ridge=mixes[DISCOVERY].ridge) if mixes else USUAL[kind]
        is_tested = trial.asked(kind) >= FEWEST
        mixes[kind] = trial.best(kind, mix, has_looks=len(purchases.looked) > 0) if is_tested else mix
        measured = _measured(trial, kind, mixes[kind]) if is_tested else {}
        about = {"kind": kind, "mix": mixes[kind].in_words(kind), "customers": trial.asked(kind)}
        rows.append(about | measured | {"plain": PLAIN_NAME[kind]})
    ridge = mixes[DISCOVERY].ridge
    everybody = Trial.of({ridge: Block(then, _sampled(known, TESTED), weights[ridge], usable)}, since)
    columns = ["kind", "mix", "customers", "ndcg", "ndcg_low", "ndcg_high", "plain", "ndcg_plain"]
    quality = pd.DataFrame(rows).reindex(columns=columns).assign(protocol=PROTOCOL)
    return Chosen(mixes, {kind: everybody.chance(kind, mix) for kind, mix in mixes.items()}, quality)


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


def _measured(trial: Trial, kind: str, mix: Mix) -> dict[str, float]:
    chosen, plain = trial.ndcg(kind, mix), trial.ndcg(kind, PLAIN[kind])
    low, high = np.quantile(resampled_means(chosen[:, None]), [0.025, 0.975])
    values = {"ndcg": chosen.mean(), "ndcg_low": low, "ndcg_high": high, "ndcg_plain": plain.mean()}
    return {name: round(float(value), 6) for name, value in values.items()}


def _at(relevant: csr_matrix, listed: pd.DataFrame) -> np.ndarray:
    return np.asarray(relevant[listed["customer"].to_numpy(), listed["item"].to_numpy()]).ravel()


def _sampled(customers: np.ndarray, most: int) -> np.ndarray:
    if len(customers) <= most:
        return customers
    return np.sort(np.random.default_rng(SEED).choice(customers, most, replace=False))

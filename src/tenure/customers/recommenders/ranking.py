"""From what a customer had, looked at, and what is popular to two lists: what to buy again, and what to discover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tenure.customers.recommenders.purchases import History

REPEAT, DISCOVERY = "repeat", "discovery"
# What nobody bought of late is not worth nothing.
LEAST_POPULAR = 0.02


@dataclass(frozen=True)
class Mix:
    """How a score is mixed.

    (purchases + ``looks`` x looks + ``ease`` x EASE + ``popular`` x popularity) x popularity ^ ``power``

    ``half_life``: days after which a purchase counts half; for discoveries there are none. EASE, of this ``ridge``, is
    divided by the root of how many items a customer has: it adds up over them, and popularity does not.
    """

    half_life: float = np.inf
    looks: float = 0.0
    ease: float = 1.0
    popular: float = 0.0
    power: float = 0.0
    ridge: float = 3.0

    def in_words(self, kind: str) -> str:
        counts = "purchases" if np.isinf(self.half_life) else f"purchases (half after {self.half_life:g} days)"
        parts = [counts] if kind == REPEAT else []
        parts += [f"{self.looks:g} x looks"] if self.looks else []
        parts += [f"{self.ease:g} x EASE (ridge {self.ridge:g})"] if self.ease else []
        parts += [f"{self.popular:g} x popularity"] if self.popular else []
        return f"({' + '.join(parts)}) x popularity^{self.power:g}" if self.power else " + ".join(parts)


@dataclass(frozen=True, eq=False)
class Block:
    """Some customers, and what EASE (``weights``) makes of their purchases. ``open``: items that may be recommended."""

    history: History
    customers: np.ndarray
    weights: np.ndarray
    open: np.ndarray

    @cached_property
    def known(self) -> History:
        return self.history.of(self.customers)

    @cached_property
    def near(self) -> np.ndarray:
        items = np.maximum(np.diff(self.known.held.indptr), 1).astype(np.float32)
        return np.asarray(np.maximum(self.known.held @ self.weights, 0.0) / np.sqrt(items)[:, None])

    def listed(self, kind: str, mix: Mix, length: int) -> pd.DataFrame:
        """=> customer (place in the block), item, score, rank (from 0); at most ``length`` a customer, the best first"""
        customer, item, score = (self._repeats if kind == REPEAT else self._discoveries)(mix, length)
        return top(customer, item, score, length)

    def _repeats(self, mix: Mix, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = self.known.decayed(mix.half_life)
        if mix.looks:
            own = own + self.known.looks.multiply(self.known.held) * mix.looks
        own = own.tocoo()
        near = mix.ease * self.near[own.row, own.col] if mix.ease else 0.0
        score = (own.data + near + mix.popular * self.popular[own.col]) * self._lift(mix)[own.col]
        may = self.open[own.col]
        return own.row[may], own.col[may], score[may]

    def _discoveries(self, mix: Mix, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        score = mix.ease * self.near + np.float32(mix.popular) * self.popular
        if mix.looks:
            score += mix.looks * self.known.looks.toarray()
        score *= self._lift(mix)
        had = self.known.held.tocoo()
        score[had.row, had.col] = 0.0
        score[:, ~self.open] = 0.0
        # Whatever reaches the last place's score, so that ties are broken by item and not by a partition's whim.
        place = max(score.shape[1] - length, 0)
        least = np.partition(score, place, axis=1)[:, place]
        customer, item = np.nonzero(score >= np.maximum(least, np.finfo(np.float32).tiny)[:, None])
        return customer, item, score[customer, item]

    @cached_property
    def popular(self) -> np.ndarray:
        return np.asarray(self.history.popularity / max(self.history.popularity.max(), 1), dtype=np.float32)

    def _lift(self, mix: Mix) -> np.ndarray:
        return (self.popular + np.float32(LEAST_POPULAR)) ** np.float32(mix.power)


def top(customer: np.ndarray, item: np.ndarray, score: np.ndarray, length: int) -> pd.DataFrame:
    """Rank each customer's items by score, ties by item. => customer, item, score, rank (from 0)"""
    order = np.lexsort((item, -score, customer))
    customer, item, score = customer[order], item[order], score[order]
    starts = np.flatnonzero(np.diff(customer, prepend=-1))
    rank = np.arange(len(customer)) - np.repeat(starts, np.diff(starts, append=len(customer)))
    kept = rank < length
    found = {"customer": customer, "item": item, "score": score, "rank": rank}
    return pd.DataFrame({name: values[kept] for name, values in found.items()})


def spread(listed: pd.DataFrame, most: int) -> pd.DataFrame:
    """Put no item first in more than ``most`` lists: beyond them, who scores it less begins with the next of the list.

    customer, item, score, rank => the same, ranked anew; a list without any item left to begin with is left out
    """
    first = pd.Series(False, index=listed.index)
    room = np.full(int(listed["item"].max()) + 1 if len(listed) else 0, most)
    waiting = listed.sort_values(["rank", "score", "customer"], ascending=[True, False, True])
    for rank in range(int(listed["rank"].max()) + 1 if len(listed) else 0):
        asked = waiting[waiting["rank"] == rank]
        taken = asked[asked.groupby("item").cumcount() < room[asked["item"]]]
        room -= np.bincount(taken["item"], minlength=len(room))
        first[taken.index] = True
        waiting = waiting[~waiting["customer"].isin(taken["customer"])]
    kept = listed.assign(later=~first)[~listed["customer"].isin(waiting["customer"])]
    kept = kept.sort_values(["customer", "later", "rank"], ignore_index=True).drop(columns="later")
    return kept.assign(rank=kept.groupby("customer").cumcount())

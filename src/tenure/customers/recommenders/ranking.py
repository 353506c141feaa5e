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

    Repeats: (purchases + ``looks`` x looks + ``popular`` x popularity) x popularity ^ ``power``; a purchase counts half
    after every ``half_life`` days. Discoveries: ``ease`` x EASE + ``looks`` x looks + ``popular`` x popularity; EASE, of
    this ``ridge``, is divided by the root of how many items a customer has: it adds up over them, popularity does not.
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
        parts += [f"{self.ease:g} x EASE (ridge {self.ridge:g})"] if self.ease and kind == DISCOVERY else []
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
        near = self.known.held.multiply(1 / np.sqrt(np.maximum(self.known.held.sum(axis=1), 1))).tocsr() @ self.weights
        return np.asarray(np.maximum(near, 0.0, out=near))

    def listed(self, kind: str, mix: Mix, length: int) -> pd.DataFrame:
        """=> customer (place in the block), item, score, rank (from 0); at most ``length`` a customer, the best first"""
        customer, item, score = (self._repeats if kind == REPEAT else self._discoveries)(mix, length)
        return top(customer, item, score, length)

    def _repeats(self, mix: Mix, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        own = self.known.decayed(mix.half_life)
        if mix.looks:
            own = own + self.known.looks.multiply(self.known.held) * mix.looks
        own = own.tocoo()
        score = (own.data + mix.popular * self.popular[own.col]) * self._lift(mix)[own.col]
        may = self.open[own.col]
        return own.row[may], own.col[may], score[may]

    def _discoveries(self, mix: Mix, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        score = self.near * np.float32(mix.ease)
        score += np.float32(mix.popular) * self.popular
        if mix.looks:
            score += mix.looks * self.known.looks.toarray()
        had = self.known.held.tocoo()
        score[had.row, had.col] = 0.0
        score[:, ~self.open] = 0.0
        # Whatever reaches the last place's score, so that ties are broken by item and not by a partition's whim.
        place = max(score.shape[1] - length, 0)
        least = np.partition(score, place, axis=1)[:, place]
        place = np.flatnonzero(score >= np.maximum(least, np.finfo(np.float32).tiny)[:, None])
        customer, item = np.divmod(place, score.shape[1])
        return customer, item, score.ravel()[place]

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

    customer, item, score, rank => the same in the same order, ranked anew; a list without any item left to begin with
    is left out
    """
    customers, ranks = (int(listed[name].max()) + 1 if len(listed) else 0 for name in ("customer", "rank"))
    room = np.full(int(listed["item"].max()) + 1 if len(listed) else 0, most)
    first = np.full(customers, ranks)  # the former rank of what a customer's list begins with
    for rank in range(ranks):
        asked = listed[(listed["rank"] == rank) & (first[listed["customer"]] == ranks)]
        asked = asked.sort_values(["score", "customer"], ascending=[False, True])
        taken = asked[asked.groupby("item").cumcount() < room[asked["item"]]]
        room -= np.bincount(taken["item"], minlength=len(room))
        first[taken["customer"]] = rank
    begins, rank = first[listed["customer"]], listed["rank"].to_numpy()
    anew = np.where(rank == begins, 0, rank + (rank < begins))
    return listed.assign(rank=anew.astype(np.int16))[begins < ranks]

"""Intervals of the metrics that have no closed form: customers are drawn with replacement, hundreds of times."""

from __future__ import annotations

import numpy as np

from tenure.core.auc import CONFIDENCE

BINS = 10
DRAWS = 200


class RankedCustomers:
    """Customers of one cutoff, highest propensity first.

    Each metric can be asked again for any number of copies of each.
    """

    def __init__(self, labels: np.ndarray, propensities: np.ndarray) -> None:
        order = np.argsort(-np.asarray(propensities, dtype=float), kind="stable")
        self._propensities = np.clip(np.asarray(propensities, dtype=float)[order], 1e-6, 1 - 1e-6)
        self.labels = np.asarray(labels)[order]
        # Equal propensities are one step of the ranking.
        self._steps = np.flatnonzero(np.append(np.diff(self._propensities) != 0, True))
        likelihood = np.where(self.labels == 1, self._propensities, 1 - self._propensities)
        self._losses = -np.log(likelihood)

    def metrics(self, copies: np.ndarray, contacts: float) -> dict[str, float]:
        """Return average_precision, log_loss, ece, lift_top_decile and lift_at_capacity, each customer counted
        ``copies`` times.

        ``contacts``: the share of customers that can be contacted.
        """
        customers, positives = float(copies.sum()), float((copies * self.labels).sum())
        seen, found = np.cumsum(copies), np.cumsum(copies * self.labels)
        promised = np.cumsum(copies * self._propensities)
        at, hits = seen[self._steps], found[self._steps]
        precision = np.divide(hits, at, out=np.zeros(len(at)), where=at > 0)
        edges = np.linspace(0, customers, BINS + 1)
        gaps = np.diff(self._at(edges, seen, found)) - np.diff(self._at(edges, seen, promised))
        base_rate = positives / customers

        def lift(share: float) -> float:
            return float(self._at(np.array([share * customers]), seen, found)[0]) / (share * customers) / base_rate

        return {
            "average_precision": float((np.diff(hits, prepend=0.0) * precision).sum()) / positives,
            "log_loss": float((copies * self._losses).sum()) / customers,
            "ece": float(np.abs(gaps).sum()) / customers,
            "lift_top_decile": lift(1 / BINS),
            "lift_at_capacity": lift(contacts),
        }

    @staticmethod
    def _at(places: np.ndarray, seen: np.ndarray, summed: np.ndarray) -> np.ndarray:
        """Return a running sum after so many customers, in proportion inside a step."""
        return np.asarray(np.interp(places, np.append(0, seen), np.append(0, summed)))


def metric_intervals(
    labels: np.ndarray, propensities: np.ndarray, contacts: float, *, draws: int = DRAWS, seed: int = 7
) -> dict[str, float]:
    """Return ``<metric>_low`` and ``<metric>_high`` of the metrics above: 95 % intervals, customers of one cutoff drawn
    anew.

    Source: Efron and Tibshirani (1993), percentile bootstrap.
    """
    ranked = RankedCustomers(labels, propensities)
    generator = np.random.default_rng(seed)
    count = len(labels)
    drawn: list[dict[str, float]] = []
    while len(drawn) < draws:
        copies = np.bincount(generator.integers(0, count, count), minlength=count)
        if 0 < copies @ ranked.labels < count:
            drawn.append(ranked.metrics(copies, contacts))
    tail = (1 - CONFIDENCE) / 2
    ends = {name: np.quantile([d[name] for d in drawn], [tail, 1 - tail]) for name in drawn[0]}
    return {
        f"{name}_{end}": float(value)
        for name, both in ends.items()
        for end, value in zip(("low", "high"), both, strict=True)
    }

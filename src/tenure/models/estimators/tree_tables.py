"""Exact SHAP values of small trees by looking them up.

Which way a row goes at each of a tree's few splits decides every contribution of that tree. So the contributions of all
2^splits ways are computed once; a row's are found by its way. Same values as TreeSHAP, an order of magnitude sooner.
Source: Yang (2021), Fast TreeSHAP; the values are those of Lundberg et al. (2020), path-dependent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

# A table has 2^splits rows: beyond eight splits LightGBM's own way is better.
MAX_SPLITS = 8
# Rows at a time: what is added to stays in the processor's cache.
ROWS_AT_A_TIME = 8192


@dataclass(frozen=True)
class Split:
    """One question of a tree: a number at most the threshold, or a category among the levels, goes left."""

    feature: int
    threshold: float
    levels: frozenset[int] | None
    unknown_goes_left: bool

    def goes_left(self, values: np.ndarray, unknown: np.ndarray | None) -> np.ndarray:
        """Answer for each value; ``unknown`` marks the missing ones, None where there are none."""
        if self.levels is not None:
            # A missing category is in no set of levels.
            return np.isin(values, list(self.levels))
        left = np.asarray(values <= self.threshold)
        return left if unknown is None or not self.unknown_goes_left else left | unknown


@dataclass(frozen=True)
class TreeTable:
    """``values``: contribution per way (2^splits) of each of ``features``.

    ``base`` is the tree's mean over its fitting rows.
    """

    splits: tuple[Split, ...]
    features: tuple[int, ...]
    values: np.ndarray
    base: float


@dataclass(frozen=True)
class _Step:
    """A split on the way to a leaf: its place, whether the leaf lies left of it, and the share of rows going there."""

    place: int
    is_left: bool
    share: float


def tables_of(trees: Sequence[dict[str, Any]]) -> list[TreeTable] | None:
    """Build the tables of a booster's dumped trees (``tree_info``); None where a tree has too many splits."""
    if any(tree["num_leaves"] - 1 > MAX_SPLITS for tree in trees):
        return None
    return [_table(tree["tree_structure"]) for tree in trees]


def look_up(tables: Sequence[TreeTable], matrix: np.ndarray) -> np.ndarray:
    """Explain each row of a matrix of features: one column per feature and the base last, in log-odds."""
    base = sum(table.base for table in tables)
    found = np.empty((len(matrix), matrix.shape[1] + 1))
    for start in range(0, len(matrix), ROWS_AT_A_TIME):
        rows = matrix[start : start + ROWS_AT_A_TIME]
        found[start : start + len(rows), :-1] = _add_up(tables, rows).T
    found[:, -1] = base
    return found


def _add_up(tables: Sequence[TreeTable], rows: np.ndarray) -> np.ndarray:
    columns = np.ascontiguousarray(rows.T)
    unknown = [np.isnan(column) if np.isnan(column).any() else None for column in columns]
    total = np.zeros(columns.shape)
    for table in tables:
        way = np.zeros(len(rows), dtype=np.uint8)
        for place, split in enumerate(table.splits):
            way |= split.goes_left(columns[split.feature], unknown[split.feature]).view(np.uint8) << place
        for feature, values in zip(table.features, table.values, strict=True):
            total[feature] += values.take(way)
    return total


def _table(root: dict[str, Any]) -> TreeTable:
    splits: list[Split] = []
    leaves = list(_leaves(root, (), splits))
    ways = np.arange(2 ** len(splits))
    features = tuple(sorted({split.feature for split in splits}))
    values = np.zeros((len(features), len(ways)))
    for leaf_value, path in leaves:
        for feature, part in _contributions(leaf_value, path, splits, ways):
            values[features.index(feature)] += part
    base = sum(value * float(np.prod([step.share for step in path])) for value, path in leaves)
    return TreeTable(tuple(splits), features, values, base)


def _leaves(
    node: dict[str, Any], path: tuple[_Step, ...], splits: list[Split]
) -> Iterator[tuple[float, tuple[_Step, ...]]]:
    if "split_feature" not in node:
        yield float(node["leaf_value"]), path
        return
    place = len(splits)
    splits.append(_split(node))
    for side, is_left in (("left_child", True), ("right_child", False)):
        child = node[side]
        share = child.get("internal_count", child.get("leaf_count")) / node["internal_count"]
        yield from _leaves(child, (*path, _Step(place, is_left, share)), splits)


def _split(node: dict[str, Any]) -> Split:
    if node["decision_type"] == "==":
        levels = frozenset(int(level) for level in str(node["threshold"]).split("||"))
        return Split(node["split_feature"], 0.0, levels, False)
    threshold = float(node["threshold"])
    # Where no row was missing in fitting, LightGBM takes a missing number for zero.
    unknown_goes_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0
    return Split(node["split_feature"], threshold, None, unknown_goes_left)


def _contributions(
    leaf_value: float, path: Sequence[_Step], splits: Sequence[Split], ways: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Share one leaf's value out among the features on its path, for every way through the tree.

    With a set of features known, the leaf counts as far as the row agrees with them, and by the share of fitting rows
    for the others: the Shapley value of that game.
    """
    agrees: dict[int, np.ndarray] = {}
    shares: dict[int, float] = {}
    for step in path:
        feature = splits[step.place].feature
        agreed = ((ways >> step.place) & 1) == int(step.is_left)
        agrees[feature] = agrees.get(feature, np.ones(len(ways), dtype=bool)) & agreed
        shares[feature] = shares.get(feature, 1.0) * step.share
    count = len(agrees)
    for feature in agrees:
        others = [name for name in agrees if name != feature]
        weight = np.zeros(len(ways))
        for size in range(count):
            for known in combinations(others, size):
                product = np.full(len(ways), factorial(size) * factorial(count - size - 1) / factorial(count))
                for name in others:
                    product *= agrees[name] if name in known else shares[name]
                weight += product
        yield feature, leaf_value * (agrees[feature] - shares[feature]) * weight

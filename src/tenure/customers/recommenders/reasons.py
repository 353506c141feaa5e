"""Why an item is recommended, in words a marketer reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tenure.customers.recommenders.purchases import POPULAR_DAYS, History

NONE = -1


def beside(known: History, weights: np.ndarray, listed: pd.DataFrame) -> np.ndarray:
    """Find the item that a customer has and that speaks most for each listed one, by EASE; -1 where none does."""
    held, customer = known.held, listed["customer"].to_numpy()
    counts = np.diff(held.indptr)[customer]
    starts = np.cumsum(counts) - counts
    had = held.indices[np.arange(counts.sum()) + np.repeat(held.indptr[customer] - starts, counts)]
    weight = weights[had, np.repeat(listed["item"].to_numpy(), counts)]
    found = np.full(len(listed), NONE)
    some = np.flatnonzero(counts)
    if not len(some):
        return found
    most = np.maximum.reduceat(weight, starts[some])
    best = np.flatnonzero(weight == np.repeat(most, counts[some]))
    first = best[np.searchsorted(best, starts[some])]  # of equals the first
    found[some] = np.where(most > 0, had[first], NONE)
    return found


def times_and_last(rows: pd.DataFrame, listed: pd.DataFrame, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Count a customer's days with each listed item, and say how many days ago the last was; 0 and 0 where none was."""
    keys, asked = (table["customer"].to_numpy(np.int64) * items + table["item"].to_numpy() for table in (rows, listed))
    starts, ends = (np.searchsorted(keys, asked, side) for side in ("left", "right"))
    times = ends - starts
    last = np.append(rows["days_ago"].to_numpy(), 0)[starts]  # of one item the latest day comes first
    return times, np.where(times > 0, last, 0)


def worded(table: pd.DataFrame, text: Callable[..., str]) -> pd.Categorical:
    """Write each distinct row's text once, and point to it: there are far fewer texts than rows."""
    groups = table.groupby(list(table), sort=True)
    texts = [text(*key) for key in groups.size().index.to_frame().itertuples(index=False)]
    codes, categories = pd.factorize(np.array(texts, dtype=object))
    return pd.Categorical.from_codes(codes[groups.ngroup()] if len(table) else [], categories)


def repeat_reason(times: int, last: int) -> str:
    """Examples
    --------
    >>> repeat_reason(5, 12), repeat_reason(1, 1)
    ('bought on 5 days, last 12 days ago', 'bought once, yesterday')
    """
    ago = "yesterday" if last == 1 else f"{last} days ago"
    return f"bought once, {ago}" if times == 1 else f"bought on {times} days, last {ago}"


def discovery_reason(history: History, both: np.ndarray, names: pd.Index) -> Callable[[int, int, int, int], str]:
    """Give what words an item by the one beside it, and the customer's looks: how many, and the last."""
    customers = history.customers_of
    everyone = history.bought["customer"].nunique()

    def text(item: int, near: int, looks: int, last: int) -> str:
        if looks:
            ago = "yesterday" if last == 1 else f"{last} days ago"
            return f"looked at {'once' if looks == 1 else f'{looks} times'}, last {ago}"
        lift = both[near, item] * everyone / (customers[near] * customers[item]) if near != NONE else 0.0
        if lift > 1:
            return (
                f"bought with {names[near]} by {both[near, item]:,.0f} of {customers[near]:,} customers who bought "
                f"{names[near]}, lift {lift:.1f}"
            )
        return f"popular: {history.popularity[item]:,} customers bought it in the last {POPULAR_DAYS} days"

    return text

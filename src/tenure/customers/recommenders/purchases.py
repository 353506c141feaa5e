"""Who bought and looked at what, as numbers: a row per customer, a column per product or category, as known on a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from tenure.core.errors import DefinitionError, NotEnoughDataError
from tenure.core.sql import literal
from tenure.snapshots.engines.facts_at import FactsAt

POPULAR_DAYS = 28
LOOKS_HALF_LIFE = 14.0
ACTIVITY_HALF_LIFE = 60.0
# Of a catalogue whose frequent products hold less than this share of what is bought, categories are recommended.
LONG_CATALOGUE_SHARE = 0.5
FEWEST_CATEGORIES = 10
MOST_ITEMS = 10_000

_LINES = """
SELECT
    customer_id,
    {item} AS item,
    age_days AS days_ago,
    date_diff('day', CAST(known_at AS DATE), DATE '{as_of}') AS known_ago
FROM {table}
WHERE {item} IS NOT NULL {only}"""


@dataclass(frozen=True, eq=False)
class History:
    """What was known on one day. ``bought``: customer, item, days_ago; one row per day on which it was bought, in order.

    ``looked``: the same of views, searches and try-ons. All are numbers: of ``shape`` = (customers, items).
    """

    bought: pd.DataFrame
    looked: pd.DataFrame
    shape: tuple[int, int]

    @cached_property
    def held(self) -> csr_matrix:
        """Whether a customer ever bought an item, as 1."""
        held = self.decayed(np.inf)
        return csr_matrix((np.ones_like(held.data), held.indices, held.indptr), self.shape)

    @cached_property
    def customers_of(self) -> np.ndarray:
        """Customers who ever bought each item."""
        return np.bincount(self.held.indices, minlength=self.shape[1])

    @cached_property
    def popularity(self) -> np.ndarray:
        """Customers who bought each item in the last 28 days."""
        recent = self.bought.loc[self.bought["days_ago"] <= POPULAR_DAYS, ["customer", "item"]].drop_duplicates()
        return np.bincount(recent["item"], minlength=self.shape[1])

    @cached_property
    def activity(self) -> np.ndarray:
        """How much each customer buys of late: items and days, each worth half after every 60 days."""
        return np.asarray(self.decayed(ACTIVITY_HALF_LIFE).sum(axis=1)).ravel()

    @cached_property
    def looks(self) -> csr_matrix:
        """Looks at each item, each worth half after every 14 days."""
        return self._summed(self.looked, LOOKS_HALF_LIFE)

    def decayed(self, half_life: float) -> csr_matrix:
        """Count the days on which a customer bought an item, each worth half after every half-life."""
        return self._summed(self.bought, half_life)

    def of(self, customers: np.ndarray) -> History:
        """Take some customers, in ascending order, and number them anew from 0."""
        shape = len(customers), self.shape[1]
        return History(_rows_of(self.bought, customers), _rows_of(self.looked, customers), shape)

    def _summed(self, rows: pd.DataFrame, half_life: float) -> csr_matrix:
        weights = np.exp2(-rows["days_ago"].to_numpy() / half_life).astype(np.float32)
        return csr_matrix((weights, (rows["customer"].to_numpy(), rows["item"].to_numpy())), self.shape)


@dataclass(frozen=True, eq=False)
class Purchases:
    """All that was known at the as-of. ``items``: products or categories, as ``by`` says, those of most customers first.

    ``bought`` and ``looked`` are as in ``History``, with ``known_ago``; ``share`` is what the items hold of what was
    bought. A customer's number is the place in ``customers``.
    """

    customers: pd.Index
    items: pd.Index
    by: str
    share: float
    bought: pd.DataFrame
    looked: pd.DataFrame

    def before(self, days: int) -> History:
        """Go so many days back: what had occurred and was known by then."""
        return History(_before(self.bought, days), _before(self.looked, days), self.shape)

    def bought_since(self, days: int) -> csr_matrix:
        """Say what was bought in the last so many days, as 1."""
        recent = self.bought[self.bought["days_ago"] <= days]
        return History(recent, self.looked.head(0), self.shape).held

    def of(self, customers: np.ndarray) -> Purchases:
        """Take some customers, in ascending order of their numbers."""
        bought, looked = (_rows_of(rows, customers) for rows in (self.bought, self.looked))
        return replace(self, customers=self.customers[customers], bought=bought, looked=looked)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.customers), len(self.items)


def read_purchases(facts: FactsAt, customers: pd.Series, settings: Mapping[str, Any]) -> Purchases:
    """Number what was bought and looked at; ``customers`` who never did either come last.

    Raises
    ------
    NotEnoughDataError : fewer than two products were bought by as many customers as the settings ask for.
    DefinitionError : a setting is out of its range.
    """
    by = _checked(settings)
    counts = _counted(facts, "category" if by == "category" else "product_id")
    items, share = _frequent(counts, settings)
    if by == "auto" and share < LONG_CATALOGUE_SHARE:
        categories = _frequent(_counted(facts, "category"), settings)
        if len(categories[0]) >= FEWEST_CATEGORIES:
            by, (items, share) = "category", categories
    by = "product" if by == "auto" else by
    if len(items) < 2:
        raise NotEnoughDataError(
            f"{len(items)} of {len(counts):,} products were bought by {settings['fewest_customers']} customers or more: "
            "expected at least 2; wait for more history, or set fewest_customers in [attributes.recommendations]"
        )
    column = "category" if by == "category" else "product_id"
    looks = _looks_at(facts, column)
    people = facts.query(
        f"SELECT customer_id FROM order_lines {'UNION SELECT customer_id FROM engagement' if looks else ''} "
        "GROUP BY ALL ORDER BY ALL"
    )["customer_id"]
    bought = _numbered(facts, lines(facts, column), items, with_looks=bool(looks))
    looked = _numbered(facts, looks, items, with_looks=True) if looks else bought.head(0)
    silent = pd.Index(customers).difference(pd.Index(people))
    return Purchases(pd.Index(people).append(silent), items, by, share, bought, looked)


def _checked(settings: Mapping[str, Any]) -> str:
    by, most = str(settings["by"]), settings["most_products"]
    if by not in ("auto", "product", "category") or not 2 <= most <= MOST_ITEMS:
        raise DefinitionError(
            f"[attributes.recommendations] by = {by!r}, most_products = {most:g}. Expected auto, product or category, and "
            f"2 to {MOST_ITEMS:,} products: they are held against each other."
        )
    return by


def lines(facts: FactsAt, item: str) -> str:
    """Give the SQL of what was bought. => customer_id, item, days_ago, known_ago"""
    return _LINES.format(item=item, as_of=facts.as_of, table="order_lines", only="AND quantity > 0")


def _looks_at(facts: FactsAt, column: str) -> str:
    """Give the SQL of views, searches and try-ons of a product or category; empty where the source has none."""
    if column not in facts.tables.get("engagement", ()):
        return ""
    return _LINES.format(item=column, as_of=facts.as_of, table="engagement", only="")


def _counted(facts: FactsAt, column: str) -> pd.DataFrame:
    return facts.query(
        f"""
        SELECT item, count(DISTINCT customer_id) AS customers, count(*) AS lines
        FROM ({lines(facts, column)})
        GROUP BY item
        ORDER BY customers DESC, item"""
    )


def _frequent(counts: pd.DataFrame, settings: Mapping[str, Any]) -> tuple[pd.Index, float]:
    """Take what enough customers bought. => the items, and the share of lines that they hold"""
    chosen = counts[counts["customers"] >= settings["fewest_customers"]].head(int(settings["most_products"]))
    return pd.Index(chosen["item"]), float(chosen["lines"].sum() / max(counts["lines"].sum(), 1))


def _numbered(facts: FactsAt, rows: str, items: pd.Index, *, with_looks: bool) -> pd.DataFrame:
    """=> customer, item, days_ago, known_ago; one row per customer, item and day, in this order"""
    named = ", ".join(literal(str(item)) for item in items)
    return facts.query(
        f"""
        WITH people AS (
            SELECT customer_id, (row_number() OVER (ORDER BY customer_id) - 1)::INTEGER AS customer
            FROM (
                SELECT customer_id FROM order_lines {"UNION SELECT customer_id FROM engagement" if with_looks else ""}
                GROUP BY ALL
            )
        ),
        items AS (SELECT unnest([{named}]) AS item, unnest(range({len(items)}))::SMALLINT AS number)
        SELECT customer, number AS item, days_ago::INTEGER AS days_ago, max(known_ago)::INTEGER AS known_ago
        FROM ({rows}) JOIN items USING (item) JOIN people USING (customer_id)
        GROUP BY ALL
        ORDER BY customer, number, days_ago"""
    )


def _before(rows: pd.DataFrame, days: int) -> pd.DataFrame:
    then = rows[(rows["days_ago"] > days) & (rows["known_ago"] > days)] if days else rows
    return then[["customer", "item", "days_ago"]].assign(days_ago=then["days_ago"] - days)


def _rows_of(rows: pd.DataFrame, customers: np.ndarray) -> pd.DataFrame:
    starts, ends = (np.searchsorted(rows["customer"], customers, side) for side in ("left", "right"))
    counts = ends - starts
    places = np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)
    return rows.iloc[places].assign(customer=np.repeat(np.arange(len(customers)), counts))

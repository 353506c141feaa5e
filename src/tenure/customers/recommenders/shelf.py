"""Which products can be had on a day, and which stands for a category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.customers.recommenders.purchases import POPULAR_DAYS, Purchases
from tenure.snapshots.engines.facts_at import FactsAt


@dataclass(frozen=True, eq=False)
class Shelf:
    """Per item, in the order of ``Purchases.items``: ``products``, the one to recommend, and ``categories``, None where not known.

    ``open``: whether any can be had. ``favourites``: per customer and category the product they bought most often of
    those that can be had; empty where products are recommended.
    """

    products: pd.Index
    categories: pd.Index
    open: np.ndarray
    favourites: pd.Series


def read_shelf(facts: FactsAt, purchases: Purchases) -> Shelf:
    """Read what can be had at the as-of: from ``available_from`` until the day of ``available_until``, both included."""
    if purchases.by == "product":
        stock = facts.query(_stock(facts)).set_index("product_id").reindex(purchases.items)
        open_ = stock["is_open"].isna() | stock["is_open"].eq(True)
        return Shelf(purchases.items, _texts(stock["category"]), open_.to_numpy(bool), pd.Series(dtype="str"))
    best = facts.query(_best(facts, "category")).set_index("category")["product_id"].reindex(purchases.items)
    favourites = facts.query(_best(facts, "customer_id, category")).set_index(["customer_id", "category"])["product_id"]
    return Shelf(_texts(best), purchases.items, best.notna().to_numpy(), favourites)


def _stock(facts: FactsAt) -> str:
    """Give the SQL of the products. => product_id, category, is_open"""
    columns = facts.staged.columns("products")
    if not columns:
        return "SELECT product_id, NULL::VARCHAR AS category, true AS is_open FROM order_lines GROUP BY product_id"
    bounds = {"available_from": "<=", "available_until": ">="}
    held = [
        f"coalesce(CAST({name} AS DATE) {sign} DATE '{facts.as_of}', true)"
        for name, sign in bounds.items()
        if name in columns
    ]
    return f"""
        SELECT product_id, min(category) AS category, bool_or({" AND ".join(held) or "true"}) AS is_open
        FROM {facts.staged.relation("products")}
        GROUP BY product_id"""


def _best(facts: FactsAt, of: str) -> str:
    """Give the SQL of the product bought most of late, then most at all, of those that can be had. => of, product_id"""
    return f"""
        SELECT {of}, product_id
        FROM (SELECT * EXCLUDE (category) FROM order_lines) JOIN ({_stock(facts)}) USING (product_id)
        WHERE quantity > 0 AND is_open AND category IS NOT NULL
        GROUP BY {of}, product_id
        QUALIFY row_number() OVER (
            PARTITION BY {of}
            ORDER BY
                count(DISTINCT customer_id) FILTER (WHERE age_days <= {POPULAR_DAYS}) DESC,
                count(DISTINCT (customer_id, age_days)) DESC,
                product_id
        ) = 1"""


def _texts(values: pd.Series) -> pd.Index:
    return pd.Index(values, dtype="str")

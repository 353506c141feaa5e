"""What each customer may buy again and what they may discover, and what is bought with what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.recommenders.choosing import LISTED, TEST_DAYS, Chosen, choose
from tenure.customers.recommenders.ease import bought_both, ease
from tenure.customers.recommenders.purchases import Purchases, read_purchases
from tenure.customers.recommenders.ranking import DISCOVERY, REPEAT, Block, spread
from tenure.customers.recommenders.reasons import beside, discovery_reason, repeat_reason, times_and_last, worded
from tenure.customers.recommenders.shelf import Shelf, read_shelf
from tenure.customers.recommenders.together import bought_together
from tenure.snapshots.engines.facts_at import FactsAt

BLOCK_CUSTOMERS = 4_000
COLUMNS = {DISCOVERY: "recommended_new", REPEAT: "recommended_again"}


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Choose on the last four weeks how to recommend, then recommend from all that is known.

    => customer_id and the attribute's columns
    => recommendations: customer_id, kind, rank, product_id, category, score (the chance that it is bought within 28
       days), reason; recommendation_quality: one row per kind; bought_together

    Raises
    ------
    NotEnoughDataError : too few products were bought by enough customers.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    purchases = read_purchases(facts, customers["customer_id"], settings)
    shelf = read_shelf(facts, purchases)
    chosen = choose(purchases, settings["fewest_customers"])
    listed = {kind: one for kind, one in recommend(purchases, chosen, shelf.open, settings).items()}
    table = pd.concat([_named(facts, purchases, shelf, kind, one) for kind, one in listed.items()], ignore_index=True)
    table = table[table["customer_id"].isin(customers["customer_id"])]
    best = table[table["rank"] == 1]
    columns = [
        best.loc[best["kind"] == kind]
        .set_index("customer_id")[["product_id", "reason"]]
        .astype(str)
        .set_axis([name, f"{name}_reason"], axis=1)
        for kind, name in COLUMNS.items()
    ]
    found = pd.concat(columns, axis=1).rename_axis("customer_id").reset_index()
    quality = _with_coverage(chosen.quality, listed, purchases, shelf)
    return found, {
        "recommendations": table,
        "recommendation_quality": quality,
        "bought_together": bought_together(facts),
    }


def recommend(
    purchases: Purchases, chosen: Chosen, is_open: np.ndarray, settings: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """List the best repeats and discoveries of every customer, some thousand customers at a time.

    => by kind: customer, item (numbers), rank (from 0), score (a chance), and the reason's parts
    """
    history = purchases.before(0)
    both = bought_both(history.held)
    weights = ease(both, chosen.mixes[DISCOVERY].ridge)
    length = int(settings["per_customer"])
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in COLUMNS}
    for start in range(0, purchases.shape[0], BLOCK_CUSTOMERS):
        customers = np.arange(start, min(start + BLOCK_CUSTOMERS, purchases.shape[0]))
        block = Block(history, customers, weights, is_open)
        for kind, listed in found.items():
            part = block.listed(kind, chosen.mixes[kind], max(length, LISTED) if kind == DISCOVERY else length)
            rows = block.known.bought if kind == REPEAT else block.known.looked
            times, last = times_and_last(rows, part, purchases.shape[1])
            near = beside(block, part) if kind == DISCOVERY else -1
            part = part.assign(times=times, last=last, near=near, customer=customers[part["customer"]])
            listed.append(part.astype({"customer": np.int32, "rank": np.int16, "item": np.int32, "times": np.int32}))
    tables = {kind: pd.concat(parts, ignore_index=True) for kind, parts in found.items()}
    most = max(settings["most_first"], 1 / max(is_open.sum(), 1)) * purchases.shape[0]
    tables[DISCOVERY] = spread(tables[DISCOVERY], int(np.ceil(most)))
    reason = discovery_reason(history, both, purchases.items)
    for kind, table in tables.items():
        kept = table[table["rank"] < length].reset_index(drop=True)
        words = (
            worded(kept[["times", "last"]], repeat_reason)
            if kind == REPEAT
            else worded(kept[["item", "near", "times", "last"]], reason)
        )
        chance = chosen.chances[kind].of(kept["score"].to_numpy(), history.activity[kept["customer"]])
        tables[kind] = kept[["customer", "item", "rank"]].assign(score=chance, reason=words)
    return tables


def _named(facts: FactsAt, purchases: Purchases, shelf: Shelf, kind: str, listed: pd.DataFrame) -> pd.DataFrame:
    """Put names for numbers, and where categories are recommended, the customer's favourite or the best product inside."""
    item = listed["item"].to_numpy()
    customer_id = purchases.customers[listed["customer"]]
    product = pd.Series(shelf.products[item], dtype=object)
    if purchases.by == "category" and kind == REPEAT:
        pairs = pd.MultiIndex.from_arrays([customer_id, purchases.items[item]])
        product = shelf.favourites.reindex(pairs).reset_index(drop=True).fillna(product)
    return pd.DataFrame(
        {
            "customer_id": customer_id,
            "kind": kind,
            "rank": listed["rank"].to_numpy() + 1,
            "product_id": product,
            "category": shelf.categories[item],
            "score": listed["score"].to_numpy(),
            "reason": listed["reason"].to_numpy(),
        }
    )


def _with_coverage(
    quality: pd.DataFrame, listed: dict[str, pd.DataFrame], purchases: Purchases, shelf: Shelf
) -> pd.DataFrame:
    """Add what share of the products or categories that can be had is recommended to anybody."""
    count = int(shelf.open.sum())
    shown = quality["kind"].map({kind: one["item"].nunique() for kind, one in listed.items()})
    added = {
        "recommends": purchases.by, "of": count, "share_of_purchases": round(purchases.share, 4),
        "coverage": (shown / max(count, 1)).round(4), "tested_days": TEST_DAYS,
    }  # fmt: skip
    protocol = quality.pop("protocol")
    return quality.assign(**added, protocol=protocol)


ATTRIBUTE = CustomerAttribute(
    name="recommendations",
    tables=("order_lines",),
    columns=(
        AttributeColumn(
            "recommended_new",
            "",
            "The product to recommend first of those never bought; all are in recommendations.csv.",
        ),
        AttributeColumn("recommended_new_reason", "", "Why: what it is bought with, looks at it, or its popularity."),
        AttributeColumn("recommended_again", "", "The product most likely to be bought again."),
        AttributeColumn("recommended_again_reason", "", "Why: on how many days it was bought, and when last."),
    ),
    build=build,
    settings={
        "by": "auto",  # product or category; auto: categories where the frequent products hold less than half
        "fewest_customers": 10,
        "most_products": 3000,
        "per_customer": 5,  # of each kind
        "most_first": 0.1,  # share of customers to whom one product may be recommended first
    },
)

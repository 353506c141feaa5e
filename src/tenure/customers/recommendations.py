"""What each customer may buy again and what they may discover, and what is bought with what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.customers.recommenders.choosing import LISTED, TEST_DAYS, Chosen, choose
from tenure.customers.recommenders.ease import bought_both, ease
from tenure.customers.recommenders.purchases import History, Purchases, read_purchases
from tenure.customers.recommenders.ranking import DISCOVERY, REPEAT, Block, spread
from tenure.customers.recommenders.reasons import beside, discovery_reason, repeat_reason, times_and_last, worded
from tenure.customers.recommenders.shelf import Shelf, read_shelf
from tenure.customers.recommenders.together import bought_together
from tenure.snapshots.engines.facts_at import FactsAt

BLOCK = 2_000
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
    listed = recommend(purchases, chosen, shelf.open, settings)
    listed = listed[purchases.customers.isin(customers["customer_id"])[listed["customer"]]]
    table = _named(purchases, shelf, listed)
    best = table[table["rank"] == 1].set_index("customer_id")
    columns = [
        best.loc[best["kind"] == kind, ["product_id", "reason"]]
        .astype("str")
        .set_axis([name, f"{name}_reason"], axis=1)
        for kind, name in COLUMNS.items()
    ]
    return pd.concat(columns, axis=1).rename_axis("customer_id").reset_index(), {
        "recommendations": table,
        "recommendation_quality": _with_coverage(chosen.quality, listed, purchases, shelf),
        "bought_together": bought_together(facts),
    }


def recommend(purchases: Purchases, chosen: Chosen, is_open: np.ndarray, settings: Mapping[str, Any]) -> pd.DataFrame:
    """List the best repeats and discoveries of every customer, some thousand customers at a time.

    => customer, item (numbers), kind, rank (from 0), score (a chance), reason
    """
    history = purchases.before(0)
    both = bought_both(history.held)
    weights = ease(both, chosen.mixes[DISCOVERY].ridge)
    length = int(settings["per_customer"])
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in COLUMNS}
    for customers in _blocks(purchases):
        block = Block(history, customers, weights, is_open)
        for kind, lists in found.items():
            part = block.listed(kind, chosen.mixes[kind], max(length, LISTED) if kind == DISCOVERY else length)
            part = part.assign(customer=customers[part["customer"]])
            lists.append(part.astype({"customer": np.int32, "item": np.int16, "rank": np.int16}))
    tables = {kind: pd.concat(found.pop(kind), ignore_index=True) for kind in COLUMNS}
    most = max(settings["most_first"], 1 / max(is_open.sum(), 1)) * purchases.shape[0]
    tables[DISCOVERY] = spread(tables[DISCOVERY], int(np.ceil(most)))
    texts: dict[str, Callable[..., str]] = {
        DISCOVERY: discovery_reason(history, both, purchases.items),
        REPEAT: repeat_reason,
    }
    for code, (kind, table) in enumerate(tables.items()):
        kept = table[table["rank"] < length].reset_index(drop=True)
        why = pd.concat([_reasons(history, weights, kind, kept, customers) for customers in _blocks(purchases)])
        chance = chosen.chances[kind].of(kept["score"].to_numpy(), history.activity[kept["customer"]])
        tables[kind] = kept.assign(
            score=chance,
            kind=pd.Categorical.from_codes([code] * len(kept), [*COLUMNS]),
            reason=worded(why, texts[kind]),
        )
    # Joined as numbers: concatenated with other categories, they would become ten million texts.
    reasons = union_categoricals([table.pop("reason") for table in tables.values()])
    return pd.concat(tables.values(), ignore_index=True).assign(reason=reasons)


def _blocks(purchases: Purchases) -> Iterator[np.ndarray]:
    count = purchases.shape[0]
    return (np.arange(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _reasons(
    history: History, weights: np.ndarray, kind: str, listed: pd.DataFrame, customers: np.ndarray
) -> pd.DataFrame:
    """Say of some customers' lists what words their reasons: what ``repeat_reason`` and ``discovery_reason`` take."""
    start, end = np.searchsorted(listed["customer"], [customers[0], customers[-1] + 1])
    part = listed.iloc[start:end]
    part = part.assign(customer=part["customer"] - customers[0])
    known = history.of(customers)
    times, last = times_and_last(known.bought if kind == REPEAT else known.looked, part, history.shape[1])
    why = pd.DataFrame({"times": times, "last": last}, dtype=np.int32)
    if kind == REPEAT:
        return why
    near = beside(known, weights, part).astype(np.int16)
    return pd.concat([pd.DataFrame({"item": part["item"].to_numpy(), "near": near}), why], axis=1)


def _named(purchases: Purchases, shelf: Shelf, listed: pd.DataFrame) -> pd.DataFrame:
    """Put names for numbers, and where categories are recommended, the customer's favourite or the best product inside."""
    # Who never bought comes last in the numbers; where their ids stand, here.
    place = np.empty(len(purchases.customers), dtype=np.int32)
    place[purchases.customers.argsort()] = np.arange(len(place))
    listed = listed.iloc[np.lexsort((listed["rank"], listed["kind"].cat.codes, place[listed["customer"]]))]
    item = listed["item"].to_numpy()
    table = pd.DataFrame(
        {
            "customer_id": purchases.customers.take(listed["customer"]),
            "kind": listed["kind"].array,
            "rank": listed["rank"].to_numpy() + 1,
            "product_id": shelf.products.take(item),
            "category": shelf.categories.take(item),
            "score": listed["score"].to_numpy(),
            "reason": listed["reason"].array,
        }
    )
    if len(shelf.favourites):
        pairs = pd.MultiIndex.from_frame(table[["customer_id", "category"]])
        own = shelf.favourites.reindex(pairs).set_axis(table.index)
        table["product_id"] = own.where(table["kind"] == REPEAT).fillna(table["product_id"])
    return table


def _with_coverage(quality: pd.DataFrame, listed: pd.DataFrame, purchases: Purchases, shelf: Shelf) -> pd.DataFrame:
    """Add what share of the products or categories that can be had is recommended to anybody."""
    count = int(shelf.open.sum())
    shown = quality["kind"].map(listed.groupby("kind", observed=True)["item"].nunique()).astype(float).fillna(0)
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

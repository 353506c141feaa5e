"""How much of their buying waits for a discount, and whether they take more at one: as seen, not as caused."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tenure.core.errors import NotEnoughDataError
from tenure.core.shrinkage import shrunk
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt

FEWEST_CUSTOMERS = 30
# A class is told where the 95 % interval lies on its side of the mean, or of no response.
SURE = float(ndtri(0.975))
MORE, WAITS, FULL, AS_MOST = "takes more at a discount", "waits for discounts", "pays full price", "as most"


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Measure each buyer's share at a discount and their response, drawn towards all buyers'; name who stands out.

    => customer_id and the attribute's columns
    => price_sensitivity: class, customers, discount_share, discount_response (means)

    Raises
    ------
    NotEnoughDataError : nobody buys at a discount, or hardly anybody has the orders it takes.
    """
    settings = ATTRIBUTE.settings_of(facts.source)
    lines = f"""
        SELECT customer_id, order_id, coalesce(discount, 0) > 0 AS is_off, CAST(amount AS DOUBLE) AS amount,
            ln(CAST(quantity AS DOUBLE)) AS pieces
        FROM order_lines
        WHERE quantity > 0 AND amount > 0 AND age_days <= {settings["window_days"]}"""
    orders = f"""
        SELECT customer_id, coalesce(sum(amount) FILTER (WHERE is_off), 0) / sum(amount) AS share
        FROM ({lines}) GROUP BY customer_id, order_id"""
    share = _own(facts, orders, "customer_id", "share")
    share = share[share["count"] >= settings["fewest_orders"]]
    if len(share) < FEWEST_CUSTOMERS or not share["error"].min() > 0:
        raise NotEnoughDataError(
            f"{len(share)} customers with {settings['fewest_orders']} orders in {settings['window_days']} days, some at a "
            f"discount and some not: expected at least {FEWEST_CUSTOMERS}"
        )
    table = pd.DataFrame(index=share.index)
    table["discount_share"], error = shrunk(share["mean"].to_numpy(), share["error"].to_numpy())
    middle = table["discount_share"].mean()
    sides = [table["discount_share"] - SURE * error > middle, table["discount_share"] + SURE * error < middle]
    response, spread = _response(_own(facts, lines, "customer_id, is_off", "pieces").unstack(), table.index)
    table["discount_response"] = np.expm1(response)
    table["price_sensitivity"] = np.select([response - SURE * spread > 0, *sides], [MORE, WAITS, FULL], AS_MOST)
    table = table.round(4).reset_index()
    grouped = table.groupby("price_sensitivity")
    summed = grouped.agg(
        customers=("customer_id", "size"),
        discount_share=("discount_share", "mean"),
        discount_response=("discount_response", "mean"),
    )
    return table, {"price_sensitivity": summed.round(4).reset_index().rename(columns={"price_sensitivity": "class"})}


def _response(own: pd.DataFrame, index: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Give by how much, as a logarithm, more pieces a line at a discount has than the same customer's others; its error.

    Empty for who has not both kinds.
    """
    both = own.dropna().reindex(columns=pd.MultiIndex.from_product([["mean", "error"], [True, False]]))
    errors = np.hypot(both["error"][True], both["error"][False])
    if not len(both) or not errors.min() > 0:  # every line is of one piece, or each customer buys at one price alone
        return pd.Series(np.nan, index), pd.Series(np.nan, index)
    found = shrunk((both["mean"][True] - both["mean"][False]).to_numpy(), errors.to_numpy())
    effect, error = (pd.Series(each, both.index).reindex(index) for each in found)
    return effect, error


def _own(facts: FactsAt, rows: str, by: str, name: str) -> pd.DataFrame:
    """Give each group's count and mean, and its standard error by the spread within all groups."""
    found = facts.query(
        f"""
        SELECT {by}, count(*) AS count, round(avg({name}), 9) AS mean, round(coalesce(var_samp({name}), 0), 9) AS var
        FROM ({rows}) GROUP BY {by} ORDER BY {by}"""
    ).set_index(by.split(", "))
    free = found["count"] - 1
    return found.assign(error=np.sqrt((free * found["var"]).sum() / max(free.sum(), 1) / found["count"]))


ATTRIBUTE = CustomerAttribute(
    name="price_sensitivity",
    tables=("order_lines",),
    columns=(
        AttributeColumn(
            "discount_share",
            "share",
            "Share of an order's amount bought at a discount, on average, drawn towards all buyers' by how few orders "
            "there are; empty with fewer than four in a year, unless the source sets others.",
        ),
        AttributeColumn(
            "discount_response",
            "share",
            "By how much more pieces they take of a line at a discount than of their others, drawn towards all buyers'. "
            "What a discount causes only a randomised campaign tells.",
        ),
        AttributeColumn(
            "price_sensitivity",
            "",
            f"{MORE.capitalize()}, {WAITS}, {FULL}, or {AS_MOST}: said where it is 95 % sure.",
        ),
    ),
    build=build,
    settings={"window_days": 365, "fewest_orders": 4},
)

"""How a customer's spending is shared among a company's brands, and who is ready to move up from one to the next."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import DefinitionError, NotEnoughDataError
from tenure.customers.attribute import AttributeColumn, CustomerAttribute, Tables
from tenure.snapshots.engines.facts_at import FactsAt

WINDOW_DAYS = 365
RECENT_DAYS = 90
FEWEST_LINES = 3
SAME_RUNG = 1.1
# More are labels that a shop sells, not brands that a company has.
MOST = 12

_LINES = f"""
SELECT customer_id, coalesce(brand, product_brand) AS brand, quantity, amount, age_days
FROM order_lines
WHERE quantity > 0
    AND amount > 0
    AND coalesce(brand, product_brand) IS NOT NULL
    AND age_days <= {WINDOW_DAYS}"""


def build(facts: FactsAt, customers: pd.DataFrame) -> tuple[pd.DataFrame, Tables]:
    """Find each buyer's main brand, and the next one up where they are ready for it; sum up each brand.

    => customer_id and the attribute's columns
    => brands: brand, price, rung, customers, amount, share, main_of, ready_for_it (customers); from the lowest rung
    """
    rungs = ladder(facts)
    bought = facts.query(
        f"""
        SELECT
            customer_id,
            brand,
            sum(amount) AS amount,
            count(*) AS lines,
            coalesce(sum(amount) FILTER (WHERE age_days <= {RECENT_DAYS}), 0) AS recent
        FROM ({_LINES})
        GROUP BY customer_id, brand
        ORDER BY customer_id, amount DESC, brand"""
    )
    bought["rung"] = bought["brand"].map(rungs.set_index("brand")["rung"])
    totals = bought.groupby("customer_id")[["amount", "lines", "recent"]].sum()
    main = bought.drop_duplicates("customer_id").set_index("customer_id")
    above = bought[bought["rung"] > bought["customer_id"].map(main["rung"])]
    # Ready: of late they spend more of their money above their main brand than they did before.
    higher = above.groupby("customer_id")[["amount", "recent"]].sum().reindex(totals.index, fill_value=0.0)
    earlier = totals["amount"] - totals["recent"]
    share_before = ((higher["amount"] - higher["recent"]) / earlier).where(earlier > 0)
    share_recent = (higher["recent"] / totals["recent"]).where(totals["recent"] > 0)
    is_ready = (share_recent > share_before) & (totals["lines"] >= FEWEST_LINES)
    following = (main["rung"] + 1).map(rungs.drop_duplicates("rung").set_index("rung")["brand"])
    table = pd.DataFrame(
        {
            "brands_bought": bought.groupby("customer_id").size(),
            "brand_main": main["brand"],
            "brand_main_share": (main["amount"] / totals["amount"]).round(4),
            "brand_ready_for": following.where(is_ready),
        }
    ).reset_index()
    return table, {"brands": _summed(rungs, table)}


def ladder(facts: FactsAt) -> pd.DataFrame:
    """Order the brands from the lowest rung: as the source says, else by the mean price of a piece:
    brands whose prices lie within a tenth of each other share a rung.

    => brand, price (of a piece, mean over lines, in the source's currency), rung, customers, amount, share

    Raises
    ------
    NotEnoughDataError : order lines name fewer than two brands, or so many that no ladder can be meant.
    DefinitionError : the source's ladder names a brand nobody bought.
    """
    table = facts.query(
        f"""
        SELECT
            brand,
            round(avg(CAST(amount AS DOUBLE) / quantity), 9) AS price,
            count(DISTINCT customer_id) AS customers,
            sum(amount) AS amount
        FROM ({_LINES})
        GROUP BY brand
        ORDER BY price, brand"""
    )
    if len(table) < 2:
        raise NotEnoughDataError("needs order lines of at least two brands in the last year")
    rungs = ATTRIBUTE.settings_of(facts.source)["ladder"]
    if not rungs and len(table) > MOST:
        raise NotEnoughDataError(f"{len(table)} brands: expected at most {MOST}, or a ladder in [attributes.brands]")
    if unknown := sorted({*rungs} - {*table["brand"]}):
        raise DefinitionError(
            f"[attributes.brands] ladder names {', '.join(map(str, unknown))}. "
            f"Expected brands of the order lines: {', '.join(table['brand'])}."
        )
    if rungs:
        table = table.set_index("brand").loc[rungs].reset_index()
        return table.assign(rung=range(len(table)), share=table["amount"] / table["amount"].sum())
    rung = (table["price"] > SAME_RUNG * table["price"].shift()).cumsum()
    return table.assign(rung=rung, share=table["amount"] / table["amount"].sum())


def _summed(rungs: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    main_of, ready = (customers[column].value_counts() for column in ("brand_main", "brand_ready_for"))
    table = rungs.assign(main_of=rungs["brand"].map(main_of), ready_for_it=rungs["brand"].map(ready))
    counts = ["main_of", "ready_for_it"]
    table[counts] = table[counts].fillna(0).astype(int)
    return table.round({"price": 2, "amount": 2, "share": 4})


ATTRIBUTE = CustomerAttribute(
    name="brands",
    tables=("order_lines",),
    columns=(
        AttributeColumn("brands_bought", "count", "Brands bought in the last 365 days."),
        AttributeColumn("brand_main", "", "The brand most money went to in the last 365 days."),
        AttributeColumn("brand_main_share", "share", "The main brand's share of what was spent on brands."),
        AttributeColumn(
            "brand_ready_for",
            "",
            "The next brand up the ladder, where more of the last 90 days' spending went above the main brand "
            "than before.",
        ),
    ),
    build=build,
    settings={"ladder": []},  # brands from the lowest rung; none: by the mean price of a piece
)

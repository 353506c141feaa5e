"""Which products are bought with each other, and which before another."""

from __future__ import annotations

import pandas as pd

from tenure.snapshots.engines.facts_at import FactsAt

MOST_PRODUCTS = 500
MOST_OTHERS = 5
FEWEST = 5
# Counted among so many customers at most, the first by a hash of their id.
MOST_CUSTOMERS = 50_000

# kind => what is counted, its key, and when the other counts.
KINDS = {
    "with": ("orders", "(customer_id, order_id)", "b.product_id <> a.product_id"),
    "before": ("customers", "customer_id", "b.day > a.day"),
}


def bought_together(facts: FactsAt) -> pd.DataFrame:
    """Count for each product the others in the same order ("with"), and those first bought on an earlier day ("before").

    Lift: how many times as often as if the two had nothing to do with each other.

    => product_id, other, kind, counted (orders or customers), both, of_product, of_other, lift; of the 500 products of
       most customers the five others of highest lift, of those counted five times or more; in one order those alone that are bought more
       often together than by chance
    """
    found = [facts.query(_pairs(kind)) for kind in KINDS]
    return pd.concat(found, ignore_index=True).sort_values(
        ["product_id", "kind", "lift", "other"], ascending=[True, False, False, True], ignore_index=True
    )


def _pairs(kind: str) -> str:
    counted, key, condition = KINDS[kind]
    return f"""
        WITH bought AS (
            SELECT customer_id, order_id, product_id, age_days
            FROM order_lines
            WHERE quantity > 0 AND product_id IS NOT NULL
        ),
        asked AS (
            SELECT customer_id FROM bought GROUP BY customer_id
            ORDER BY md5(customer_id), customer_id LIMIT {MOST_CUSTOMERS}
        ),
        sampled AS MATERIALIZED (SELECT {key} AS key, * FROM bought SEMI JOIN asked USING (customer_id)),
        products AS (
            SELECT product_id FROM sampled GROUP BY product_id
            ORDER BY count(DISTINCT customer_id) DESC, product_id LIMIT {MOST_PRODUCTS}
        ),
        seen AS MATERIALIZED (
            SELECT key, product_id, max(age_days) AS day
            FROM sampled SEMI JOIN products USING (product_id)
            GROUP BY ALL
        ),
        counts AS (SELECT product_id, count(*) AS rows FROM seen GROUP BY ALL),
        pairs AS (
            SELECT a.product_id, b.product_id AS other, count(*) AS "both"
            FROM seen a JOIN seen b ON a.key = b.key AND {condition}
            GROUP BY ALL
            HAVING count(*) >= {FEWEST}
        )
        SELECT
            pairs.product_id,
            other,
            '{kind}' AS kind,
            '{counted}' AS counted,
            "both",
            p.rows AS of_product,
            o.rows AS of_other,
            round("both" * (SELECT count(DISTINCT key) FROM sampled) / (p.rows * o.rows), 4) AS lift
        FROM pairs
        JOIN counts p ON p.product_id = pairs.product_id
        JOIN counts o ON o.product_id = other
        WHERE '{kind}' <> 'with' OR lift > 1
        QUALIFY row_number() OVER (PARTITION BY pairs.product_id ORDER BY lift DESC, "both" DESC, other) <= {MOST_OTHERS}"""

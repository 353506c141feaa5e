"""Where a customer stands in the loyalty programme."""

from __future__ import annotations

import pandas as pd

from tenure.customers.facet import Facet, FacetColumn
from tenure.engines.facts_at import FactsAt


def build(facts: FactsAt, customers: pd.DataFrame) -> pd.DataFrame:
    """Add up the points and take the newest tier. => customer_id, loyalty_points, loyalty_tier"""
    return facts.query(
        """
        SELECT customer_id, arg_max(tier, occurred_at) FILTER (WHERE tier IS NOT NULL) AS loyalty_tier,
               CAST(coalesce(sum(points) FILTER (WHERE event = 'earned'), 0)
                    - coalesce(sum(points) FILTER (WHERE event = 'redeemed'), 0) AS DOUBLE) AS loyalty_points
        FROM loyalty GROUP BY customer_id"""
    )


FACET = Facet(
    name="programme",
    tables=("loyalty",),
    columns=(
        FacetColumn("loyalty_points", "points", "Points earned less points redeemed."),
        FacetColumn("loyalty_tier", "", "The newest tier."),
    ),
    build=build,
)

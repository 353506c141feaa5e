"""Restock due: how many customers are about to need again what they buy again and again."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.measure.kpis.kpi import Asked, Kpi, Value

PURCHASES = 3  # days on which a category was bought, before its rhythm is believed


def measure(asked: Asked) -> pd.DataFrame:
    """Count customers and categories due in the period after each: last bought + the mean gap so far.

    Raises
    ------
    NotEnoughDataError : products have no category.
    """
    if asked.facts.query("SELECT count(category) AS named FROM order_lines")["named"].iloc[0] == 0:
        raise NotEnoughDataError("needs products with a category, which the source does not have")
    step = "INTERVAL 1 " + asked.grain
    return asked.rows(
        f"""
        SELECT CAST(due - {step} AS DATE) AS period, count(*) AS restock_due
        FROM (
            SELECT
                date_trunc('{asked.grain}', day + to_days(CAST((day - first) // (bought - 1) AS INTEGER))) AS due,
                *
            FROM (
                SELECT
                    day,
                    first_value(day) OVER purchases AS first,
                    row_number() OVER purchases AS bought,
                    lead(day) OVER purchases AS next
                FROM (
                    SELECT DISTINCT customer_id, category, CAST({asked.day} AS DATE) AS day
                    FROM order_lines
                    WHERE quantity > 0 AND category IS NOT NULL
                )
                WINDOW purchases AS (PARTITION BY customer_id, category ORDER BY day)
            )
            WHERE bought >= {PURCHASES}
        )
        WHERE day < due AND (next IS NULL OR next >= due)
        GROUP BY ALL""",
        0,
    )


KPI = Kpi(
    name="restock_due",
    meaning="Customers and categories, each bought on three days or more, that are due to be bought again in the coming week.",
    values=(Value("restock_due", "count", "restocks due"),),
    tables=("order_lines",),
    measure=measure,
    is_leading=True,
)

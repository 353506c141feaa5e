"""Restock due: how much is about to be needed again, of what customers buy again and again."""

from tenure.measure.kpis.kpi import Kpi

# Due: the last day it was bought + the mean gap so far. It counts in the week before the one it is due in.
SQL = """
SELECT CAST(due - INTERVAL 1 {grain} AS DATE) AS period, count(*) AS restock_due
FROM (
    SELECT date_trunc('{grain}', day + CAST((day - first) // (times - 1) AS INTEGER)) AS due, day, next
    FROM (
        SELECT day, min(day) OVER w AS first, row_number() OVER w AS times, lead(day) OVER w AS next
        FROM (
            SELECT DISTINCT customer_id, category, CAST({day} AS DATE) AS day
            FROM order_lines
            WHERE quantity > 0 AND category IS NOT NULL
        )
        WINDOW w AS (PARTITION BY customer_id, category ORDER BY day)
    )
    WHERE times >= 3
)
WHERE day < due AND (next IS NULL OR next >= due)
GROUP BY period"""

KPI = Kpi(
    "restock_due",
    "restocks due",
    "count",
    "Customers and categories, each bought on three days or more, that are due to be bought again in the coming week.",
    SQL,
    tables=("order_lines",),
    is_leading=True,
)

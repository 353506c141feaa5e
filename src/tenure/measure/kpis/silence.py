"""Silence: who was there a while ago and has not been since."""

from tenure.measure.kpis.kpi import Kpi

SQL = """
WITH seen AS (
    SELECT place, lead(place) OVER (PARTITION BY customer_id ORDER BY place) AS next
    FROM (SELECT DISTINCT customer_id, period FROM ({acts})) JOIN periods USING (period)
)
SELECT period, avg(CAST(p.place - seen.place >= 4 AS INTEGER)) AS silence
FROM periods p JOIN seen ON p.place BETWEEN seen.place AND seen.place + 12 AND (next IS NULL OR p.place < next)
WHERE p.place >= 13
GROUP BY period"""

KPI = Kpi(
    "silence",
    "customers gone silent",
    "share",
    "Of the customers who ordered, used or came in the last 13 weeks, the share who did nothing in the last four.",
    SQL,
    any_of=("order_lines", "usage", "engagement"),
    is_leading=True,
)

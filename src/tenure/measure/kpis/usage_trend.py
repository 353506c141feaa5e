"""Usage trend: is the product used more or less than in the weeks before?"""

from tenure.measure.kpis.kpi import Kpi

SQL = """
SELECT period, avg(quantity / nullif(before, 0)) AS usage_trend
FROM (
    SELECT *, avg(quantity) OVER w AS before, count(*) OVER w AS periods
    FROM (SELECT coalesce(metric, '') AS metric, {period} AS period, sum(quantity) AS quantity FROM usage GROUP BY ALL)
    WINDOW w AS (PARTITION BY metric ORDER BY period ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING)
)
WHERE periods = 4
GROUP BY period"""

KPI = Kpi(
    "usage_trend",
    "usage against the four weeks before",
    "ratio",
    "The week's usage ÷ the mean of the last four weeks with usage before it; of several metrics the mean.",
    SQL,
    tables=("usage",),
    is_leading=True,
)

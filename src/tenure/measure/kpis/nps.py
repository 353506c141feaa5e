"""Net promoter score, from what customers answered."""

from tenure.measure.kpis.kpi import Kpi

SQL = """
SELECT period, avg(CASE WHEN score >= 9 THEN 1 WHEN score <= 6 THEN -1 ELSE 0 END) AS nps
FROM (SELECT {period} AS period, try_cast(value AS DOUBLE) AS score FROM declared WHERE lower(key) = 'nps')
WHERE score BETWEEN 0 AND 10
GROUP BY period"""

KPI = Kpi(
    "nps",
    "net promoters",
    "share",
    "Of the week's answers to 'nps', the share that are 9 or 10 less the share from 0 to 6.",
    SQL,
    tables=("declared",),
    is_leading=True,
)

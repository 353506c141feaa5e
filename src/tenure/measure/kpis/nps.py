"""NPS, from what customers answered."""

from __future__ import annotations

import pandas as pd

from tenure.measure.kpis.kpi import Asked, Kpi, Value


def measure(asked: Asked) -> pd.DataFrame:
    """Take promoters (9, 10) less detractors (0 to 6) of each period's answers from 0 to 10."""
    return asked.rows(
        f"""
        SELECT period, avg(CASE WHEN score >= 9 THEN 1 WHEN score <= 6 THEN -1 ELSE 0 END) AS nps
        FROM (SELECT {asked.period} AS period, try_cast(value AS DOUBLE) AS score FROM declared WHERE lower(key) = 'nps')
        WHERE score BETWEEN 0 AND 10
        GROUP BY period"""
    )


KPI = Kpi(
    name="nps",
    meaning="Share of the week's answers to 'nps' that are 9 or 10, less the share from 0 to 6.",
    values=(Value("nps", "share", "net promoters"),),
    tables=("declared",),
    measure=measure,
    is_leading=True,
)

"""Usage trend: is the product used more or less than in the weeks before?"""

from __future__ import annotations

import pandas as pd

from tenure.measure.kpis.kpi import Asked, Kpi, Value


def measure(asked: Asked) -> pd.DataFrame:
    """Compare each metric's quantity with its mean of the four periods before; the mean over metrics."""
    return asked.rows(
        f"""
        SELECT period, avg(quantity / nullif(before, 0)) AS usage_trend
        FROM (
            SELECT *, avg(quantity) OVER w AS before, count(*) OVER w AS periods
            FROM (
                SELECT coalesce(metric, '') AS metric, {asked.period} AS period, sum(quantity) AS quantity
                FROM usage
                GROUP BY ALL
            )
            WINDOW w AS (PARTITION BY metric ORDER BY period ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING)
        )
        WHERE periods = 4
        GROUP BY period"""
    )


KPI = Kpi(
    name="usage_trend",
    meaning="The week's usage ÷ the mean of the four weeks before it; over several metrics their mean.",
    values=(Value("usage_trend", "ratio", "usage against the four weeks before"),),
    tables=("usage",),
    measure=measure,
    is_leading=True,
)

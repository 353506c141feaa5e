"""Silence: who was there a while ago and has not been since."""

from __future__ import annotations

import pandas as pd

from tenure.measure.kpis.kpi import Asked, Kpi, Value

SILENT, GONE = 4, 13  # periods without a sign; after GONE nobody expects one


def measure(asked: Asked) -> pd.DataFrame:
    """Of those seen in the last 13 periods, the share not seen in the last four."""
    acts = " UNION ".join(f"SELECT customer_id, {asked.period} AS period FROM {table}" for table in asked.tables)
    places = ", ".join(f"(DATE '{day}', {place})" for place, day in enumerate(asked.periods))
    return asked.rows(
        f"""
        WITH places AS (SELECT * FROM (VALUES {places}) AS p (period, place)),
        acts AS (
            SELECT place AS seen, lead(place) OVER (PARTITION BY customer_id ORDER BY place) AS seen_next
            FROM ({acts}) JOIN places USING (period)
        )
        SELECT period, avg(CAST(place - seen >= {SILENT} AS INTEGER)) AS silence
        FROM places JOIN acts ON seen <= place AND place < least(coalesce(seen_next, seen + {GONE}), seen + {GONE})
        WHERE place >= {GONE}
        GROUP BY period"""
    )


KPI = Kpi(
    name="silence",
    meaning="Of the customers who ordered, used or visited in the last 13 weeks, the share who did nothing in the last four.",
    values=(Value("silence", "share", "customers gone silent"),),
    tables=(),
    any_of=("order_lines", "usage", "engagement"),
    measure=measure,
    is_leading=True,
)

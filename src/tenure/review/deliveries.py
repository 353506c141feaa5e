"""Deliveries: whether each table is as fresh and as full as its own history says, and still has its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tenure.alerts import Alert
from tenure.sources.ingest import TableSummary

WEEKS = 12
FEWEST_WEEKS = 6
# Days of silence that are nothing to speak of, whatever the history.
PATIENCE_DAYS = 3
# So many robust standard deviations, and at least half the median, from the usual week.
DEVIATIONS = 4.0
REJECTED_SHARE = 0.01


def delivery_table(rows_per_day: Mapping[str, pd.Series], as_of: date) -> pd.DataFrame:
    """Compare each table's last week and its silence with its own history; days by when facts were known.

    ``rows_per_day``: rows by date, of the days before the as-of that have any.
    => table, last_known, days_silent, usual_silence, rows_last_week, usual_low, usual_high, is_late, is_unusual
    """
    found = [_delivery(name, rows, as_of) for name, rows in rows_per_day.items() if len(rows)]
    return pd.DataFrame(found)


def _delivery(name: str, rows: pd.Series, as_of: date) -> dict[str, Any]:
    days = pd.DatetimeIndex(rows.index)
    gaps = np.diff(days.to_numpy()).astype("timedelta64[D]").astype(int)
    usual = int(np.quantile(gaps, 0.99)) if len(gaps) else 0
    silent = (as_of - days[-1].date()).days - 1
    weeks = [_rows_between(rows, as_of - timedelta(days=7 * (n + 1)), 7) for n in range(WEEKS + 1)]
    history = np.array(
        [weeks[n] for n in range(1, WEEKS + 1) if as_of - timedelta(days=7 * (n + 1)) >= days[0].date()], dtype=float
    )
    low, high = _usual(history)
    return {
        "table": name, "last_known": days[-1].date(), "days_silent": silent, "usual_silence": max(usual - 1, 0), "rows_last_week": weeks[0],
        "usual_low": low, "usual_high": high, "is_late": silent > PATIENCE_DAYS and silent > 3 * usual,
        "is_unusual": low is not None and high is not None and not low <= weeks[0] <= high,
    }  # fmt: skip


def _rows_between(rows: pd.Series, first: date, days: int) -> int:
    index = pd.DatetimeIndex(rows.index)
    start = pd.Timestamp(first)
    return int(rows[(index >= start) & (index < start + pd.Timedelta(days=days))].sum())


def _usual(history: np.ndarray) -> tuple[float | None, float | None]:
    """Give the range of a usual week: median and median absolute deviation, which one odd week cannot move."""
    if len(history) < FEWEST_WEEKS:
        return None, None
    median = float(np.median(history))
    spread = max(DEVIATIONS * 1.4826 * float(np.median(np.abs(history - median))), 0.5 * median)
    return max(0.0, median - spread), median + spread


def delivery_alerts(deliveries: pd.DataFrame, vital: Collection[str]) -> list[Alert]:
    """Say which tables are late, or unusually full or empty; late is an error for the ``vital``, those that targets are asked of."""
    alerts = []
    for row in deliveries.to_dict("records"):
        if row["is_late"]:
            text = (
                f"nothing since {row['last_known']}, {row['days_silent']} days; usually at most {row['usual_silence']}."
            )
            is_vital = row["table"] in vital
            to_do = "Ask for the delivery before acting on the scores." if is_vital else "If some was due, ask for it."
            alerts.append(Alert("error" if is_vital else "warning", row["table"], f"{text} {to_do}"))
        elif row["is_unusual"]:
            text = f"{row['rows_last_week']:,} rows in the last week; usually {row['usual_low']:,.0f} to {row['usual_high']:,.0f}."
            alerts.append(Alert("warning", row["table"], text))
    return alerts


def change_alerts(tables: Mapping[str, TableSummary], former: Mapping[str, Any]) -> list[Alert]:
    """Compare what was staged with the run before: tables and columns without a value any more, more rejected rows. ``former`` is its run.json."""
    alerts = []
    for name, columns in former.get("columns", {}).items():
        if name not in tables:
            alerts.append(Alert("error", name, f"the table is gone since the run of {former['as_of']}."))
        elif lost := sorted({*columns} - {*tables[name].filled_columns}):
            alerts.append(
                Alert(
                    "warning",
                    name,
                    f"columns hold no value any more, as they did in the run of {former['as_of']}: {', '.join(lost)}. Were they renamed? See source.toml.",
                )
            )
    for name, rows in former.get("rows", {}).items():
        if name in tables and rows["read"] and tables[name].read:
            before, now = rows["rejected"] / rows["read"], tables[name].rejected / tables[name].read
            if now - before > REJECTED_SHARE:
                alerts.append(
                    Alert(
                        "warning",
                        name,
                        f"{now:.1%} of the rows are rejected, {before:.1%} in the run of {former['as_of']}. See 01_ingest.",
                    )
                )
    return alerts

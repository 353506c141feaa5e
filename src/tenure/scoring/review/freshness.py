"""Deliveries: whether each table is as fresh and as full as its own history says, and still has its columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.alerts import Alert
from tenure.sources.staged_source import TableSummary

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
    if not median:
        return None, None  # it comes in bursts, as campaigns do: an empty week and a full one are both usual
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
            is_thin = row["rows_last_week"] < row["usual_low"]
            to_do = "Ask whether some are missing." if is_thin else "Look whether some are there twice."
            text = f"{row['rows_last_week']:,} rows in the last week; usually {row['usual_low']:,.0f} to {row['usual_high']:,.0f}. {to_do}"
            alerts.append(Alert("warning", row["table"], text))
    return alerts


def change_alerts(tables: Mapping[str, TableSummary], former: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """Compare what was staged with the runs of the last month: tables and columns without a value any more, more rejected rows.

    ``former`` are their ``run.json``, oldest first. All of them, for what is lost stays lost on the days after the first without it.
    """
    filled, shares = _last_filled(former), _lowest_rejected(former)
    alerts = [
        Alert("error", name, f"the table is gone since the run of {max(runs.values())}. Was its file renamed or left out? See source.toml.")
        for name, runs in filled.items()
        if name not in tables
    ]  # fmt: skip
    for name in filled.keys() & tables.keys():
        lost = {column: day for column, day in filled[name].items() if column not in tables[name].filled_columns}
        for day in sorted({*lost.values()}):
            named = ", ".join(sorted(column for column, last in lost.items() if last == day))
            text = f"columns hold no value any more that did in the run of {day}: {named}. Were they renamed? See source.toml."
            alerts.append(Alert("warning", name, text))
    for name, (before, day) in shares.items():
        if name in tables and tables[name].read:
            now = tables[name].rejected / tables[name].read
            if now - before > REJECTED_SHARE:
                text = f"{now:.1%} of the rows are rejected, {before:.1%} in the run of {day}. See 01_ingest."
                alerts.append(Alert("warning", name, text))
    return alerts


def _last_filled(former: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Tell when each column of each table last held a value. => table: column: as-of"""
    found: dict[str, dict[str, str]] = {}
    for document in former:
        for name, columns in document.get("columns", {}).items():
            found.setdefault(name, {}).update(dict.fromkeys(columns, document["as_of"]))
    return found


def _lowest_rejected(former: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, str]]:
    """Tell the lowest share of rejected rows of each table, and the last as-of that had it."""
    found: dict[str, tuple[float, str]] = {}
    for document in former:
        for name, rows in document.get("rows", {}).items():
            share = rows["rejected"] / rows["read"] if rows["read"] else 0.0
            if rows["read"] and share <= found.get(name, (share, ""))[0]:
                found[name] = share, document["as_of"]
    return found

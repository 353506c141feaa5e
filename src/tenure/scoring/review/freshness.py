"""Freshness: whether each table is as fresh and as full as its own history says, and still has its columns."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.problems import Problem
from tenure.sources.staged_source import TableSummary

WEEKS = 12
FEWEST_WEEKS = 6
# Days of silence that are nothing to speak of, whatever the history.
PATIENCE_DAYS = 3
# So many robust standard deviations, and at least half the median, from the usual week.
DEVIATIONS = 4.0
REJECTED_SHARE = 0.01


def freshness_table(rows_per_day: Mapping[str, pd.Series], as_of: date) -> pd.DataFrame:
    """Compare each table's last week and its silence with its own history; days by when facts were known.

    ``rows_per_day``: rows by date, of the days before the as-of that have any.
    => table, last_known, days_silent, usual_silence, rows_last_week, usual_low, usual_high, is_late, is_unusual
    """
    return pd.DataFrame([_freshness_of(name, rows, as_of) for name, rows in rows_per_day.items() if len(rows)])


def _freshness_of(name: str, rows: pd.Series, as_of: date) -> dict[str, Any]:
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
        "table": name,
        "last_known": days[-1].date(),
        "days_silent": silent,
        "usual_silence": max(usual - 1, 0),
        "rows_last_week": weeks[0],
        "usual_low": low,
        "usual_high": high,
        "is_late": silent > PATIENCE_DAYS and silent > 3 * usual,
        "is_unusual": low is not None and high is not None and not low <= weeks[0] <= high,
    }


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


def freshness_problems(freshness: pd.DataFrame, vital: Collection[str]) -> Iterator[Problem]:
    """List tables that are late, or unusually full or empty; late is an error for the ``vital``, which targets need."""
    for row in freshness.to_dict("records"):
        if row["is_late"]:
            yield _late(row, is_vital=row["table"] in vital)
        elif row["is_unusual"]:
            is_thin = row["rows_last_week"] < row["usual_low"]
            to_do = "Ask whether some are missing." if is_thin else "Look whether some are there twice."
            usual = f"{row['usual_low']:,.0f} to {row['usual_high']:,.0f}"
            text = f"{row['rows_last_week']:,} rows in the last week; usually {usual}. {to_do}"
            yield Problem("warning", row["table"], text, "few_rows" if is_thin else "many_rows")


def _late(row: Mapping[Hashable, Any], *, is_vital: bool) -> Problem:
    to_do = "Ask for the delivery before acting on the scores." if is_vital else "If some was due, ask for it."
    silence = f"nothing since {row['last_known']}, {row['days_silent']} days; usually at most {row['usual_silence']}."
    return Problem("error" if is_vital else "warning", row["table"], f"{silence} {to_do}", "late")


def change_problems(tables: Mapping[str, TableSummary], former: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """List what was lost since the runs of the last month: tables, columns' values; and more rejected rows.

    ``former``: their ``run.json``, oldest first. All count, not only the last: what is lost stays lost on later days.
    """
    filled = _last_filled(former)
    for name, runs in filled.items():
        if name in tables:
            yield from _lost_columns(name, runs, tables[name])
        else:
            last = max(runs.values())
            text = f"the table is gone since the run of {last}. Was its file renamed or left out? See source.toml."
            yield Problem("error", name, text, "table_gone")
    for name, (before, day) in _lowest_rejected(former).items():
        if name in tables and tables[name].read:
            now = tables[name].rejected / tables[name].read
            if now - before > REJECTED_SHARE:
                text = f"{now:.1%} of the rows are rejected, {before:.1%} in the run of {day}. See 01_ingest."
                yield Problem("warning", name, text, "rejected_rows")


def _lost_columns(name: str, last_filled: Mapping[str, str], table: TableSummary) -> Iterator[Problem]:
    """Name the columns of a table that hold no value any more, by the last run in which they did."""
    lost = {column: day for column, day in last_filled.items() if column not in table.filled_columns}
    for day in sorted({*lost.values()}):
        columns = sorted(column for column, last in lost.items() if last == day)
        text = (
            f"columns hold no value any more that did in the run of {day}: {', '.join(columns)}. "
            "Were they renamed? See source.toml."
        )
        yield Problem("warning", name, text, "columns_lost", tuple(columns))


def _last_filled(former: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Find when each column of each table last held a value. => table: column: as-of"""
    found: dict[str, dict[str, str]] = {}
    for document in former:
        for name, columns in document.get("columns", {}).items():
            found.setdefault(name, {}).update(dict.fromkeys(columns, document["as_of"]))
    return found


def _lowest_rejected(former: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, str]]:
    """Find the lowest share of rejected rows of each table, and the last as-of that had it."""
    found: dict[str, tuple[float, str]] = {}
    for document in former:
        for name, rows in document.get("rows", {}).items():
            share = rows["rejected"] / rows["read"] if rows["read"] else 0.0
            if rows["read"] and share <= found.get(name, (share, ""))[0]:
                found[name] = share, document["as_of"]
    return found

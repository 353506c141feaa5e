"""The ``[retention]`` of a source: for how many days facts, scores and reports are kept."""

from __future__ import annotations

from datetime import date, timedelta

from tenure.core.time_windows import next_month
from tenure.sources.contract import STAGED_TABLES

SCORES, REPORTS, DECISIONS = "scores", "reports", "decisions"
NAMES = (*(name for name, table in STAGED_TABLES.items() if table.is_dated), SCORES, REPORTS, DECISIONS)


def first_days_kept(retention: dict[str, int], today: date) -> dict[str, date]:
    """Give the first day of each staged table that is not too old yet: the first of a month.

    A whole month goes at a time, up to 30 days early, so that a daily run finds staged facts and snapshots as they
    were.

    Examples
    --------
    >>> first_days_kept({"usage": 90, "scores": 30}, date(2026, 5, 20))
    {'usage': datetime.date(2026, 3, 1)}
    """
    oldest = {name: today - timedelta(days=days) for name, days in retention.items() if name in STAGED_TABLES}
    return {name: next_month(day) for name, day in oldest.items()}

"""Cutoffs, windows and horizons: all the date arithmetic there is. Every window is half-open."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Literal

from tenure.core.errors import UsageError

Grid = Literal["month", "week"]
# Where the firsts of months leave fewer cutoffs to fit on, Mondays are taken.
FEWEST_FITTING = 6
# So many earlier cutoffs are tested, too, at most, each fitted on as many before it; nearer to each other than months
# their tests would be nearly one.
EARLIER_TESTS, TESTS_APART = 5, timedelta(weeks=4)


def parse_date(text: str | date, what: str = "as-of") -> date:
    """Read an ISO date.

    Raises
    ------
    UsageError : the text is no date of the form YYYY-MM-DD.
    """
    if isinstance(text, datetime):
        return text.date()
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{what} {text!r} is not a date. Expected YYYY-MM-DD, as in 2026-01-31.") from None


@dataclass(frozen=True)
class OutcomeWindow:
    """Where a label looks: ``[cutoff + lead, cutoff + lead + horizon)``, certain after the label lag. All in days."""

    lead_days: int
    horizon_days: int
    label_lag_days: int = 0

    def start(self, cutoff: date) -> date:
        return cutoff + timedelta(days=self.lead_days)

    def end(self, cutoff: date) -> date:
        """First day after the outcome window."""
        return self.start(cutoff) + timedelta(days=self.horizon_days)

    def certain_on(self, cutoff: date) -> date:
        """First day on which every outcome of this cutoff is certain."""
        return self.end(cutoff) + timedelta(days=self.label_lag_days)

    def is_matured(self, cutoff: date, as_of: date) -> bool:
        return self.certain_on(cutoff) <= as_of


def grid_dates(start: date, end: date, grid: Grid = "month") -> list[date]:
    """List the firsts of the month (or the Mondays) in ``[start, end]``, oldest first.

    Examples
    --------
    >>> [str(day) for day in grid_dates(date(2026, 1, 15), date(2026, 3, 1))]
    ['2026-02-01', '2026-03-01']
    """
    if grid == "week":
        first = start + timedelta(days=-start.weekday() % 7)
        return [first + timedelta(weeks=n) for n in range(max(0, (end - first).days // 7 + 1))]
    months: list[date] = []
    day = start if start.day == 1 else next_month(start)
    while day <= end:
        months.append(day)
        day = next_month(day)
    return months


def next_month(day: date) -> date:
    """First of the month after the one that holds ``day``."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def spaced_dates(first: date, last: date, every: str) -> list[date]:
    """List the dates from ``first`` to ``last``, as far apart as ``every`` says: ``1month``, ``2weeks``, ``10days``.

    Months are counted from ``first``, so a 31st becomes the last day of a shorter month and stays a 31st in the next.

    Raises
    ------
    UsageError : no such spacing, or ``last`` lies before ``first``.

    Examples
    --------
    >>> [str(day) for day in spaced_dates(date(2026, 1, 31), date(2026, 3, 31), "1month")]
    ['2026-01-31', '2026-02-28', '2026-03-31']
    """
    found = re.fullmatch(r"([1-9]\d?)\s*(day|week|month)s?", every.strip().lower())
    if not found:
        raise UsageError(
            f"--every {every!r} is no spacing. Expected a number of days, weeks or months, as in 1month or 2weeks."
        )
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}. Expected the later day last; swap them.")
    number, unit = int(found[1]), found[2]
    dates = [first]
    for step in count(1):
        steps = step * number
        day = months_later(first, steps) if unit == "month" else first + timedelta(**{f"{unit}s": steps})
        if day > last:
            return dates
        dates.append(day)
    return dates


def months_later(day: date, months: int) -> date:
    """Return the same day so many months later, or the last day of that month where it has none.

    Examples
    --------
    >>> str(months_later(date(2026, 1, 31), 1))
    '2026-02-28'
    """
    years, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + years, month + 1, 1)
    return first.replace(day=min(day.day, (next_month(first) - timedelta(days=1)).day))


@dataclass(frozen=True)
class CutoffPlan:
    """Which cutoffs a model is fitted on, and the one it is tested on.

    ``fitting`` are those whose labels were certain at ``test``; ``walk`` are all before ``test`` that it or earlier
    tests are fitted on, and those that are tested; all oldest first. ``remarks`` say in a sentence each what is not as
    usual: a grid that the data's length chose, cutoffs that were left out.
    """

    test: date
    fitting: tuple[date, ...]
    walk: tuple[date, ...]
    grid: Grid = "month"
    remarks: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[date, ...]:
        return tuple(sorted({*self.walk, *self.fitting, self.test}))


def spaced_back(cutoffs: Iterable[date], test: date) -> list[date]:
    """Choose cutoffs four weeks or more before a test and before each other, the latest there are; oldest first.

    Examples
    --------
    >>> mondays = grid_dates(date(2026, 1, 5), date(2026, 3, 2), "week")
    >>> [str(day) for day in spaced_back(mondays, date(2026, 3, 2))]
    ['2026-01-05', '2026-02-02']
    """
    chosen = [test]
    for cutoff in sorted(cutoffs, reverse=True):
        if cutoff <= chosen[-1] - TESTS_APART:
            chosen.append(cutoff)
    return chosen[:0:-1]


def plan_cutoffs(
    *,
    history_start: date,
    as_of: date,
    window: OutcomeWindow,
    min_history_days: int,
    grid: Grid | None = None,
    test_cutoff: date | None = None,
    max_fitting: int = 24,
) -> CutoffPlan | None:
    """Choose the test cutoff and the fitting cutoffs that its embargo allows.

    The test cutoff is the last matured one on the grid unless given; fitting cutoffs ``c`` satisfy
    ``c + lead + horizon + label lag <= test`` and have ``min_history_days`` of history. Without a ``grid`` cutoffs are
    the firsts of months, or Mondays where those would leave fewer than six to fit on before the last matured one: a
    given test cutoff changes nothing about that. Returns None where no cutoff matured with that much history.

    Raises
    ------
    UsageError : the given test cutoff has not matured at the as-of.
    """
    if test_cutoff is not None and not window.is_matured(test_cutoff, as_of):
        raise UsageError(
            f"Test cutoff {test_cutoff}: its outcomes are certain on {window.certain_on(test_cutoff)}, after the as-of "
            f"{as_of}. Expected a matured cutoff; choose an earlier one or leave it out."
        )

    def on(grid: Grid, test: date | None = None) -> CutoffPlan | None:
        with_history = grid_dates(history_start + timedelta(days=min_history_days), as_of, grid)
        matured = [cutoff for cutoff in with_history if window.is_matured(cutoff, as_of)]
        if test is None and not matured:
            return None
        test = test or matured[-1]
        certain = [cutoff for cutoff in matured if window.is_matured(cutoff, test)]
        used = certain[-max_fitting - EARLIER_TESTS * (4 if grid == "week" else 1) :]
        tested = spaced_back([cutoff for cutoff in matured if used and used[0] < cutoff], test)[-EARLIER_TESTS:]
        return CutoffPlan(test, tuple(certain[-max_fitting:]), tuple(sorted({*used, *tested})), grid)

    if grid is not None:
        return on(grid, test_cutoff)
    monthly, weekly = on("month"), on("week")
    months = len(monthly.fitting) if monthly else 0
    if weekly is None or months >= FEWEST_FITTING or len(weekly.fitting) <= months:
        return on("month", test_cutoff)
    remark = f"Cutoffs are Mondays: the firsts of months would leave {months} to fit on, fewer than {FEWEST_FITTING}."
    plan = on("week", test_cutoff)
    return plan and replace(plan, remarks=(remark,))

"""Dates of a backfill."""

from datetime import date

import pytest

from tenure.errors import UsageError
from tenure.time_windows import spaced_dates


def texts(first, last, every):
    return [str(day) for day in spaced_dates(date.fromisoformat(first), date.fromisoformat(last), every)]


def test_months_keep_the_day_where_there_is_one():
    assert texts("2025-01-31", "2025-04-30", "1month") == ["2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30"]
    assert texts("2025-11-01", "2026-02-01", "2months") == ["2025-11-01", "2026-01-01"]


def test_weeks_and_days_are_counted_and_the_last_day_is_included():
    assert texts("2025-01-01", "2025-01-15", "1week") == ["2025-01-01", "2025-01-08", "2025-01-15"]
    assert texts("2025-01-01", "2025-01-01", "10 days") == ["2025-01-01"]


@pytest.mark.parametrize("every", ["", "month", "0days", "1.5months", "1year", "-1day"])
def test_a_spacing_that_is_none_is_refused(every):
    with pytest.raises(UsageError, match="is no spacing. Expected a number of days, weeks or months"):
        texts("2025-01-01", "2025-02-01", every)


def test_a_range_that_ends_before_it_begins_is_refused():
    with pytest.raises(UsageError, match="--to 2025-01-01 lies before --from 2025-02-01"):
        texts("2025-02-01", "2025-01-01", "1month")

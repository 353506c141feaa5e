"""Cutoffs, windows and the embargo between fitting and testing; dates of a backfill."""

from datetime import date, timedelta

import pytest

from tenure.core.errors import UsageError
from tenure.core.time_windows import OutcomeWindow, plan_cutoffs, spaced_dates


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


def plan(window, *, as_of, **given):
    """Months of a history from January 2024 on: 60 days of it lie before 1 March, for 2024 is a leap year."""
    planned = plan_cutoffs(
        history_start=date(2024, 1, 1), as_of=as_of, window=window, min_history_days=60, grid="month", **given
    )
    return planned and (
        planned.test.month,
        *([c.month for c in cutoffs] for cutoffs in (planned.fitting, planned.walk)),
    )


def test_an_outcome_is_certain_after_lead_horizon_and_label_lag_to_the_day():
    window = OutcomeWindow(lead_days=7, horizon_days=30, label_lag_days=14)
    cutoff = date(2024, 4, 1)
    assert (window.start(cutoff), window.end(cutoff)) == (date(2024, 4, 8), date(2024, 5, 8))
    assert window.is_matured(cutoff, date(2024, 5, 22)) and not window.is_matured(cutoff, date(2024, 5, 21))


def test_nothing_is_fitted_on_whose_outcome_was_not_certain_at_the_test_cutoff():
    # August is the last month whose 30 days and 14 of lag are over on 1 October; on 1 August June's were, July's not.
    assert plan(OutcomeWindow(0, 30, 14), as_of=date(2024, 10, 1)) == (8, [3, 4, 5, 6], [3, 4, 5, 6, 7])


def test_an_outcome_certain_on_the_very_day_counts():
    # 31 days from 1 July are over on 1 August, and from 1 August on 1 September.
    assert plan(OutcomeWindow(0, 31), as_of=date(2024, 9, 1)) == (8, [3, 4, 5, 6, 7], [3, 4, 5, 6, 7])
    assert plan(OutcomeWindow(0, 32), as_of=date(2024, 9, 1)) == (7, [3, 4, 5], [3, 4, 5, 6])


def test_a_cutoff_has_its_history_behind_it():
    assert plan(OutcomeWindow(0, 31), as_of=date(2024, 4, 1)) == (3, [], [])
    assert plan(OutcomeWindow(0, 31), as_of=date(2024, 3, 31)) is None


def test_a_test_cutoff_that_has_not_matured_is_refused():
    with pytest.raises(UsageError, match="certain on 2024-05-02, after the as-of 2024-05-01"):
        plan(OutcomeWindow(0, 31), as_of=date(2024, 5, 1), test_cutoff=date(2024, 4, 1))


def on_its_own(days, **given):
    """Plan a history of so many days from Monday 1 January 2024 on, of 28 days of outcome after 60 of history."""
    as_of = date(2024, 1, 1) + timedelta(days=days)
    return plan_cutoffs(
        history_start=date(2024, 1, 1), as_of=as_of, window=OutcomeWindow(0, 28), min_history_days=60, **given
    )


def test_mondays_are_taken_where_months_leave_fewer_than_six_to_fit_on_and_that_is_said():
    short = on_its_own(160)
    assert short.grid == "week" and {cutoff.weekday() for cutoff in short.all} == {0}
    assert (short.fitting[0], short.fitting[-1], short.test) == (date(2024, 3, 4), date(2024, 4, 8), date(2024, 5, 6))
    assert short.remarks == ("Cutoffs are Mondays: the firsts of months would leave 2 to fit on, fewer than 6.",)


def test_months_are_taken_where_six_of_them_can_be_fitted_on_or_the_source_says_so():
    long, asked = on_its_own(275), on_its_own(160, grid="month")
    assert (long.grid, len(long.fitting), long.remarks) == ("month", 6, ())
    assert (asked.grid, len(asked.fitting), asked.remarks) == ("month", 2, ())
    assert on_its_own(275, grid="week").grid == "week"


def test_an_earlier_test_cutoff_stays_on_the_grid_of_the_last():
    assert on_its_own(275, test_cutoff=date(2024, 5, 1)).grid == "month"
    assert on_its_own(160, test_cutoff=date(2024, 4, 15)).grid == "week"


def test_no_cutoff_is_planned_that_neither_the_last_test_nor_five_earlier_ones_are_fitted_on():
    months = plan_cutoffs(
        history_start=date(1997, 1, 1), as_of=date(2025, 6, 1), window=OutcomeWindow(0, 90), min_history_days=60
    )
    assert (len(months.fitting), months.fitting[0], months.test) == (24, date(2023, 1, 1), date(2025, 3, 1))
    assert (months.walk[0], len(months.walk)) == (date(2022, 8, 1), 31)
    earlier = plan_cutoffs(
        history_start=date(1997, 1, 1), as_of=date(2025, 6, 1), window=OutcomeWindow(0, 90), min_history_days=60,
        test_cutoff=date(2024, 10, 1),
    )  # fmt: skip
    assert earlier.fitting[0] == months.walk[0]


def test_of_the_mondays_too_late_to_fit_on_only_those_that_are_tested_are_planned():
    short = on_its_own(160)
    assert short.walk[:6] == short.fitting and short.walk[6:] == () and short.test == date(2024, 5, 6)
    longer = plan_cutoffs(
        history_start=date(2024, 1, 1), as_of=date(2024, 8, 5), window=OutcomeWindow(0, 70), min_history_days=60
    )
    assert (longer.test, longer.fitting[-1]) == (date(2024, 5, 27), date(2024, 3, 18))
    assert longer.walk == (*longer.fitting, date(2024, 4, 1), date(2024, 4, 29))


@pytest.mark.parametrize(("grid", "apart"), [("month", 30), (None, 6)])
def test_twice_the_outcome_and_the_way_to_a_cutoff_are_always_history_enough(grid, apart):
    for start in (date(2024, 1, 1) + timedelta(days=n) for n in range(400)):
        as_of = start + timedelta(days=60 + 2 * (44 + apart))
        assert plan_cutoffs(
            history_start=start, as_of=as_of, window=OutcomeWindow(0, 30, 14), min_history_days=60, grid=grid
        ).fitting

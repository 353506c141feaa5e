"""Tables against their own history: late, thin, changed."""

from datetime import date, timedelta

import pandas as pd
import pytest

from tenure.core.problems import worst_first
from tenure.scoring.review.freshness import change_problems, freshness_problems, freshness_table
from tenure.sources.staged_source import TableSummary

AS_OF = date(2025, 7, 1)


def daily(days, rows=10, until=AS_OF):
    """So many days of so many rows, the last one the day before ``until``."""
    index = pd.DatetimeIndex([until - timedelta(days=n) for n in range(days, 0, -1)])
    return pd.Series(rows, index=index)


def problems(rows, vital=("orders",)):
    return [str(problem) for problem in freshness_problems(freshness_table({"orders": rows}, AS_OF), vital)]


def test_a_table_delivered_every_day_raises_nothing():
    assert problems(daily(120)) == []


def test_a_silent_table_is_an_error_and_says_since_when():
    (said,) = problems(daily(120, until=AS_OF - timedelta(days=5)))
    assert said.startswith("error: orders: nothing since 2025-06-25, 5 days; usually at most 0.")


def test_a_silent_table_that_no_target_is_asked_of_is_a_warning():
    (said,) = problems(daily(120, until=AS_OF - timedelta(days=5)), vital=())
    assert said.startswith("warning: orders: nothing since")


def test_a_monthly_table_is_not_late_after_three_weeks():
    months = pd.Series(50, index=pd.date_range("2024-06-10", "2025-06-10", freq="30D"))
    assert not freshness_table({"fees": months}, AS_OF)["is_late"].any()


@pytest.mark.parametrize(("last_week", "is_unusual"), [(10, False), (6, False), (4, True), (16, True)])
def test_a_week_is_unusual_below_half_or_above_one_and_a_half_of_the_median(last_week, is_unusual):
    rows = daily(120)
    rows.iloc[-7:] = last_week
    assert freshness_table({"orders": rows}, AS_OF)["is_unusual"].tolist() == [is_unusual]


def test_a_short_history_has_no_usual_week():
    row = freshness_table({"orders": daily(30)}, AS_OF).iloc[0]
    assert row["usual_low"] is None and not row["is_unusual"]


def test_a_campaign_after_empty_weeks_is_no_alarm():
    campaigns = pd.Series(600, index=pd.date_range("2025-01-10", "2025-06-28", freq="45D").append(pd.DatetimeIndex(["2025-06-28"])))  # fmt: skip
    assert problems(campaigns) == []


def summary(*, rejected=0, empty=()):
    return TableSummary(
        read=100,
        staged=100 - rejected,
        rejected=rejected,
        columns=("customer_id", "brand"),
        filled_from=dict.fromkeys({"customer_id", "brand"}.difference(empty), "2025-06-01"),
    )


def run_json(as_of, columns, rejected=0):
    return {"as_of": as_of, "columns": columns, "rows": {"orders": {"read": 100, "rejected": rejected}}}


BOTH = {"orders": ["customer_id", "brand"]}


def test_lost_columns_tables_and_more_rejected_rows_are_told():
    former = [run_json("2025-06-01", {**BOTH, "usage": ["customer_id"]})]
    now = {"orders": summary(rejected=5, empty=["brand"])}
    assert [str(problem)[:60] for problem in worst_first(change_problems(now, former))] == [
        "error: usage: the table is gone since the run of 2025-06-01. Was"[:60],
        "warning: orders: 5.0% of the rows are rejected, 0.0% in the run of"[:60],
        "warning: orders: columns hold no value any more that did in the run of 2025-"[:60],
    ]


def test_what_was_lost_some_runs_ago_is_told_until_it_is_back():
    former = [
        run_json("2025-06-01", {**BOTH, "usage": ["customer_id"]}),
        run_json("2025-06-02", BOTH),
        run_json("2025-06-03", {"orders": ["customer_id"]}, rejected=5),
    ]
    now = {"orders": summary(rejected=5, empty=["brand"])}
    still = [str(problem) for problem in worst_first(change_problems(now, former))]
    assert "the table is gone since the run of 2025-06-01." in still[0]
    assert "5.0% of the rows are rejected, 0.0% in the run of 2025-06-02." in still[1]
    assert "that did in the run of 2025-06-02: brand." in still[2]
    assert list(change_problems({"orders": summary(), "usage": summary()}, former)) == []


def test_a_thin_week_and_a_full_one_are_told_with_what_to_ask():
    for last_week, asked in ((2, "Ask whether some are missing."), (30, "Look whether some are there twice.")):
        rows = daily(120)
        rows.iloc[-7:] = last_week
        assert problems(rows)[0].endswith(f"in the last week; usually 35 to 105. {asked}")

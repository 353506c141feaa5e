"""The embargo as the audit sees it: to the day, label lag included."""

from dataclasses import replace
from datetime import date

from tenure.audit.split import split_problems
from tenure.targets.catalogue import all_targets

CHURN = replace(all_targets()["churn"], horizon_days=30, lead_days=0, label_lag_days=14)


def test_a_fitting_outcome_certain_on_the_test_cutoff_passes_and_a_day_later_is_named():
    fitting = [date(2024, 3, 1), date(2024, 4, 1)]  # certain 44 days later, on 14 April and 15 May
    assert split_problems(CHURN, fitting, date(2024, 5, 15)) == []
    (problem,) = split_problems(CHURN, fitting, date(2024, 5, 14))
    assert problem.level == "error" and problem.found.startswith("1 of 2 fitting cutoffs (2024-04-01 to 2024-04-01)")

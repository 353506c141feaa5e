"""Outcomes after an assignment and covariates from before it: the edges of each window, by eye."""

from datetime import date

import pytest

from tables import staged
from tenure.core.errors import DefinitionError, LeakageError, UnknownNameError
from tenure.core.workspace import Workspace
from tenure.measure.assigned import assigned_customers
from tenure.measure.outcomes import Outcome, outcomes_in
from tenure.measure.rows import covariates_of, with_outcomes
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.facts_at import facts_at

CONTACTS = (
    "customer_id occurred_at campaign_id arm",
    "ana 2024-07-01T10:00:00 a treated",
    "bo 2024-07-01T10:00:00 a control",
)


def rows(tmp_path, *orders, as_of=date(2024, 8, 30), toml="[measure]\nhorizon_days = 10\n"):
    source = staged(
        tmp_path, toml, contacts=CONTACTS, order_lines=("customer_id occurred_at known_at order_id amount", *orders)
    )
    with facts_at(source, as_of) as facts:
        table = assigned_customers(facts)
        return with_outcomes(
            facts, Snapshots(Workspace(tmp_path), source, as_of), table, outcomes_in(facts.tables)
        ).set_index("customer_id")


@pytest.mark.parametrize(
    ("day", "before", "after", "twice"),
    [
        ("2024-06-20", 0, 0, 0), ("2024-06-21", 1, 0, 0), ("2024-06-30", 1, 0, 0), ("2024-07-01", 0, 1, 1),
        ("2024-07-10", 0, 1, 1), ("2024-07-11", 0, 0, 1), ("2024-07-20", 0, 0, 1), ("2024-07-21", 0, 0, 0),
    ],
)  # fmt: skip
def test_windows_are_half_open_and_begin_on_the_day_of_the_assignment(tmp_path, day, before, after, twice):
    found = rows(tmp_path, f"ana {day} - o1 5").loc["ana"]
    assert found[["ordered_before", "ordered", "ordered_twice"]].tolist() == [before, after, twice]


def test_what_became_known_only_later_is_no_covariate_and_still_an_outcome(tmp_path):
    found = rows(
        tmp_path, "ana 2024-06-25 2024-07-01 o1 5", "bo 2024-06-25 2024-06-26 o2 5", "ana 2024-07-02 2024-08-01 o3 7"
    )
    assert found["ordered_before"].to_dict() == {"ana": 0, "bo": 1}
    assert found["order_amount"].to_dict() == {"ana": 7, "bo": 0}


def test_money_is_net_of_returns(tmp_path):
    found = rows(tmp_path, "ana 2024-07-02 - o1 20", "ana 2024-07-08 - o1 -5")
    assert found.loc["ana", "order_amount"] == 15


def test_an_outcome_is_null_until_its_window_has_passed(tmp_path):
    found = rows(tmp_path, "ana 2024-07-02 - o1 20", as_of=date(2024, 7, 10))
    assert found["ordered"].isna().all() and not found["is_matured"].any()
    found = rows(tmp_path / "later", "ana 2024-07-02 - o1 20", as_of=date(2024, 7, 11))
    assert found["ordered"].to_dict() == {"ana": 1, "bo": 0} and found["ordered_twice"].isna().all()


def test_covariates_are_the_outcome_before_and_the_year_before(tmp_path):
    found = rows(tmp_path, "ana 2023-08-01 - o1 9", "ana 2023-06-01 - o2 9", "bo 2024-06-28 - o3 1")
    assert covariates_of(found, "ordered") == ["ordered_before", "year_before"]
    assert found["year_before"].tolist() == pytest.approx([2.302585, 0.693147])


def test_an_outcome_is_checked_as_a_feature_is():
    with pytest.raises(LeakageError, match="occurred_at"):
        Outcome("late", "order_lines", "max(occurred_at)", unit="count", words="ordered")
    with pytest.raises(UnknownNameError, match="amuont"):
        Outcome("spent", "order_lines", "sum(amuont)", unit="currency", words="spent")
    with pytest.raises(DefinitionError, match="does not aggregate"):
        Outcome("spent", "order_lines", "amount", unit="currency", words="spent")
    assert Outcome("spent", "order_lines", "sum(amount)", unit="currency", words="spent").is_money

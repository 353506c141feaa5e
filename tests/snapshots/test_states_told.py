"""What the label audit counts, on subscriptions that can be checked by eye."""

from datetime import date

import pytest

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.states_told import label_cases, renewals_told

CUTOFF = date(2024, 4, 1)
HEADER = "customer_id occurred_at known_at subscription_id event plan term_days"
ROWS = (
    "two 2024-03-10 2024-03-10 a started Solo 30",
    "two 2024-03-12 2024-03-12 b started Solo 30",
    "two 2024-04-09 2024-04-09 a renewed Solo 30",
    "two 2024-04-11 2024-04-11 b renewed Solo 30",
    "held 2024-01-10 2024-01-10 c started Solo -",
    "held 2024-02-10 2024-02-10 c paused Solo -",
    "trial 2024-03-25 2024-03-25 d trial_started Solo -",
    "late_payer 2024-02-25 2024-02-25 e started Solo 30",
    "late_payer 2024-04-03 2024-04-03 e renewed Solo 30",
    "yearly 2024-02-01 2024-02-01 f started Solo 365",
    "goes 2024-03-10 2024-03-10 g started Solo 30",
    "goes 2024-04-10 2024-04-10 g ended Solo -",
    "returns 2024-03-10 2024-03-10 h started Solo 30",
    "returns 2024-04-10 2024-04-10 h ended Solo -",
    "returns 2024-04-20 2024-04-20 h started Solo -",
    "switches 2024-03-10 2024-03-10 i started Solo 30",
    "switches 2024-04-10 2024-04-10 i ended Solo -",
    "switches 2024-04-10 2024-04-10 i started Duo 30",
    "cancels 2024-03-10 2024-03-10 j started Solo 30",
    "cancels 2024-03-20 2024-03-20 j cancel_requested Solo -",
)


def snapshots_of(root, toml=""):
    return Snapshots(Workspace(root), staged(root, toml, subscription_events=(HEADER, *ROWS)), date(2024, 8, 1))


def test_each_case_of_the_definition_is_counted(tmp_path):
    snapshots = snapshots_of(tmp_path)
    target = snapshots.targets["churn"]
    snapshots.build_labels(target, [CUTOFF])
    found = label_cases(snapshots, target, CUTOFF)
    assert dict(zip(found["case"], found["customers"], strict=True)) == {
        "something is paid for": 7,
        "held: something is paused, nothing paid for": 1,
        "nothing but a trial or a free plan": 1,
        "several subscriptions are paid for": 1,
        "a cancellation is pending for everything paid": 1,
        "a renewal is overdue": 0,  # nothing had been renewed before the cutoff: terms roll on
        "something paid cannot end in the window": 1,
        "ended in the window": 1,
        "ended before the window: in the lead time, or unknown at the cutoff": 0,
        "ended after the window, by the grace after a due date in it": 0,
        "ended in the window and came back within the grace": 1,
        "a plan switch: an end and a start in one instant": 1,
        "an end beside another event in one instant, but for a start": 0,
    }


def test_a_source_that_says_that_renewals_are_delivered_has_overdue_ones(tmp_path):
    snapshots = snapshots_of(tmp_path, '[targets.churn]\nrenewals = "delivered"\n')
    target = snapshots.targets["churn"]
    snapshots.build_labels(target, [CUTOFF])
    found = label_cases(snapshots, target, CUTOFF).set_index("case")["customers"]
    assert found["a renewal is overdue"] == 1
    assert renewals_told(snapshots, target, CUTOFF) == "Renewals are delivered, as the source says."


@pytest.mark.parametrize(
    ("day", "told"),
    [
        (date(2024, 4, 1), "Renewals are not delivered, so terms roll on"),
        (date(2024, 8, 1), "Renewals are not delivered, so terms roll on"),
    ],
)
def test_whether_renewals_are_delivered_is_found_from_what_was_known(tmp_path, day, told):
    snapshots = snapshots_of(tmp_path)
    assert renewals_told(snapshots, snapshots.targets["churn"], day).startswith(told)

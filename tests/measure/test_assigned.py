"""Who was assigned to what: small tables of contacts, and decisions beside them."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.measure.assigned import COLUMNS, assigned_customers
from tenure.snapshots.engines.facts_at import facts_at

AS_OF = date(2024, 9, 1)


def assigned(tmp_path, *contacts, decided=None, toml=""):
    with facts_at(staged(tmp_path, toml, contacts=contacts), AS_OF) as facts:
        return assigned_customers(facts, decided).set_index(["campaign", "customer_id"]).sort_index()


def test_old_contacts_with_an_arm_are_assignments(tmp_path):
    found = assigned(
        tmp_path, "customer_id occurred_at campaign_id offer cost arm",
        "ana 2024-07-01 a mug 0.5 treated", "bo 2024-07-01 a mug 0 control",
    )  # fmt: skip
    assert found["assigned"].tolist() == ["treated", "control"]
    assert (found["action"].tolist(), found["cost"].tolist()) == (["mug", "mug"], [0.5, 0.0])
    assert found["chance"].isna().all() and found["moves"].isna().all()


def test_a_customer_counts_once_in_a_campaign_and_not_at_all_in_both_arms(tmp_path):
    found = assigned(
        tmp_path, "customer_id occurred_at campaign_id cost arm",
        "ana 2024-07-01 a 1 treated", "ana 2024-07-05 a 2 treated", "bo 2024-07-01 a 1 treated", "bo 2024-07-03 a 0 control",
    )  # fmt: skip
    assert len(found) == 2
    assert found.loc[("a", "ana"), ["is_in_both", "cost", "assigned_at"]].tolist() == [
        False,
        3.0,
        pd.Timestamp("2024-07-01"),
    ]
    assert found.loc[("a", "bo"), "is_in_both"]


def test_contacts_without_an_arm_have_none(tmp_path):
    found = assigned(tmp_path, "customer_id occurred_at channel", "ana 2024-07-01 email")
    assert found["assigned"].isna().all() and found.index.tolist() == [("email", "ana")]


def test_a_contact_known_later_is_none_yet(tmp_path):
    found = assigned(tmp_path, "customer_id occurred_at known_at campaign_id arm", "ana 2024-07-01 2024-09-01 a treated",
                     "bo 2024-07-01 2024-08-31 a treated")  # fmt: skip
    assert [customer for _, customer in found.index] == ["bo"]


def decision(customer, assigned, **other):
    row = {"customer_id": customer, "campaign": "call", "action": "call", "moves": "churn", "assigned_at": "2024-07-01",
           "assigned": assigned, "chance": 0.5, "cost": 1.0}  # fmt: skip
    return row | other


def test_decisions_stand_beside_old_campaigns_and_keep_what_else_they_say(tmp_path):
    decided = pd.DataFrame(
        [decision("ana", "treated", expected_value=3.0), decision("bo", "control", expected_value=2.0)]
    )
    found = assigned(tmp_path, "customer_id occurred_at campaign_id arm", "cy 2024-07-01 a treated", decided=decided)
    assert found["assigned"].tolist() == ["treated", "treated", "control"]
    assert found.loc["call", "expected_value"].tolist() == [3.0, 2.0]
    assert set(COLUMNS) - {"campaign", "customer_id"} <= set(found)


def test_a_control_customer_who_was_sent_the_campaign_is_found(tmp_path):
    decided = pd.DataFrame([decision("ana", "control"), decision("bo", "control"), decision("cy", "treated")])
    found = assigned(
        tmp_path, "customer_id occurred_at campaign_id arm", "ana 2024-07-02 call treated", "dan 2024-07-02 other treated",
        decided=decided.assign(moves=None),
    )  # fmt: skip
    assert found.loc["call", "is_reached"].to_dict() == {"ana": True, "bo": False, "cy": False}

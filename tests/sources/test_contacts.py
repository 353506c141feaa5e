"""Contacts that come back: whose decision each was, whom it was meant for, what became of it."""

from datetime import date

from tables import read, staged
from tenure.snapshots.engines.known_customers import contacted_customers
from tenure.sources.source import parse_source

HEADER = "customer_id occurred_at campaign_id arm"
ACTIONS = """
[decisions]
hold_out = 0.05
[channels.email]
cost = {cost}
[actions.save_call]
moves = "churn"
[audiences.silent]
when = "churn_decile = 1"
"""


def contacted(source):
    return contacted_customers(source, date(2024, 3, 1), date(2024, 2, 1), date(2024, 3, 1))


def test_who_was_meant_to_be_treated_is_the_arm_where_nothing_else_is_said(tmp_path):
    rows = ("ana 2024-02-01 x treated", "bo 2024-02-01 x control", "cy 2024-02-01 x -")
    source = staged(tmp_path, contacts=(HEADER, *rows))
    found = read(source.path("contacts"), "customer_id, assigned, status, decision_id")
    assert found == [("ana", "treated", None, None), ("bo", "control", None, None), ("cy", None, None, None)]
    assert contacted(source) == {"ana", "cy"}


def test_a_contact_counts_once_by_what_was_assigned_and_sent_not_by_its_answers(tmp_path):
    rows = (
        "ana 2024-02-01 x treated treated d1 sent", "ana 2024-02-02 x treated treated d1 opened",
        "bo 2024-02-01 x treated control d2 sent", "cy 2024-02-01 x treated - d3 bounced",
        "di 2024-02-01 x treated - d4 lost",
    )  # fmt: skip
    source = staged(tmp_path, contacts=(f"{HEADER} assigned decision_id status", *rows))
    assert contacted(source) == {"ana"}
    assert source.tables["contacts"].rules == {
        "status is none of sent, bounced, opened, clicked, replied, taken, complained, unsubscribed": 1
    }


def test_a_changed_action_is_another_policy_and_trains_nothing_anew():
    plain, dear, cheap, other = (
        parse_source(text, name="shop", where="")
        for text in ("", ACTIONS.format(cost=0.2), ACTIONS.format(cost=0.1), "currency = 'EUR'")
    )
    assert plain.meaning == dear.meaning == cheap.meaning != other.meaning
    assert len({plain.policy, dear.policy, cheap.policy}) == 3
    assert other.policy == plain.policy

"""Single days of a small shop: each case is one that a simulated company broke, told in the fewest rows."""

from datetime import date, datetime, time

import pandas as pd
import pytest
from small import CHANNEL, SAVE, Small

from tenure.decisions.approval import events_of_answers
from tenure.decisions.document import of_scored

QUIET = "explore = 0.0\nhold_out = 0.0\n"
FAILED = (
    '[actions.failed]\nsays = "It failed"\nservice = true\nchannels = ["email"]\nexpires_after = 4\n'
    'on = { table = "payments", expression = "count(*) filter (where status = \'failed\') > 0", days = 1 }\n'
)
PAYMENTS = "customer_id occurred_at known_at payment_id amount status"


def test_a_failed_payment_is_answered_once(tmp_path):
    shop = Small(
        tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{FAILED}", payments=(PAYMENTS, "ana 2026-03-03 2026-03-03 p1 9 failed")
    )
    for day in ("2026-03-02", "2026-03-04", "2026-03-05", "2026-03-06"):
        shop.decide(day)
    assert shop.sent() == [("ana", "failed", "2026-03-04")]


def test_a_failed_payment_that_is_known_late_is_answered_on_the_day_it_is_known_unless_it_has_expired(tmp_path):
    payments = (PAYMENTS, "ana 2026-03-01 2026-03-03 p1 9 failed", "bo 2026-03-01 2026-03-06 p2 9 failed")
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{FAILED}", payments=payments)
    for day in ("2026-03-02", "2026-03-04", "2026-03-07"):
        shop.decide(day)
    assert shop.sent() == [("ana", "failed", "2026-03-04")]


def test_two_facts_of_one_customer_on_two_days_are_answered_twice(tmp_path):
    payments = (PAYMENTS, "ana 2026-03-03 2026-03-03 p1 9 failed", "ana 2026-03-05 2026-03-05 p2 9 failed")
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{FAILED}", payments=payments)
    for day in ("2026-03-02", "2026-03-04", "2026-03-06"):
        shop.decide(day)
    assert shop.sent() == [("ana", "failed", "2026-03-04"), ("ana", "failed", "2026-03-06")]


@pytest.mark.parametrize("quiet", ["[]", '["sun"]'])
def test_service_dearer_than_the_budget_goes_out_and_stops_no_day(tmp_path, quiet):
    rules = f"[decisions]\nbudget = 1\nquiet = {quiet}\n{QUIET}{CHANNEL}cost = 0.6\n{FAILED}{SAVE}"
    payments = (PAYMENTS, *(f"{who} 2026-02-28 2026-02-28 {who} 9 failed" for who in ("ana", "bo", "cy")))
    shop = Small(tmp_path, rules, payments=payments)
    for day in ("2026-03-01", "2026-03-02"):  # a Sunday, a Monday
        shop.decide(day)
    assert {one for one in shop.sent() if one[1] == "failed"} == {
        (who, "failed", "2026-03-01") for who in ("ana", "bo", "cy")
    }


@pytest.mark.parametrize("tier", ["automatic", "approve"])
def test_two_decision_days_with_one_day_of_sending_share_its_capacity(tmp_path, tier):
    rules = f'[decisions]\nquiet = ["sun"]\n{QUIET}{CHANNEL}per_day = 1\n{SAVE}tier = "{tier}"\n'
    shop = Small(tmp_path, rules)
    for day in ("2026-03-01", "2026-03-02"):
        shop.decide(day)
    assert len(shop.sent()) == 1


def test_service_takes_its_part_of_a_capacity_before_marketing_does(tmp_path):
    rules = f"[decisions]\n{QUIET}{CHANNEL}per_day = 1\n{FAILED}{SAVE}"
    shop = Small(tmp_path, rules, payments=(PAYMENTS, "ana 2026-03-01 2026-03-01 p1 9 failed"))
    shop.decide("2026-03-02")
    assert shop.sent() == [("ana", "failed", "2026-03-02")]


@pytest.mark.parametrize(("approved", "again"), [("2026-03-02", "2026-03-09"), ("2026-03-07", "2026-03-14")])
def test_a_cap_counts_from_the_day_on_which_what_was_approved_goes_out(tmp_path, approved, again):
    shop = Small(tmp_path, f'[decisions]\nat_most = {{ 7 = 1 }}\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n', ids=["ana"])
    shop.decide("2026-03-02")
    assert shop.answer(approved)["event"].tolist() == ["approved", "drawn"]
    for number in range(8, 15):
        shop.decide(f"2026-03-{number:02}")
    assert [day for _, _, day in shop.sent()][:2] == ["2026-03-02", again]


@pytest.mark.parametrize("approved", ["2026-02-27", "2026-03-02"])
def test_nobody_who_has_joined_the_hold_out_since_is_sent_what_is_approved(tmp_path, approved):
    ids = [f"c{number}" for number in range(60)]
    shop = Small(tmp_path, f'[decisions]\nhold_out = 0.5\nexplore = 0.0\n{CHANNEL}{SAVE}tier = "approve"\n', ids=ids)
    shop.decide("2026-02-27")
    shop.answer(approved)
    shop.decide("2026-03-02")
    rows = shop.ledger()
    joined = {*rows.loc[(rows["arm"] == "hold_out") & (rows["as_of"].astype(str) == "2026-03-02"), "customer_id"]}
    joined -= {*rows.loc[(rows["arm"] == "hold_out") & (rows["as_of"].astype(str) == "2026-02-27"), "customer_id"]}
    assert joined
    drawn = {*rows.loc[rows["status"] == "drawn", "customer_id"]}
    assert drawn
    # What goes out before they join is no breach; what goes out after it is.
    assert (joined & drawn == set()) if approved > "2026-03-01" else joined <= drawn


def test_what_somebody_sent_although_it_was_rejected_counts_as_a_contact(tmp_path):
    rules = f'[decisions]\nat_most = {{ 30 = 1 }}\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n'
    shop = Small(tmp_path, rules, ids=["ana", "bo"])
    shop.decide("2026-03-02")
    shop.answer("2026-03-02", "reject")
    header = "customer_id occurred_at campaign_id channel arm status"
    shop.stage(contacts=(header, "ana 2026-03-02 save email treated sent"))
    shop.decide("2026-03-04")
    assert [one for one in shop.sent() if one[2] == "2026-03-04"] == [("bo", "save", "2026-03-04")]


def test_an_action_rests_after_its_own_history_too(tmp_path):
    header = "customer_id occurred_at campaign_id channel arm status"
    rows = (
        "ana 2026-02-20 save email treated sent",
        "bo 2026-02-20 other email treated sent",
        "cy 2026-01-20 save email treated sent",
    )
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{SAVE}rest_days = 30\n", contacts=(header, *rows))
    shop.decide("2026-03-02")
    assert shop.sent() == [("bo", "save", "2026-03-02"), ("cy", "save", "2026-03-02")]


def test_the_time_to_send_what_is_approved_holds_no_quiet_time(tmp_path):
    rules = f'[decisions]\nquiet = ["sun", "21:00-08:00"]\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n'
    shop = Small(tmp_path, rules, ids=["ana"])
    shop.decide("2026-03-06")  # a Friday
    shop.answer("2026-03-07")
    row = shop.ledger().iloc[0]
    assert row["status"] == "drawn" and row["send_from"].date() == row["send_until"].date()


def test_what_is_at_stake_for_a_target_needs_no_other_value(tmp_path):
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{SAVE}")
    shop.decide("2026-03-02", shop.scored().drop(columns="value_12m"))
    assert len(shop.sent()) == 3


def test_a_customer_whose_stake_is_unknown_is_sent_nothing_and_told_why(tmp_path):
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{SAVE}")
    shop.decide("2026-03-02", shop.scored(lapse_at_stake=[100.0, float("nan"), 100.0], value_12m=float("nan")))
    assert [one[0] for one in shop.sent()] == ["ana", "cy"]
    bo = shop.ledger().set_index("customer_id").loc["bo", "candidates"]
    assert [one["refused_because"] for one in bo] == ["its value at stake is not known"]


@pytest.mark.parametrize("word", [False, None])
def test_consent_withdrawn_between_proposal_and_approval_or_never_given_is_no_consent(tmp_path, word):
    shop = Small(tmp_path, f'[decisions]\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n', ids=["ana", "bo"])
    shop.decide("2026-03-02")
    now = pd.DataFrame({"consent_email": pd.array([word, True], dtype="boolean")}, index=["ana", "bo"])
    events = shop.answer("2026-03-03", consents=now)
    rows = shop.ledger().set_index("customer_id")["status"]
    assert rows.to_dict() == {"ana": "rejected", "bo": "drawn"}
    assert events.loc[events["event"] == "rejected", "why"].tolist() == ["consent withdrawn since"]


def test_who_has_left_the_tables_since_is_not_sent_what_is_approved(tmp_path):
    shop = Small(tmp_path, f'[decisions]\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n', ids=["ana", "bo"])
    shop.decide("2026-03-02")
    shop.answer("2026-03-03", consents=pd.DataFrame({"consent_email": [True]}, index=["bo"]))
    assert shop.ledger().set_index("customer_id")["status"].to_dict() == {"ana": "rejected", "bo": "drawn"}


def test_a_second_answer_changes_nothing(tmp_path):
    shop = Small(tmp_path, f'[decisions]\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\n', ids=["ana"])
    shop.decide("2026-03-02")
    first = shop.answer("2026-03-02")
    found = shop.ledger()
    answers = pd.DataFrame({"decision_id": first["decision_id"].unique(), "decision": "reject", "why": ""})
    events = events_of_answers(
        shop.policy, found, answers, shop.scored().set_index("customer_id"), today=date(2026, 3, 3), at=datetime(2026, 3, 3), by="bob"
    )  # fmt: skip
    assert events.empty


def test_a_proposal_that_nobody_answers_in_time_is_not_sent_any_more(tmp_path):
    rules = f'[decisions]\n{QUIET}{CHANNEL}{SAVE}tier = "approve"\nexpires_after = 3\n'
    shop = Small(tmp_path, rules, ids=["ana"])
    shop.decide("2026-03-02")
    assert shop.answer("2026-03-06")["event"].tolist() == ["rejected"]


def test_a_contact_that_bounced_or_was_meant_for_control_uses_no_cap(tmp_path):
    header = "customer_id occurred_at campaign_id channel arm status"
    rows = (
        "ana 2026-03-01 x email treated sent",
        "bo 2026-03-01 x email control -",
        "cy 2026-03-01 x email treated bounced",
    )
    shop = Small(tmp_path, f"[decisions]\nat_most = {{ 7 = 1 }}\n{QUIET}{CHANNEL}{SAVE}", contacts=(header, *rows))
    shop.decide("2026-03-02")
    assert [one[0] for one in shop.sent()] == ["bo", "cy"]


@pytest.mark.parametrize(("days", "is_sent"), [(6, False), (7, True)])
def test_a_window_of_seven_days_is_over_on_the_eighth(tmp_path, days, is_sent):
    header = "customer_id occurred_at campaign_id channel"
    shop = Small(
        tmp_path, f"[decisions]\nat_most = {{ 7 = 1 }}\n{QUIET}{CHANNEL}{SAVE}", ids=["ana"],
        contacts=(header, f"ana 2026-03-{10 - days:02} x email"),
    )  # fmt: skip
    shop.decide("2026-03-10")
    assert bool(shop.sent()) == is_sent


def day_with_arrivals(tmp_path, service):
    action = FAILED if service else FAILED.replace("service = true", 'moves = "lapse"')
    payments = (PAYMENTS, *(f"{who} 2026-03-02T09:00 2026-03-02T09:00 {who} 9 failed" for who in ("ana", "bo")))
    shop = Small(tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{SAVE}{action}", payments=payments)
    deciles = shop.scored(lapse_decile=[1, 9, 9])
    shop.decide("2026-03-02", deciles)
    for hour in (14, 15):
        shop.decide("2026-03-02", deciles, at=time(hour), since_last=True)
    return shop.sent()


def test_facts_that_arrive_during_the_day_are_answered_once(tmp_path):
    assert [one for one in day_with_arrivals(tmp_path, True) if one[1] == "failed"] == [
        ("ana", "failed", "2026-03-02"), ("bo", "failed", "2026-03-02"),
    ]  # fmt: skip


def test_who_was_sent_something_this_morning_is_sent_nothing_more_for_a_fact_that_arrives_at_noon(tmp_path):
    assert day_with_arrivals(tmp_path, False) == [("ana", "save", "2026-03-02"), ("bo", "failed", "2026-03-02")]


def test_an_action_by_a_target_that_was_not_scored_waits_and_the_others_do_not(tmp_path):
    shop = Small(
        tmp_path, f"[decisions]\n{QUIET}{CHANNEL}{SAVE}{SAVE.replace('save', 'keep').replace('lapse', 'churn')}"
    )
    columns, targets = tuple(shop.scored()), ("churn", "lapse")
    whens = {name: action.when for name, action in of_scored(shop.policy, columns, targets).actions.items()}
    assert whens == {"save": "lapse_decile <= 5", "keep": "false"}
    everything = of_scored(shop.policy, (*columns, "churn_decile"), targets)
    assert everything.actions["keep"].when == "churn_decile <= 5"

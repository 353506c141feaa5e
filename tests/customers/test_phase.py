"""The phases, each on a life that can be checked by eye. The as-of is 1 July 2024."""

from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)
ORDER_COLUMNS = "customer_id occurred_at known_at order_id amount"
EVENT_COLUMNS = "customer_id occurred_at known_at subscription_id event"


def view(root, orders=(), events=(), scores=None, toml=""):
    tables = {}
    if orders:
        lines = [f"ana {day} {day} o{place} {amount}" for place, (day, amount) in enumerate(orders)]
        tables["order_lines"] = (ORDER_COLUMNS, *lines)
    if events:
        tables["subscription_events"] = (EVENT_COLUMNS, *(f"ana {day} {day} s1 {event}" for day, event in events))
    customers = pd.DataFrame({"customer_id": ["ana"]}).assign(**(scores or {}))
    return customer_view(staged(root, toml, **tables), AS_OF, customers)


def phase(root, **given):
    row = view(root, **given).customers.iloc[0]
    return row["phase"], row["phase_since"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["2024-06-01"], "acquire"),  # 30 days after the first purchase, the last day of it
        (["2024-05-31"], "deploy"),
        (["2024-01-05", "2024-06-20"], "run"),
        (["2024-01-01"], "lapsed"),  # 182 days; the lapse target asks of 180
        (["2023-06-01", "2024-06-20"], "won back"),  # after 385 days of silence
        (["2024-01-01", "2024-01-11", "2024-01-21", "2024-03-01"], "at risk"),  # usual gap 20 days, silent for 122
    ],
)
def test_the_phase_of_a_buyer(tmp_path, days, expected):
    assert phase(tmp_path, orders=[(day, 10) for day in days])[0] == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("2024-06-20", "trial_started")], "pipeline"),
        ([("2023-01-01", "started")], "run"),  # a live subscriber is not lapsed, however silent
        ([("2023-01-01", "started"), ("2024-06-20", "cancel_requested")], "at risk"),
        ([("2023-01-01", "started"), ("2024-06-20", "ended")], "lapsed"),
        ([("2023-01-01", "started"), ("2024-06-20", "upgraded")], "expand"),
        ([("2023-01-01", "started"), ("2023-09-01", "ended"), ("2024-05-01", "started")], "won back"),
    ],
)
def test_the_phase_of_a_subscriber(tmp_path, events, expected):
    assert phase(tmp_path, events=events)[0] == expected


@pytest.mark.parametrize("order", [1, -1], ids=["as written", "turned round"])
def test_of_two_events_in_one_instant_the_phase_reads_the_one_that_targets_read(tmp_path, order):
    """``latest`` orders rows of one instant by their value: an end stands before a renewal."""
    same_day = [("2024-06-20", "renewed"), ("2024-06-20", "ended")]
    assert phase(tmp_path, events=[("2023-01-01", "started"), *same_day[::order]])[0] == "lapsed"


def test_twice_the_spending_of_the_quarter_before_is_an_expansion(tmp_path):
    orders = [("2023-09-01", 10), ("2024-02-15", 10), ("2024-06-01", 20)]
    assert phase(tmp_path / "a", orders=orders)[0] == "expand"
    assert phase(tmp_path / "b", orders=orders, toml="[attributes.phase]\nexpand_ratio = 2.5")[0] == "run"
    assert phase(tmp_path / "c", orders=[*orders, ("2024-06-20", -5)])[0] == "run"  # less what was sent back


def test_a_phase_lasts_since_the_first_month_it_was_told_unbroken(tmp_path):
    # 181 days after the only purchase: the first day beyond the 180 that the lapse target asks of.
    assert phase(tmp_path, orders=[("2023-10-03", 10)]) == ("lapsed", "2024-04-01")


def test_who_is_in_the_first_decile_of_churn_or_lapse_is_at_risk_since_today(tmp_path):
    orders = [("2024-01-05", 10), ("2024-06-20", 10)]
    assert phase(tmp_path, orders=orders, scores={"lapse_decile": 1}) == ("at risk", "2024-07-01")
    assert phase(tmp_path, orders=orders, scores={"lapse_decile": 2})[0] == "run"


def test_the_flow_counts_everyone_known_once_a_month(tmp_path):
    flow = view(tmp_path, orders=[("2024-04-20", 10)]).tables["phase_flow"]
    rows = flow[["day_before", "day", "phase_before", "phase", "customers"]].astype(str).to_numpy().tolist()
    assert rows == [
        ["2024-05-01", "2024-06-01", "acquire", "deploy", "1"],
        ["2024-06-01", "2024-07-01", "deploy", "deploy", "1"],
    ]


def test_what_became_known_later_changes_no_earlier_phase(tmp_path):
    late = (ORDER_COLUMNS, "ana 2024-01-05 2024-01-05 o1 10", "ana 2024-03-05 2024-06-25 o2 10")
    flow = customer_view(staged(tmp_path, order_lines=late), AS_OF, pd.DataFrame({"customer_id": ["ana"]})).tables[
        "phase_flow"
    ]
    early = (ORDER_COLUMNS, "ana 2024-01-05 2024-01-05 o1 10")
    without = customer_view(
        staged(tmp_path / "b", order_lines=early), AS_OF, pd.DataFrame({"customer_id": ["ana"]})
    ).tables["phase_flow"]
    june = date(2024, 6, 1)
    assert flow[flow["day"] <= june].equals(without[without["day"] <= june])

"""Spend per group of customers, and another tenth of the budget, on days that can be added up by eye."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from small import CHANNEL, SAVE, Small

from tenure.core.errors import NotEnoughDataError
from tenure.decisions.allocation import Limit
from tenure.decisions.ledger import read_made
from tenure.decisions.spend import another_tenth, spend_by_group
from tenure.decisions.values import Values
from tenure.snapshots.engines.facts_at import facts_at

RULES = f"[decisions]\nbudget = 4\nexplore = 0.0\nhold_out = 0.0\n{CHANNEL}cost = 2.0\n{SAVE}"
CONTACTS = "customer_id occurred_at known_at decision_id channel status"


def spent(shop, day):
    with facts_at(shop.staged, date.fromisoformat(day)) as facts:
        today = shop.ledger()
        today = today[today["as_of"].astype(str) == day]
        return spend_by_group(shop.workspace, shop.policy, facts, today, shop.root / "scored.parquet", "scheduled")


def test_planned_sent_and_come_back_are_added_up_by_segment_and_phase(tmp_path):
    shop = Small(tmp_path, RULES)
    groups = {"rfm_segment": ["best", "best", None], "phase": ["run", "lapsed", "run"]}
    shop.decide("2026-03-02", shop.scored(lapse_at_stake=[100.0, 90.0, 80.0], **groups))
    ids = shop.ledger().set_index("customer_id")["decision_id"]
    shop.stage(contacts=(CONTACTS, f"ana 2026-03-02 2026-03-02 {ids['ana']} email sent",
                         f"ana 2026-03-03 2026-03-03 {ids['ana']} email taken",
                         f"bo 2026-03-03 2026-03-09 {ids['bo']} email replied"))  # fmt: skip
    shop.decide("2026-03-05", shop.scored(lapse_at_stake=[100.0, 90.0, 80.0], **groups))
    found = spent(shop, "2026-03-05").set_index(["by", "group"])
    columns = ["customers", "planned", "planned_cost", "sent", "sent_cost", "answered", "cost_each"]
    assert set(found.columns) == set(columns)
    found = found[columns]
    assert found.loc[("segment", "best")].tolist() == [2, 2, 4, 2, 4, 1, 2]  # bo's reply was known later
    assert found.loc[("segment", "none")].tolist() == [1, 0, 0, 0, 0, 0, 0]  # the budget is for two
    assert found.loc[("phase", "run")].tolist() == [2, 1, 2, 1, 2, 1, 1]
    assert "tier" not in found.index.get_level_values("by")


def test_what_waits_for_a_person_is_planned_and_a_first_day_has_sent_nothing(tmp_path):
    shop = Small(tmp_path, RULES + 'tier = "approve"\n')
    shop.decide("2026-03-02", shop.scored(phase="run"))
    (row,) = spent(shop, "2026-03-02").to_dict("records")
    assert (row["customers"], row["planned"], row["planned_cost"], row["sent"]) == (3, 2, 4.0, 0)


def valued(*worths, won=0.1, within=0.05, sign=1):
    """Value customers by one column that costs 1: stakes of which ``won`` is won, more or less by ``within``."""
    stakes = np.array(worths)[:, None]
    effect, ends = np.full(stakes.shape, sign * won), sorted((sign * (won - within), sign * (won + within)))
    low, high = (np.full(stakes.shape, end) for end in ends)
    return Values(
        effect, low, high, won * stakes - 1, (won - within) * stakes - 1, np.ones(1), np.array([False]), stakes < 0
    )


@pytest.mark.parametrize("sign", [1, -1], ids=["adds", "saves"])
def test_another_tenth_buys_the_next_best_contact_at_its_value_and_its_ends(sign):
    values = valued(*range(200, 90, -10), sign=sign)  # eleven customers, the budget pays ten
    limits, ties = (Limit("budget", 10, np.ones(1)),), np.arange(11, dtype=np.uint64)
    expected = {
        "more": 1.0,
        "gain": 9.0,
        "low": 4.0,
        "high": 14.0,
    }  # the eleventh stakes 100 at .10, .05 to .15, less 1
    assert another_tenth(values.value, values, limits, ties) == expected


def test_where_the_budget_is_no_limit_more_of_it_brings_nothing_and_without_one_nothing_is_said():
    values, ties = valued(200, 100), np.arange(2, dtype=np.uint64)
    assert another_tenth(values.value, values, (Limit("budget", 10, np.ones(1)),), ties)["gain"] == 0
    assert another_tenth(values.value, values, (Limit("channel email", 1, np.ones(1)),), ties) is None


def test_of_very_many_customers_a_sample_tells_the_same(monkeypatch):
    values = valued(*np.random.default_rng(5).uniform(20, 200, 6000))
    limits, ties = (Limit("budget", 2000, np.ones(1)),), np.random.default_rng(6).permutation(6000).astype(np.uint64)
    whole = another_tenth(values.value, values, limits, ties)
    monkeypatch.setattr("tenure.decisions.spend.SAMPLE", 2000)
    sampled = another_tenth(values.value, values, limits, ties)
    assert sampled["more"] == whole["more"] == 200 and sampled["gain"] == pytest.approx(whole["gain"], rel=0.05)
    assert pd.Series(sampled).sub(pd.Series(whole)).abs().max() < 0.05 * whole["high"]


def test_a_decision_day_keeps_what_another_tenth_of_its_budget_would_bring(tmp_path):
    rules = f"[decisions]\nbudget = 20\nexplore = 0.0\nhold_out = 0.0\n{CHANNEL}cost = 2.0\n{SAVE}effect = 0.1\n"
    shop = Small(tmp_path, rules, ids=[f"c{n:02}" for n in range(11)])
    made = read_made(shop.decide("2026-03-02", shop.scored(lapse_at_stake=[100.0 - n for n in range(11)])))
    # The eleventh stakes 90, with .5 to lapse and a tenth of it won, from half to twice: 4.50 (2.25 to 9), less 2.
    assert made["tenth"] == {"more": 2.0, "gain": 2.5, "low": 0.25, "high": 7.0}


def test_an_action_that_moves_a_question_the_source_does_not_ask_is_refused_with_the_line_to_write(tmp_path):
    back = '[actions.back]\nsays = "Come back"\nmoves = "return"\nwhen = "true"\nchannels = ["email"]\n'
    with pytest.raises(NotEnoughDataError, match=r"moves 'return', which is asked only where \[targets.return\]"):
        Small(tmp_path, CHANNEL + back).decide("2026-03-02")

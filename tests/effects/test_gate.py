"""The gate opens where customers differ and it pays, and nowhere else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from randomised import FEATURES, contacts

from tenure.effects.gate import judge
from tenure.effects.learner import fit_effect


@pytest.fixture(scope="module")
def differing():
    rows = contacts(10_000)
    return rows, fit_effect(rows, FEATURES, unit="share")


@pytest.fixture(scope="module")
def alike():
    rows = contacts(10_000, slope=0.0)
    return rows, fit_effect(rows, FEATURES, unit="share")


def test_it_opens_where_customers_differ_and_a_contact_costs_what_it_brings_on_average(differing):
    rows, fit = differing
    gate = judge(fit, rows, cost=0.05)
    assert gate.passes and gate.says.startswith("Customers differ")
    assert 0.4 < gate.contacted < 0.6
    assert set(gate.table["against"]) == {"nobody", "everybody", "as many at random", "as many by propensity"}


def test_it_stays_shut_where_all_react_alike_and_says_so(alike):
    rows, fit = alike
    for cost in (0.0, 0.05, 0.2):
        gate = judge(fit, rows, cost=cost)
        assert not gate.passes
        assert gate.says.endswith("the mean effect counts for all.")


def test_it_stays_shut_where_a_contact_costs_nothing_and_harms_nobody():
    rows = contacts(6_000, mean=0.4, slope=0.5)
    gate = judge(fit_effect(rows, FEATURES, unit="share"), rows, cost=0.0)
    assert not gate.passes and gate.contacted > 0.99
    assert "the same is best for nearly all" in gate.says


def test_it_stays_shut_where_the_propensity_ranks_as_well(differing):
    rows, fit = differing
    gate = judge(fit, rows.assign(propensity=rows["effect"].rank(pct=True)), cost=0.05)
    assert not gate.passes
    assert gate.says.endswith("better than contacting as many by propensity: the mean effect counts.")


def test_it_stays_shut_where_stakes_differ_and_effects_do_not(alike):
    """The value differs a lot, but the mean effect times the stake says it all."""
    rows, fit = alike
    stake = np.where(np.arange(len(rows)) % 2, 1.0, 10.0)
    gate = judge(fit, rows, cost=0.2, stake=stake)
    table = gate.table.set_index("against")
    assert not gate.passes
    assert table.loc["everybody", "low"] > 0 and table.loc["by the mean effect", "low"] < 0.02


def test_each_difference_is_paired_and_of_means_by_hand(differing):
    """Oracle: the same choice, written out with pandas; one customer, one row."""
    rows, fit = differing
    gate = judge(fit, rows, cost=0.05, budget=0.2)
    worth = pd.Series(fit.raw)
    chosen = worth.rank(ascending=False, method="first") <= 2_000
    difference = (chosen.astype(float) - 0.2) * (fit.pseudo - 0.05)
    found = gate.table.set_index("against").loc["as many at random"]
    assert gate.contacted == pytest.approx(0.2)
    assert found["difference"] == pytest.approx(difference.mean())
    assert (found["high"] - found["low"]) / 2 == pytest.approx(1.9602 * difference.std() / 100, rel=1e-3)
    assert "everybody" not in gate.table["against"].tolist()


def test_an_action_that_lowers_what_it_should_lower_is_worth_its_stake(differing):
    """Churn less 0.05 on average is as good as sales more 0.05."""
    rows, fit = differing
    mirrored = replace(fit, raw=-fit.raw, pseudo=-fit.pseudo, expected=(1 - fit.expected[0], 1 - fit.expected[1]))
    saved, sold = judge(mirrored, rows, cost=5.0, stake=100.0, sign=-1), judge(fit, rows, cost=5.0, stake=100.0)
    assert saved.value == sold.value and saved.contacted == sold.contacted


def test_asking_often_asks_for_more(differing):
    rows, fit = differing
    once, monthly = (judge(fit, rows, cost=0.05, error=error).table["low"] for error in (0.05, 0.05 / 12))
    assert (monthly < once).all()


def test_a_choice_of_a_handful_never_passes(differing):
    rows, fit = differing
    assert judge(fit, rows, cost=0.05, budget=0.3).passes
    assert not judge(fit, rows, cost=0.05, budget=0.009).passes


@pytest.mark.parametrize(("mail", "opens"), [("Womens E-Mail", True), ("Mens E-Mail", False)])
def test_of_two_real_mails_one_is_worth_choosing_for(test_data, mail, opens):
    """Hillstrom: the women's mail moves some and not others, the men's all alike as far as it pays."""
    raw = pd.read_parquet(test_data / "hillstrom" / "hillstrom.parquet").reset_index(names="customer_id")
    own = raw[raw["segment"].isin([mail, "No E-Mail"])]
    rows = own.assign(is_treated=own["segment"] == mail, chance=0.5, outcome=own["visit"])
    fit = fit_effect(rows, ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"], unit="share")
    assert judge(fit, rows, cost=0.05).passes == opens

"""What is said of a campaign, and what is not: an effect needs arms that chance drew."""

import numpy as np
import pandas as pd
import pytest
from campaign_shop import AS_OF, DAY, TRUE_EFFECT, by_chance, by_habit, placed, shop

from tenure.measure.campaigns import measure_campaigns
from tenure.measure.words import results


def main_effect(measured):
    found = measured.effects
    return found[
        (found["level"] == "campaign") & (found["outcome"] == "ordered") & (found["window"] == "horizon")
    ].iloc[0]


def test_an_effect_is_found_where_chance_drew_the_arms(tmp_path):
    measured = measure_campaigns(shop(tmp_path, by_chance))
    assert measured.campaigns["reason"].tolist() == [""]
    found = main_effect(measured)
    assert found.low <= TRUE_EFFECT <= found.high
    assert (found.verdict, found.treated + found.control) == ("proven", 4_000)
    assert found.high - found.low < found.plain_high - found.plain_low  # what was known before narrows it
    (said,) = results(measured, "EUR")
    assert said["text"].startswith("+") and "points ordered" in said["text"] and said["text"].endswith("; proven")


def test_contacts_that_a_marketer_chose_have_no_effect_printed_whatever_the_naive_difference(tmp_path):
    snapshots = shop(tmp_path, by_habit)
    measured = measure_campaigns(snapshots)
    assert measured.effects.empty and measured.segments.empty
    (reason,) = measured.campaigns["reason"]
    assert reason == "the arms differ before the campaign: not randomised"
    assert measured.campaigns["balance_p"].item() < 0.001
    (said,) = results(measured, "EUR")
    assert said["verdict"] == "not measured" and "points" not in said["text"]


def test_contacts_without_an_arm_or_with_one_arm_have_no_effect(tmp_path):
    unlabelled = measure_campaigns(shop(tmp_path / "a", by_chance, labelled=False))
    assert unlabelled.campaigns["reason"].tolist() == ["nobody was held out at random: its contacts name no arm"]
    everybody = measure_campaigns(shop(tmp_path / "b", lambda habit, _: np.full(len(habit), True)))
    assert everybody.campaigns["reason"].tolist() == ["all its customers are treated: nobody to compare them with"]
    assert unlabelled.effects.empty and everybody.effects.empty


def test_few_customers_are_said_to_tell_nothing(tmp_path):
    measured = measure_campaigns(shop(tmp_path, lambda habit, g: g.random(len(habit)) < 0.95, customers=2_000, seed=3))
    found = main_effect(measured)
    assert found.detectable > 0.1 * found.control_mean
    if found.verdict != "proven":
        assert "would have shown" in results(measured, "EUR")[0]["text"]
    few = measure_campaigns(shop(tmp_path / "few", lambda habit, g: g.random(len(habit)) < 0.95, customers=200))
    assert "expected 30 of each" in few.campaigns["reason"].item()


def test_money_is_the_effect_times_the_margin_of_the_treated_less_the_cost(tmp_path):
    measured = measure_campaigns(shop(tmp_path, by_chance))
    money = measured.effects.query("level == 'campaign' and outcome == 'order_amount' and window == 'horizon'").iloc[0]
    cost = 0.5 * money.treated
    assert money.cost == pytest.approx(cost)
    assert money.margin == pytest.approx(money.effect * 0.3 * money.treated - cost)
    assert money.romi == pytest.approx(money.margin / cost)
    assert money.margin_low == pytest.approx(money.low * 0.3 * money.treated - cost)


def regions(ids, by=None):
    """What is known of customers without a past: where they live."""
    north = np.random.default_rng(9).random(len(ids)) < 0.5 if by is None else by
    return pd.DataFrame(
        {"customer_id": ids, "occurred_at": DAY - pd.Timedelta(days=90), "region": np.where(north, "north", "south")}
    )


def test_arms_of_which_nothing_was_known_before_are_no_proof_and_an_attribute_is_enough_to_judge_them(tmp_path):
    ids = np.array([f"c{n:04d}" for n in range(1_000)])
    treated = np.random.default_rng(1).random(1_000) < 0.5
    contacts = pd.DataFrame(
        {"customer_id": ids, "occurred_at": DAY, "campaign_id": "a", "arm": np.where(treated, "treated", "control")}
    )
    orders = pd.DataFrame({"customer_id": ids, "order_id": ids, "amount": 10.0, "occurred_at": DAY})[:500]
    facts = {"order_lines": orders, "contacts": contacts}
    (unknown,) = measure_campaigns(placed(tmp_path / "a", **facts)).campaigns["reason"]
    assert unknown == "nothing is known of its customers before it: who was held out may be no accident"
    assert measure_campaigns(placed(tmp_path / "b", customers=regions(ids), **facts)).campaigns["reason"].item() == ""
    chosen = (
        measure_campaigns(placed(tmp_path / "c", customers=regions(ids, treated), **facts)).campaigns["reason"].item()
    )
    assert chosen == "the arms differ before the campaign: not randomised"


def test_what_is_pulled_forward_shows_at_twice_the_horizon(tmp_path):
    """The treated order on day 5, the others on day 40: proven after a month, nothing after two."""
    ids = np.array([f"c{n:04d}" for n in range(1_000)])
    treated = np.random.default_rng(1).random(1_000) < 0.5
    buys = np.random.default_rng(2).random(1_000) < 0.5
    orders = pd.DataFrame({"customer_id": ids, "order_id": ids, "amount": 10.0,
                           "occurred_at": DAY + pd.to_timedelta(np.where(treated, 5, 40), unit="D")})[buys]  # fmt: skip
    contacts = pd.DataFrame({"customer_id": ids, "occurred_at": DAY, "campaign_id": "a", "cost": 0.0,
                             "arm": np.where(treated, "treated", "control")})  # fmt: skip
    effects = measure_campaigns(placed(tmp_path, order_lines=orders, contacts=contacts, customers=regions(ids))).effects
    found = effects[effects["outcome"] == "ordered"].set_index("window")
    assert found.loc["horizon", "effect"].max() > 0.4
    assert found.loc["twice", "low"].max() < 0 < found.loc["twice", "high"].min()


def test_each_action_of_a_campaign_is_compared_with_its_one_control(tmp_path):
    generator = np.random.default_rng(5)
    ids = np.array([f"c{n:04d}" for n in range(3_000)])
    drawn = generator.integers(0, 3, 3_000)
    moved = np.array([0.3, 0.3, 0.6])[drawn]
    orders = pd.DataFrame({"customer_id": ids, "order_id": ids, "amount": 10.0, "occurred_at": DAY})[
        generator.random(3_000) < moved
    ]
    contacts = pd.DataFrame({"customer_id": ids, "occurred_at": DAY, "campaign_id": "a", "cost": 1.0,
                             "offer": np.array([None, "mug", "discount"], dtype=object)[drawn],
                             "arm": np.where(drawn > 0, "treated", "control")})  # fmt: skip
    effects = measure_campaigns(placed(tmp_path, order_lines=orders, contacts=contacts, customers=regions(ids))).effects
    arms = effects.query("level == 'arm' and outcome == 'ordered' and window == 'horizon'").set_index("action")
    assert arms["control"].tolist() == [int((drawn == 0).sum())] * 2
    assert arms.loc["discount", "effect"] == pytest.approx(0.3, abs=0.06)
    assert arms.loc["mug", "effect"] == pytest.approx(0.0, abs=0.06)


def decisions(count=2_000, seed=3):
    """Tenure's own: some are held out more often than others, as their chance says."""
    generator = np.random.default_rng(seed)
    chance = np.where(np.arange(count) % 2, 0.9, 0.5)
    treated = generator.random(count) < chance
    table = pd.DataFrame({
        "customer_id": [f"c{n:05d}" for n in range(count)], "campaign": "call 2024-07", "action": "call", "moves": None,
        "assigned_at": DAY, "assigned": np.where(treated, "treated", "control"),
        "chance": np.where(treated, chance, 1 - chance), "cost": 0.5, "expected_value": 1.0, "policy": "p1",
    })  # fmt: skip
    # Every second customer orders anyway: the plain means of the arms would say that the call did it.
    often = generator.random(count) < np.where(np.arange(count) % 2, 0.6, 0.2)
    orders = pd.DataFrame(
        {"customer_id": table["customer_id"], "order_id": table["customer_id"], "amount": 10.0, "occurred_at": DAY}
    )
    return table, orders[often]


def test_unequal_chances_are_weighted_and_a_promise_stands_beside_what_came(tmp_path):
    table, orders = decisions()
    measured = measure_campaigns(placed(tmp_path, order_lines=orders), table)
    found = main_effect(measured)
    assert found.plain_low < 0 < found.plain_high
    naive = orders["customer_id"].isin(table.loc[table["assigned"] == "treated", "customer_id"])
    shares = table["assigned"].value_counts()
    assert naive.sum() / shares["treated"] - (~naive).sum() / shares["control"] > 0.1
    (policy,) = measured.policies.to_dict("records")
    assert (policy["policy"], policy["treated"], policy["promised"]) == ("p1", shares["treated"], shares["treated"])
    assert policy["low"] < policy["realised"] < policy["high"]


def test_a_campaign_whose_arms_are_not_as_large_as_their_chances_say_is_not_measured(tmp_path):
    table, orders = decisions()
    lost = (table["assigned"] == "control") & (np.arange(len(table)) % 3 == 0)
    measured = measure_campaigns(placed(tmp_path, order_lines=orders), table[~lost])
    assert "not as large as their chances say" in measured.campaigns["reason"].item()
    assert measured.effects.empty


def test_a_label_is_an_outcome_where_the_action_moves_a_target(tmp_path):
    table, orders = decisions()
    before = table[["customer_id"]].assign(
        occurred_at=DAY - pd.Timedelta(days=30), order_id=lambda t: t["customer_id"] + "b", amount=10.0
    )
    toml = "[targets.lapse]\nhorizon_days = 60\neligible_days = 90\n"
    snapshots = placed(tmp_path, toml, order_lines=pd.concat([before, orders]))
    measured = measure_campaigns(snapshots, table.assign(moves="lapse"))
    found = measured.effects.query("level == 'action' and is_main").iloc[0]
    assert (found.outcome, found.moves, found.horizon_days) == ("lapse", "lapse", 60)
    ordered = measured.effects.query("level == 'action' and outcome == 'ordered' and window == 'horizon'").iloc[0]
    assert found.plain_effect == pytest.approx(-ordered.plain_effect)


def test_contacts_without_outcomes_yet_say_when_they_will_have_some(tmp_path):
    table, orders = decisions(200)
    snapshots = placed(tmp_path, order_lines=orders, as_of=(DAY + pd.Timedelta(days=29)).date())
    assert (
        measure_campaigns(snapshots, table).campaigns["reason"].item() == "the first outcomes are certain on 2024-07-31"
    )


def test_a_source_without_contacts_has_no_campaign(tmp_path):
    _, orders = decisions(50)
    measured = measure_campaigns(placed(tmp_path, order_lines=orders, as_of=AS_OF))
    assert measured.campaigns.empty and measured.effects.empty and results(measured, "EUR") == []

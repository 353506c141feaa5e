"""The incentive with the best measured effect for its cost, on figures that can be divided by hand."""

import pandas as pd
import pytest
from campaign_shop import by_chance, shop

import tenure
from tenure.measure.campaigns import Measured
from tenure.measure.incentives import incentives


def measured(*rows):
    """Give effects from action, outcome, effect, half of the interval, cost of all 100 treated."""
    effects = pd.DataFrame([
        {"level": "action", "campaign": "", "action": action, "outcome": outcome, "unit": "share", "window": "horizon", "is_main": True, "treated": 100,
         "control": 100, "effect": effect, "sure_low": effect - half, "sure_high": effect + half, "cost": cost}
        for action, outcome, effect, half, cost in rows
    ])  # fmt: skip
    return Measured(pd.DataFrame(columns=["campaign", "actions"]), effects, pd.DataFrame(), pd.DataFrame(), ())


def told(table):
    return table.set_index("action")[["cost", "per_100", "per_100_low", "per_100_high"]].round(6).T.to_dict("list")


def test_effects_are_divided_by_the_contact_and_by_what_is_given_to_who_takes_it():
    found = incentives(
        measured(("points", "ordered", 0.10, 0.02, 50), ("mail", "ordered", 0.02, 0.01, 10)), {"points": 1.5}, ()
    )
    assert told(found) == {
        "mail": [0.1, 20, 10, 30],
        "points": [2, 5, 4, 6],
    }  # 2 points of customers for .10 beat 10 for 2.00
    assert found["beside_best"].tolist() == ["best", "below the best"]


def test_where_intervals_overlap_it_is_said_and_each_outcome_has_its_own_best():
    rows = (
        ("a", "ordered", 0.10, 0.05, 100),
        ("b", "ordered", 0.08, 0.05, 100),
        ("c", "churned", -0.04, 0.01, 100),
        ("d", "churned", 0.01, 0.01, 100),
    )
    found = incentives(measured(*rows), {}, {"churned"}).set_index("action")
    assert found["beside_best"].to_dict() == {
        "c": "best",
        "d": "below the best",
        "a": "best",
        "b": "not told apart from the best",
    }
    assert found.loc["c", ["effect", "low", "high"]].tolist() == pytest.approx([0.04, 0.03, 0.05])  # who is kept is won


def test_the_campaigns_of_an_action_are_compared_with_each_other_by_the_main_outcome_alone():
    over = measured(
        ("mail", "ordered", 0.05, 0.02, 100), ("mail", "amount", 5, 2, 100), ("call", "ordered", 0.1, 0.05, 900)
    )
    each = measured(
        *(("", "ordered", effect, 0.03, 100) for effect in (0.04, 0.06)), ("", "ordered", 0.1, 0.05, 900)
    ).effects
    each = each.assign(level="campaign", campaign=["may", "june", "once"])
    campaigns = pd.DataFrame({"campaign": ["may", "june", "once"], "actions": ["mail", "mail", "call"]})
    both = Measured(campaigns, pd.concat([over.effects, each]), over.segments, over.policies, ())
    found = incentives(both, {}, ())[["action", "campaign", "outcome", "beside_best"]].to_numpy().tolist()
    assert found == [
        ["mail", "", "amount", "best"],
        ["mail", "", "ordered", "best"],
        ["call", "", "ordered", "below the best"],
        ["mail", "june", "ordered", "best"],
        ["mail", "may", "ordered", "not told apart from the best"],  # of the call's only campaign its own row says all
    ]


def test_what_costs_nothing_stands_first_without_a_ratio():
    found = incentives(measured(("mail", "ordered", 0.10, 0.05, 100), ("app", "ordered", 0.01, 0.005, 0)), {}, ())
    assert found["action"].tolist() == ["app", "mail"] and found["per_100"].isna().tolist() == [True, False]
    assert found["beside_best"].tolist() == ["best", "not told apart from the best"]


def test_an_action_of_points_is_measured_with_its_own_cost_on_the_page_and_without_an_arm_none_is(tmp_path):
    toml = ('[channels.app]\nconsent = ""\n[actions.fifty_points]\nsays = "Fifty points"\nmoves = "lapse"\nwhen = "true"\nchannels = ["app"]\n'
            "if_taken = 5.0\ntake_up = 0.4\n")  # fmt: skip
    for name, labelled in (("arms", True), ("none", False)):
        shop(tmp_path / name, by_chance, customers=2_000, labelled=labelled)
        raw = tmp_path / name / "data/raw/shop"
        pd.read_parquet(raw / "contacts.parquet").assign(offer="fifty_points").to_parquet(raw / "contacts.parquet")
        (raw / "source.toml").write_text(f'currency = "EUR"\n{toml}')
        session = tenure.open_run("shop", workspace=str(tmp_path / name), as_of="2024-09-15")
        tenure.measure_run(session)
        page = (session.output / "campaigns.html").read_text(encoding="utf-8")
        assert ("2.50" in page and "fifty_points" in page) == labelled  # .50 a contact and .4 of 5.00
        assert ("None is measured with a randomised arm" in page) == (not labelled)

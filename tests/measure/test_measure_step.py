"""What 10_measure leaves: a page, results in words, each action's effects for deciding."""

from datetime import date

import pandas as pd
from campaign_shop import by_chance, by_habit, shop

import tenure
from tenure.core.workspace import Workspace
from tenure.decisions.measured import read_effects, write_effects


def measured(root, mailed):
    shop(root, mailed, customers=2_000)
    session = tenure.open_run("shop", workspace=str(root), as_of="2024-09-15")
    tenure.measure_run(session)
    return session


def test_a_page_results_and_effects_are_written(tmp_path):
    session = measured(tmp_path, by_chance)
    (said,) = tenure.campaign_results(session.output)
    page = (session.output / "campaigns.html").read_text(encoding="utf-8")
    assert said["about"] == "summer" and said["text"][:40] in page and "What it brought" in page
    assert 'href="campaigns.html"' in (session.output / "index.html").read_text(encoding="utf-8")
    kept = read_effects(session.workspace, "shop", date(2024, 9, 20)).set_index("outcome")
    assert kept.loc["ordered", ["action", "customers", "horizon_days", "is_anytime"]].tolist() == [
        "ten off",
        2_000,
        30,
        False,
    ]
    assert kept.loc["ordered", "low"] < kept.loc["ordered", "effect"] < kept.loc["ordered", "high"]


def test_of_confounded_contacts_the_page_shows_the_reason_and_no_effect(tmp_path):
    session = measured(tmp_path, by_habit)
    page = (session.output / "campaigns.html").read_text(encoding="utf-8")
    assert "the arms differ before the campaign: not randomised" in page
    assert "What changed" not in page and "points ordered" not in page
    assert read_effects(session.workspace, "shop", date(2024, 9, 20)).empty


def test_the_effects_of_a_day_are_those_known_on_it(tmp_path):
    workspace = Workspace(tmp_path)
    for day, effect in ((1, 0.1), (5, 0.2)):
        write_effects(workspace, "shop", date(2024, 7, day), pd.DataFrame({"action": ["call"], "effect": [effect]}))
    found = [read_effects(workspace, "shop", date(2024, 7, day))["effect"].tolist() for day in (4, 5, 30)]
    assert found == [[0.1], [0.2], [0.2]]
    assert read_effects(workspace, "shop", date(2024, 6, 30)).empty

"""Deciding by each customer's own effect: who gains most comes first, whom it would harm is left alone."""

import pandas as pd
from small import CHANNEL, SAVE, Small

RULES = f"[decisions]\nexplore = 0.0\nhold_out = 0.0\n{CHANNEL}per_day = 1\n{SAVE}"


def effects(**raw):
    """Treated minus withheld, on the chance to lapse. => as ``values_of`` asks, with ``helps``"""
    table = pd.DataFrame({"raw_effect": raw}, dtype=float)
    table["effect"] = table["raw_effect"] / 2  # the slope is .5
    return table.assign(low=table["effect"] - 0.05, high=table["effect"] + 0.05, helps="helps here: 2 tickets")


def test_of_one_place_who_gains_most_gets_it_whatever_the_propensities(tmp_path):
    shop = Small(tmp_path, RULES)
    scored = shop.scored(lapse_propensity=[0.9, 0.5, 0.1])
    shop.decide("2026-03-02", scored, personal={"save": effects(ana=-0.04, bo=-0.1, cy=-0.3)})
    assert shop.sent() == [("cy", "save", "2026-03-02")]
    row = shop.ledger().query("customer_id == 'cy'").iloc[0]
    assert row["expected_value"] == 15.0  # .3 promised as .15, of 100 at stake
    assert row["reason_1"] == "helps here: 2 tickets" and row["reason_2"] == "for a reason" and not row["is_assumed"]


def test_whom_it_would_harm_is_left_alone_and_the_ledger_says_why(tmp_path):
    shop = Small(tmp_path, RULES.replace("per_day = 1\n", ""))
    shop.decide("2026-03-02", personal={"save": effects(ana=0.04, bo=-0.1, cy=0.0)})
    assert shop.sent() == [("bo", "save", "2026-03-02")]
    refused = {row.customer_id: row.candidates[0]["refused_because"] for row in shop.ledger().itertuples()}
    harm = "it would not help this customer, or do harm"
    assert refused == {"ana": harm, "bo": None, "cy": harm}


def test_without_a_model_of_the_effect_all_are_sent_by_the_assumed_one(tmp_path):
    shop = Small(tmp_path, RULES.replace("per_day = 1\n", ""))
    shop.decide("2026-03-02")
    assert [who for who, *_ in shop.sent()] == ["ana", "bo", "cy"] and shop.ledger()["is_assumed"].all()

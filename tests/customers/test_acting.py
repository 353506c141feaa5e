"""What acting on a customer is worth: what is at stake, and effect x stake - cost."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import DefinitionError
from tenure.customers.acting import Effect, assumed_effect, at_stake, value_of_acting
from tenure.targets.churn import TARGET as CHURN
from tenure.targets.convert import TARGET as CONVERT
from tenure.targets.upsell import TARGET as UPSELL

AS_OF = date(2024, 7, 1)
HEADER = "customer_id occurred_at subscription_id event plan monthly_price term_days"
TOML = "margin_rate = 0.5\n"


def plan(customer, price, name, day="2024-06-01", event="started"):
    return f"{customer} {day} {customer} {event} {name} {price} -"


def stakes(target, root, *events, toml=TOML, customers=("ana", "bo", "cy"), **columns):
    source = staged(root, toml=toml, subscription_events=(HEADER, *events))
    asked = pd.DataFrame({"customer_id": list(customers), "margin_12_months": 24.0, **columns})
    return at_stake(target, asked, source, AS_OF)


def test_saving_keeps_the_forecast_margin_and_where_none_is_known_last_years_which_is_said(tmp_path):
    found = stakes(CHURN, tmp_path, plan("ana", 10, "Solo"), value_12m=[90.0, np.nan, 0.0])
    assert found["stake"].to_list() == [90.0, 24.0, 0.0]
    assert found["stake_is"].to_list() == [
        "forecast margin of 12 months", "margin of the last 12 months", "forecast margin of 12 months",
    ]  # fmt: skip


def test_an_upsell_adds_the_next_plans_price_not_the_margin_of_last_year(tmp_path):
    # Ana pays 8 for what is 10 now; Bo is on the second of three plans, Cy on the highest.
    events = [
        plan("ana", 8, "Solo"),
        *(plan(f"x{n}", 10, "Solo") for n in range(2)),
        plan("bo", 15, "Duo"),
        plan("cy", 40, "Office"),
    ]
    found = stakes(UPSELL, tmp_path, *events)
    assert found["stake"].to_list()[:2] == [(15 - 8) * 12 * 0.5, (40 - 15) * 12 * 0.5]
    assert np.isnan(found["stake"][2]) and found["stake_is"][2] == "not known"
    late = stakes(UPSELL, tmp_path / "late", *events, plan("bo", 99, "Villa", day="2024-07-01"))
    assert late.equals(found), "a price of the as-of's own day is not known yet"


def test_no_plan_above_the_top_one_is_offered_and_there_what_add_ons_cost_is_at_stake(tmp_path):
    events = [
        plan("ana", 10, "Solo"), plan("bo", 15, "Duo"), plan("cy", 40, "Office"),
        plan("di", 10, "Solo", day="2024-01-01"), plan("di", 13, "Solo", event="addon_bought"),
    ]  # fmt: skip
    found = stakes(UPSELL.override({"top_plan": "Duo"}, "here"), tmp_path, *events)
    assert found["stake"].to_list() == [30.0, 18.0, 18.0]
    assert found["stake_is"].str.contains("next plan").to_list() == [True, False, False]


def test_who_converts_brings_the_first_year_of_those_who_did_a_year_ago(tmp_path):
    # Of 30 days at 30 a month and a whole year at 30 a month; who began this year is not known to the end.
    gone = [plan("ana", 30, "Solo", day="2023-01-01"), plan("ana", 0, "Solo", day="2023-01-31", event="ended")]
    events = [*gone, plan("bo", 30, "Solo", day="2023-02-01"), plan("cy", 300, "Office", day="2024-06-01")]
    found = stakes(CONVERT, tmp_path, *events)
    assert found["stake"].to_list() == [pytest.approx((30 + 365) / 2 * 0.5)] * 3
    nobody = stakes(CONVERT, tmp_path / "new", plan("cy", 300, "Office"))
    assert nobody["stake"].isna().all() and set(nobody["stake_is"]) == {"not known"}


def test_the_columns_of_a_row_give_its_value_and_what_is_not_known_has_none():
    effect = assumed_effect(CHURN, pd.Series([0.333333333, 0.5]))
    found = value_of_acting(effect, pd.Series([120.0, np.nan]), cost=2.0, if_taken=5.0, taken=0.2)
    first = found.iloc[0]
    assert first["value_of_acting"] == round(first["effect"] * first["stake"] - first["cost"], 2) == 1.0
    assert (first["effect_low"], first["effect_high"], first["is_assumed"]) == (0.016667, 0.066667, True)
    assert np.isnan(found["value_of_acting"][1])
    assert not value_of_acting(Effect(0.1, 0.0, 0.2), pd.Series([1.0]), cost=0)["is_assumed"].any()


def test_where_acting_adds_the_rate_may_be_called_the_take_rate_and_is_one_with_the_save_rate():
    assert UPSELL.override({"take_rate": 0.3}, "here").save_rate == 0.3
    with pytest.raises(DefinitionError, match="says both save_rate and take_rate, which are one"):
        UPSELL.override({"take_rate": 0.3, "save_rate": 0.2}, "here")
    with pytest.raises(DefinitionError, match="take_rate"):
        CHURN.override({"take_rate": 0.3}, "here")

"""Programme, brands, declared answers and proposed segments, on tables that can be checked by eye."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import DefinitionError
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)


def view(root, toml="", customers=("ana", "bob"), **tables):
    return customer_view(staged(root, toml, **tables), AS_OF, pd.DataFrame({"customer_id": list(customers)}))


POINTS = (
    "customer_id occurred_at known_at event points",
    "ana 2024-01-01 2024-01-01 earned 300",
    "ana 2024-05-01 2024-05-01 earned 90",  # 61 days ago: in the pace
    "ana 2024-05-02 2024-05-02 redeemed 100",
    "bob 2024-01-01 2024-01-01 earned 500",
)
TIERS = "[attributes.loyalty_programme]\ntiers = { gold = 1500, silver = 500 }"


def test_distance_and_pace_to_the_next_tier(tmp_path):
    told = view(tmp_path, TIERS, loyalty=POINTS).customers.set_index("customer_id")
    columns = ["loyalty_points", "loyalty_next_tier", "loyalty_points_to_next", "loyalty_pace", "loyalty_days_to_next"]
    assert told.loc["ana", columns].tolist() == [290, "silver", 110, 30, 110]  # 110 points at 30 in 30 days
    assert told.loc["bob", ["loyalty_tier", "loyalty_next_tier", "loyalty_points_to_next"]].tolist() == [
        "silver",
        "gold",
        1000,
    ]
    assert pd.isna(told.loc["bob", "loyalty_days_to_next"]) and pd.isna(told.loc["ana", "loyalty_tier"])


def test_tiers_that_are_no_points_are_refused(tmp_path):
    with pytest.raises(DefinitionError, match="Expected points, not negative, by tier"):
        view(tmp_path, '[attributes.loyalty_programme]\ntiers = { gold = "much" }', loyalty=POINTS)


LINES = (
    "customer_id occurred_at known_at order_id quantity amount brand",
    "ana 2024-01-01 2024-01-01 o1 1 10 Plain",
    "ana 2024-02-01 2024-02-01 o2 1 10 Plain",
    "ana 2024-06-01 2024-06-01 o3 1 10 Fine",  # of late all above the main brand
    "bob 2024-01-01 2024-01-01 o4 1 20 Fine",
    "bob 2024-06-01 2024-06-01 o5 1 20 Fine",
    "bob 2024-06-01 2024-07-02 o6 9 999 Plain",  # known too late
)


def test_who_spends_more_above_their_main_brand_of_late_is_ready_for_the_next(tmp_path):
    told = view(tmp_path, order_lines=LINES)
    rows = told.customers.set_index("customer_id")
    assert rows.loc["ana", ["brand_main", "brand_ready_for"]].tolist() == ["Plain", "Fine"]
    assert rows.loc["ana", "brand_main_share"] == pytest.approx(2 / 3, abs=1e-4)
    assert rows.loc["bob", "brand_main"] == "Fine" and pd.isna(rows.loc["bob", "brand_ready_for"])
    assert told.tables["brands"][["brand", "amount", "ready_for_it"]].to_numpy().tolist() == [
        ["Plain", 20, 0],
        ["Fine", 50, 1],
    ]


def test_a_ladder_that_names_an_unknown_brand_is_refused(tmp_path):
    with pytest.raises(DefinitionError, match="ladder names Finest"):
        view(tmp_path, '[attributes.brands]\nladder = ["Plain", "Finest"]', order_lines=LINES)


@pytest.fixture
def shop():
    """Three plain kinds of buyers, one hundred each, alike in all but their kind."""
    chance = np.random.default_rng(3)
    orders = ["customer_id occurred_at known_at order_id amount"]
    # Customers: every how many days they bought, the last time how many days ago, for how much.
    for kind, (gap, silent, amount) in enumerate([(10, 20, 50), (40, 40, 5), (60, 30, 500)]):
        for number in range(100):
            name = f"{'abc'[kind]}{number:02}"
            for place in range(600 // gap):
                day = AS_OF - timedelta(days=silent + gap * place + int(chance.integers(0, 5)))
                orders.append(f"{name} {day} {day} {name}{place} {amount + int(chance.integers(0, 3))}")
    return tuple(orders)


def test_planted_groups_are_found_named_apart_and_stable(tmp_path, shop):
    names = [f"{kind}{number:02}" for kind in "abc" for number in range(100)]
    told = view(tmp_path, customers=names, order_lines=shop)
    by_kind = told.customers.groupby(told.customers["customer_id"].str[0])["segment"]
    assert (by_kind.nunique() == 1).all() and told.customers["segment"].nunique() == 3
    stability = told.tables["segment_stability"].set_index("groups")
    assert stability.loc[3, "chosen"] and stability.loc[3, "adjusted_rand"] == stability["adjusted_rand"].max() > 0.5
    segments = told.tables["segments"]
    assert segments["customers"].tolist() == [100, 100, 100] and segments["share_of_amount"].sum() == pytest.approx(
        1, abs=1e-3
    )


def test_declared_answers_stand_beside_behaviour_newest_first(tmp_path, shop):
    told_us = (
        "customer_id occurred_at known_at key value",
        "a00 2024-01-01 2024-01-01 size large",
        "a00 2024-02-01 2024-02-01 size small",
        "a00 2024-02-02 2024-02-02 taste dark",
        "a00 2024-03-01 2024-08-01 size huge",  # known too late
    )
    row = view(tmp_path, customers=["a00"], order_lines=shop, declared=told_us).customers.iloc[0]
    assert row["declared_answers"] == "size: small; taste: dark" and row["declared_on"] == "2024-02-02"


@pytest.mark.parametrize("order", [1, -1], ids=["as written", "turned round"])
def test_what_was_told_in_one_instant_does_not_depend_on_the_order_of_the_rows(tmp_path, order):
    answers = ("ana 2024-02-01 2024-02-01 size large", "ana 2024-02-01 2024-02-03 size small")
    tiers = ("ana 2024-02-01 2024-02-01 earned 9 basic", "ana 2024-02-01 2024-02-01 tier_up 0 silver")
    told = view(
        tmp_path,
        customers=["ana"],
        declared=("customer_id occurred_at known_at key value", *answers[::order]),
        loyalty=("customer_id occurred_at known_at event points tier", *tiers[::order]),
    ).customers.iloc[0]
    assert told["declared_answers"] == "size: small"  # known last
    assert told["loyalty_tier"] == "silver"

"""The nearest step up, on customers whose way to it can be reckoned by hand."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)
PLANS = ("customer_id occurred_at known_at subscription_id event plan monthly_price allowance",
         "ana 2024-01-01 2024-01-01 a started Solo 10 100", "bo 2024-01-01 2024-01-01 b started Solo 10 100",
         "cy 2024-01-01 2024-01-01 c started Duo 20 200", "di 2024-01-01 2024-01-01 d started Solo 10 100",
         "eve 2024-01-01 2024-01-01 e started Solo 10 100", "eve 2024-06-01 2024-06-01 e ended - - -")  # fmt: skip
USED = ("customer_id occurred_at known_at metric quantity",
        "ana 2024-06-01 2024-06-01 cups 80",  # 30 days ago: at 80 % of the allowance
        "bo 2024-05-31 2024-05-31 cups 30", "bo 2024-06-15 2024-06-15 cups 60",  # 30 more than the month before
        "cy 2024-06-15 2024-06-15 cups 199", "eve 2024-05-15 2024-05-15 cups 99",
        "di 2024-05-15 2024-05-15 cups 60", "di 2024-06-15 2024-06-15 cups 40")  # fmt: skip
TIERS = "[attributes.loyalty_programme]\ntiers = { silver = 100 }\n"
POINTS = ("customer_id occurred_at known_at event points",
          "di 2024-06-01 2024-06-01 earned 75",  # 25 points are missing, at 25 in 30 days
          "cy 2024-01-01 2024-01-01 earned 50",
          "ana 2024-06-01 2024-06-01 earned 99")  # fmt: skip
COLUMNS = ["next_step", "next_step_ready", "next_step_distance", "next_step_days"]


def told(root, toml="", **tables):
    found = customer_view(
        staged(root, toml, **tables), AS_OF, pd.DataFrame({"customer_id": ["ana", "bo", "cy", "di", "eve"]})
    )
    rows = found.customers.set_index("customer_id").reindex(columns=COLUMNS).dropna(subset="next_step")
    by_name = {
        who: [None if pd.isna(each) else each for each in row]
        for who, row in zip(rows.index, rows.to_numpy(), strict=True)
    }
    return by_name, found


def test_the_next_plan_is_wanted_from_80_percent_of_the_allowance_on_or_where_usage_grows_to_it(tmp_path):
    found, view = told(tmp_path, subscription_events=PLANS, usage=USED)
    assert found == {
        "ana": ["plan: Duo", True, 0, 0],
        "bo": ["plan: Duo", True, 0.25, 20],  # 20 of 80 are missing, at 1 more a day
        "di": ["plan: Duo", False, 0.5, None],
    }  # cy is on the top plan, eve on none
    assert view.tables["ladder"].to_numpy().tolist() == [["plan: Duo", 3, 2]]


def test_of_several_ladders_the_nearest_step_stands(tmp_path):
    found, _ = told(tmp_path, TIERS, subscription_events=PLANS, usage=USED, loyalty=POINTS)
    assert found["ana"] == ["plan: Duo", True, 0, 0]  # one point from the tier, and at the plan already
    assert found["di"] == ["tier: silver", True, 0.25, 30]
    assert found["cy"] == ["tier: silver", False, 0.5, None]  # earned nothing of late
    later, _ = told(tmp_path / "own", TIERS + "[attributes.ladder]\nready_days = 29\n", loyalty=POINTS)
    assert later["di"] == ["tier: silver", False, 0.25, 30]


def test_a_brand_stands_only_for_whom_it_is_ready(tmp_path):
    lines = ("customer_id occurred_at known_at order_id quantity amount brand",
             "ana 2024-01-01 2024-01-01 o1 1 10 Plain", "ana 2024-02-01 2024-02-01 o2 1 10 Plain",
             "ana 2024-06-01 2024-06-01 o3 1 11 Fine", "bo 2024-01-01 2024-01-01 o4 1 10 Plain")  # fmt: skip
    found, _ = told(tmp_path, '[attributes.brands]\nladder = ["Plain", "Fine"]\n', order_lines=lines)
    assert found == {"ana": ["brand: Fine", True, 0, 0]}


def test_where_nobody_can_step_up_that_is_said_and_later_facts_change_nothing(tmp_path):
    top = (PLANS[0], *(row.replace("Solo 10", "Duo 20") for row in PLANS[1:]))
    _, view = told(tmp_path / "top", subscription_events=top, usage=USED)
    assert view.unavailable["ladder"] == "nobody has a plan, a brand or a tier above their own"
    late = ("di 2024-07-01 2024-07-01 cups 999", "di 2024-06-20 2024-07-01 cups 999")
    before, after = (told(tmp_path / name, subscription_events=PLANS, usage=(*USED, *more))[0]
                     for name, more in (("before", ()), ("after", late)))  # fmt: skip
    assert before == after

"""The engagement index: weights are learnt, fade with age, and never look ahead."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.customers.engagement import ATTRIBUTE, _fit, trend
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)


@pytest.fixture
def tables():
    """Two hundred customers: visits foretell an order every month, opened mails foretell nothing."""
    chance = np.random.default_rng(5)
    acts = ["customer_id occurred_at known_at channel kind"]
    orders = ["customer_id occurred_at known_at order_id amount"]
    for number in range(200):
        name, visits = f"c{number:03}", number % 2 == 0
        for week in range(52):
            day = AS_OF - timedelta(days=7 * week + int(chance.integers(1, 7)))
            if visits:
                acts.append(f"{name} {day} {day} web visit")
            if chance.random() < 0.3:
                acts.append(f"{name} {day} {day} email open")
        for month in range(12):
            if chance.random() < (0.5 if visits else 0.02):
                day = AS_OF - timedelta(days=30 * month + int(chance.integers(1, 30)))
                orders.append(f"{name} {day} {day} {name}{month} 10")
    return {"engagement": tuple(acts), "order_lines": tuple(orders)}


def view(root, tables):
    customers = pd.DataFrame({"customer_id": [f"c{number:03}" for number in range(200)]})
    return customer_view(staged(root, **tables), AS_OF, customers)


def test_what_foretells_a_purchase_weighs_more_and_is_printed_with_its_quality(tmp_path, tables):
    told = view(tmp_path, tables)
    weights = told.tables["engagement_weights"].set_index("act")["weight"]
    assert weights["web visit"] > 4 * weights["email open"] and (weights >= 0).all()
    quality = told.tables["engagement_quality"].iloc[0]
    assert quality["auc_low"] > 0.8 and quality["tested_on"] == AS_OF - timedelta(days=90)
    index = told.customers.set_index("customer_id")["engagement_index"]
    assert index.between(0, 100).all() and index["c000"] > 3 * index["c001"]


def test_facts_known_from_the_as_of_on_change_nothing(tmp_path, tables):
    later = [f"c001 {AS_OF} {AS_OF} web visit", f"c003 2024-06-30 {AS_OF} web visit"] * 50
    before, after = (
        view(tmp_path / "a", tables),
        view(tmp_path / "b", tables | {"engagement": (*tables["engagement"], *later)}),
    )
    pd.testing.assert_frame_equal(before.customers, after.customers)


def test_too_few_buyers_is_said_and_no_column_is_told(tmp_path):
    told = view(tmp_path, {"order_lines": ("customer_id occurred_at order_id amount", "c001 2024-01-10 o1 10")})
    assert "expected at least 30 who did" in told.unavailable["engagement"]
    assert "engagement_index" not in told.customers


def test_the_trend_compares_with_the_index_of_before():
    now, before = pd.Series([2.0, 40, 40, 40, 2]), pd.Series([2.0, 2, 20, 80, 60])
    assert trend(now, before, dict(ATTRIBUTE.settings)).tolist() == ["silent", "waking", "waking", "fading", "fading"]


def test_no_act_weighs_less_than_nothing():
    acts = pd.DataFrame({"good": [0.0, 0, 4, 4] * 25, "bad": [4.0, 4, 0, 0] * 25})
    good, bad = _fit(acts, pd.Series([0, 0, 1, 1] * 25))
    assert good > 0 and bad == 0

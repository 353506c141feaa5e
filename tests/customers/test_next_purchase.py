"""Next purchases and restock dates, on orders that can be checked by eye."""

from datetime import date, timedelta

import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.customers import next_purchase
from tenure.snapshots.engines.facts_at import facts_at

AS_OF = date(2024, 4, 1)
HEADER = "customer_id occurred_at known_at order_id product_id quantity amount"
PRODUCTS = ("product_id category", "p1 coffee", "p2 tea")


def every(customer, gap, product="p1", last=4):
    days = [AS_OF - timedelta(days=last + gap * number) for number in range(6)]
    return [f"{customer} {day} {day} {customer}{day} {product} 1 10" for day in days]


def told(root, *rows, products=PRODUCTS):
    tables = {"order_lines": (HEADER, *rows)} | ({"products": products} if products else {})
    with facts_at(staged(root, **tables), AS_OF) as facts:
        customers, tables = next_purchase.build(facts, pd.DataFrame())
        return customers.set_index("customer_id"), tables


def test_each_customer_and_each_category_bought_three_times_has_a_date_and_a_reminder(tmp_path):
    once = f"dan {AS_OF - timedelta(days=9)} - d1 p2 1 5"
    customers, details = told(tmp_path, *every("ana", 10), *every("bob", 12), *every("cem", 30, "p2"), once)
    assert (customers["next_purchase_low"] <= customers["next_purchase_on"]).all()
    assert (customers["next_purchase_on"] <= customers["next_purchase_high"]).all()
    assert customers.loc["ana", "next_purchase_on"] < customers.loc["cem", "next_purchase_on"]
    assert "dan" in customers.index  # one purchase: everybody's rhythm
    restock = details["restock"].set_index("customer_id")
    assert sorted(restock.index) == ["ana", "bob", "cem"] and restock.loc["cem", "category"] == "tea"
    due, remind = (pd.to_datetime(restock.loc["cem", name]) for name in ("next_purchase_on", "remind_on"))
    assert due - remind == pd.Timedelta(days=3)
    assert pd.Timestamp("2024-04-15") < due < pd.Timestamp("2024-05-15")  # 30 days after March 28, about
    assert (restock["remind_on"] >= str(AS_OF)).all()


def test_dates_are_blind_to_what_becomes_known_from_the_as_of_on(tmp_path):
    rows = [*every("ana", 10), *every("bob", 12)]
    later = [f"ana {AS_OF} {AS_OF} later p1 1 10", f"bob {AS_OF - timedelta(days=2)} {AS_OF} late p1 1 10"]
    then, now = told(tmp_path / "then", *rows), told(tmp_path / "now", *rows, *later)
    pd.testing.assert_frame_equal(then[0], now[0])
    pd.testing.assert_frame_equal(then[1]["restock"], now[1]["restock"])


def test_without_categories_there_is_no_restock_list_and_returns_are_no_purchases(tmp_path):
    back = f"ana {AS_OF - timedelta(days=1)} - r p1 -1 -10"
    with_return, details = told(tmp_path / "a", *every("ana", 10), *every("bob", 12), back, products=())
    without, _ = told(tmp_path / "b", *every("ana", 10), *every("bob", 12), products=())
    assert "restock" not in details
    pd.testing.assert_frame_equal(with_return, without)


def test_one_purchase_each_is_too_little(tmp_path):
    with pytest.raises(NotEnoughDataError, match="ordered on two days"):
        told(tmp_path, f"ana {AS_OF - timedelta(days=9)} - o1 p1 1 5", f"bob {AS_OF - timedelta(days=3)} - o2 p1 1 5")

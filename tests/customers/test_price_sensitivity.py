"""What waits for a discount and what takes more at one: planted buyers, and a source that cannot tell."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)
HEADER = "customer_id occurred_at known_at order_id quantity amount discount"


def view(root, toml="", *rows, header=HEADER):
    source = staged(root, toml, order_lines=(header, *rows))
    return customer_view(source, AS_OF, pd.DataFrame({"customer_id": sorted({row.split()[0] for row in rows})}))


def buyers(kind, count, orders, off, pieces=(1, 1)):
    """Give buyers of one kind: of so many orders the first ``off`` are at a discount; pieces a line without and with."""
    chance = np.random.default_rng(len(kind))
    for number in range(count):
        for place in range(orders):
            day, is_off = AS_OF - timedelta(days=1 + 3 * place), place < off
            many = pieces[is_off] + int(chance.integers(0, 2))
            yield f"{kind}{number:02} {day} {day} {kind}{number}-{place} {many} {5 * many} {2 if is_off else 0}"


SHOP = [*buyers("waits", 20, 20, 19), *buyers("full", 20, 20, 1), *buyers("most", 20, 20, 10)]


def classes(told):
    found = told.customers.set_index("customer_id")["price_sensitivity"]
    return found.groupby(found.index.str.rstrip("0123456789")).agg(lambda each: each.mode()[0]).to_dict()


def test_who_waits_who_pays_the_full_price_and_who_does_as_most(tmp_path):
    told = view(tmp_path, "", *SHOP)
    assert classes(told) == {"waits": "waits for discounts", "full": "pays full price", "most": "as most"}
    table = told.tables["price_sensitivity"].set_index("class")
    assert table["customers"].sum() == 60 and abs(table["discount_response"]).max() < 0.05
    shares = told.customers.set_index("customer_id")["discount_share"]
    assert 0.9 < shares["waits00"] < 0.96 and 0.04 < shares["full00"] < 0.1  # a little towards the mean of one half


def test_who_takes_more_at_a_discount_is_told_and_nobody_else(tmp_path):
    told = view(tmp_path, "", *SHOP, *buyers("stocks", 20, 20, 10, pieces=(1, 6)))
    assert classes(told)["stocks"] == "takes more at a discount" and classes(told)["most"] == "as most"
    response = told.customers.set_index("customer_id")["discount_response"]
    assert response["stocks00"] > 2 and abs(response["most00"]) < 0.3  # 6.5 pieces for 1.5


def test_too_few_orders_make_no_class_and_later_facts_change_nothing(tmp_path):
    few = [row for row in buyers("few", 1, 20, 10) if row.split()[3] in ("few0-0", "few0-10", "few0-19")]
    before = view(tmp_path / "before", "", *SHOP, *few).customers
    assert before.set_index("customer_id").loc["few00", ["discount_share", "price_sensitivity"]].isna().all()
    late = [f"most{n:02} {day} {known} late{n} 50 50 9" for n in range(20)
            for day, known in (("2024-07-01", "2024-07-01"), ("2024-06-01", "2024-07-01"))]  # fmt: skip
    pd.testing.assert_frame_equal(view(tmp_path / "after", "", *SHOP, *few, *late).customers, before)


@pytest.mark.parametrize("told", ["no discount column", "never a discount", "few customers"])
def test_a_source_that_cannot_tell_says_why_in_one_line(tmp_path, told):
    if told == "no discount column":
        found = view(tmp_path, "", *(row.rpartition(" ")[0] for row in SHOP), header=HEADER.rpartition(" ")[0])
        assert "some at a discount and some not" in found.unavailable["price_sensitivity"]
    elif told == "never a discount":
        found = view(tmp_path, "", *buyers("full", 40, 20, 0))
        assert "some at a discount and some not" in found.unavailable["price_sensitivity"]
    else:
        found = view(tmp_path, "", *buyers("most", 20, 20, 10))
        assert "20 customers with 4 orders in 365 days" in found.unavailable["price_sensitivity"]
    assert "price_sensitivity" not in found.customers

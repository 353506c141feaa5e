"""The channel a customer answers best by: planted answers, and companies in which choosing tells nothing."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)
CONTACTS = "customer_id occurred_at known_at channel status arm"
ORDERS = "customer_id occurred_at known_at order_id amount"


def company(chances, *, days=180, every=5, seed=1):
    """Contact customers by turns, by mail two times in three; ``chances``: of an order within the days, by channel."""
    chance, contacts, orders = np.random.default_rng(seed), [], []
    for who, own in chances.items():
        for place, back in enumerate(range(20, 20 + days, every)):
            day, channel = AS_OF - timedelta(days=back), ("mail", "phone", "mail")[place % 3]
            contacts.append(f"{who} {day} {day} {channel} - -")
            if chance.random() < own[channel]:
                after = day + timedelta(days=int(chance.integers(0, 3)))
                orders.append(f"{who} {after} {after} {who}-{place} 9")
    return contacts, orders


def view(root, contacts, orders=(), toml="[attributes.best_channel]\nanswer_days = 4\n"):
    tables = {"contacts": (CONTACTS, *contacts)} | ({"order_lines": (ORDERS, *orders)} if orders else {})
    names = sorted({row.split()[0] for row in contacts}) + ["new"]
    return customer_view(staged(root, toml, **tables), AS_OF, pd.DataFrame({"customer_id": names}))


PHONERS = {f"p{n:02}": {"mail": 0.02, "phone": 0.9} for n in range(40)}
MAILERS = {f"m{n:02}": {"mail": 0.6, "phone": 0.02} for n in range(80)}


def test_where_customers_differ_each_gets_their_channel_and_the_proof_stands_beside_it(tmp_path):
    found = view(tmp_path, *company(PHONERS | MAILERS))
    best = found.customers.set_index("customer_id")["best_channel"]
    assert (best.filter(like="p") == "phone").mean() > 0.9 and (best.filter(like="m") == "mail").mean() > 0.95
    assert best["new"] == "mail"  # nothing is known of them, and everybody answers mail better
    quality = found.tables["best_channel_quality"].iloc[0]
    assert quality["most_used"] == "mail" and quality["is_used"] and quality["low"] > 0.3
    assert 30 <= quality["compared"] <= quality["chosen_otherwise"] <= 45
    assert quality["difference"] == pytest.approx(quality["rate_chosen"] - quality["rate_most_used"])


def test_where_all_answer_alike_there_is_no_difference_and_the_most_used_channel_stands(tmp_path):
    found = view(tmp_path, *company({f"c{n:02}": {"mail": 0.3, "phone": 0.3} for n in range(120)}))
    quality = found.tables["best_channel_quality"].iloc[0]
    assert not quality["is_used"] and not quality["low"] > 0
    assert set(found.customers["best_channel"]) == {"mail"}


def test_replies_count_by_their_channel_and_opens_and_late_orders_do_not(tmp_path):
    rows = ["ana 2024-05-01 2024-05-01 mail - -", "ana 2024-05-01 2024-05-01 phone - -",
            "ana 2024-05-02 2024-05-02 mail opened -", "ana 2024-05-02 2024-05-02 mail clicked -",
            "ana 2024-05-03 2024-05-03 phone replied -", "ana 2024-05-20 2024-05-20 mail - control",
            "bo 2024-05-01 2024-05-01 mail bounced -"]  # fmt: skip
    found = view(tmp_path, rows, orders=("ana 2024-05-05 2024-05-05 1 9",))  # on the fifth day
    quality = found.tables["best_channel_quality"].iloc[0]
    assert not quality["is_used"] and np.isnan(quality["low"]) and not quality["compared"] > 0
    rate = found.customers.set_index("customer_id")["best_channel_rate"]
    assert rate.tolist() == [0, 0, 0]  # mail: of the one that went out none was met


def test_later_facts_change_nothing(tmp_path):
    contacts, orders = company(PHONERS | MAILERS)
    before = view(tmp_path / "before", contacts, orders)
    late = [f"p{n:02} {day} {known} mail taken -" for n in range(40)
            for day, known in (("2024-07-01", "2024-07-01"), ("2024-05-01", "2024-07-01"))]  # fmt: skip
    after = view(tmp_path / "after", [*contacts, *late], [*orders, "p00 2024-06-01 2024-07-02 late 9"])
    pd.testing.assert_frame_equal(before.customers, after.customers)
    pd.testing.assert_frame_equal(before.tables["best_channel_quality"], after.tables["best_channel_quality"])


def test_of_one_channel_there_is_no_best_and_that_is_said(tmp_path):
    found = view(tmp_path, ["ana 2024-05-01 2024-05-01 mail - -"])
    assert "went out by fewer than two channels" in found.unavailable["best_channel"]
    assert "best_channel" not in found.customers

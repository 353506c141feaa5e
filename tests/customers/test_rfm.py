"""Recency, frequency and monetary value on tables that can be checked by eye."""

import itertools
from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import DefinitionError
from tenure.customers.rfm import ATTRIBUTE, segment_of
from tenure.customers.view import customer_view

AS_OF = date(2024, 7, 1)
ORDERS = (
    "customer_id occurred_at known_at order_id amount",
    "ana 2024-06-30T23:59 2024-06-30T23:59 a2 30",  # yesterday
    "ana 2024-06-30T23:59 2024-06-30T23:59 a2 20",  # the same order
    "ana 2024-01-10 2024-01-10 a1 100",
    "bob 2024-01-05 2024-01-05 b1 40",
    "bob 2024-06-20 2024-07-02 b2 999",  # known too late
    "cem 2024-06-01 2024-06-01 c1 10",
)
BOUNDS = """
[attributes.rfm]
recency_bounds   = [7, 30, 60, 120]
frequency_bounds = [2, 3, 4, 5]
monetary_bounds  = [20, 50, 100, 150]
"""


def view(root, toml="", tables=None):
    tables = tables or {"order_lines": ORDERS}
    return customer_view(
        staged(root, toml, **tables), AS_OF, pd.DataFrame({"customer_id": ["ana", "bob", "cem", "dan"]})
    )


def test_recency_orders_and_amount_count_what_was_known_at_the_as_of(tmp_path):
    told = view(tmp_path).customers.set_index("customer_id")
    columns = ["rfm_recency_days", "rfm_orders", "rfm_amount"]
    assert told.loc["ana", columns].tolist() == [1, 2, 150]
    assert told.loc["bob", columns].tolist() == [178, 1, 40]
    assert told.loc["cem", columns].tolist() == [30, 1, 10]
    assert told.loc["dan"].isna().all()  # never bought


def test_a_source_sets_its_own_bounds_and_reaching_one_counts(tmp_path):
    scores = view(tmp_path, BOUNDS).customers.set_index("customer_id")["rfm_score"]
    assert scores["ana"] == "525" and scores["bob"] == "112" and scores["cem"] == "411"


def test_the_migration_holds_each_buyer_once_with_the_segment_as_known_then(tmp_path):
    told = view(tmp_path, BOUNDS)
    rows = told.customers.set_index("customer_id")
    # Ninety days before, on 2 April, ana's and bob's first orders were 83 and 88 days old.
    assert rows.loc["ana", "rfm_segment_before"] == segment_of(2, 3) == "slipping"
    assert rows.loc["bob", "rfm_segment_before"] == segment_of(2, 2)
    migration = told.tables["rfm_migration"]
    assert migration["customers"].sum() == 3
    assert migration.set_index("segment_before").loc["no purchase yet", "segment"] == rows.loc["cem", "rfm_segment"]


def test_payments_count_where_there_are_no_orders_and_what_is_given_back_is_taken_off(tmp_path):
    payments = (
        "customer_id occurred_at payment_id amount status",
        "ana 2024-06-01 p1 20 succeeded",
        "ana 2024-06-02 p2 20 failed",
        "ana 2024-06-03 p3 5 refunded",
    )
    told = view(tmp_path, tables={"payments": payments}).customers.set_index("customer_id")
    assert told.loc["ana", ["rfm_recency_days", "rfm_orders", "rfm_amount"]].tolist() == [30, 1, 15]


def test_every_pair_of_scores_has_exactly_one_segment():
    names = {segment_of(recency, worth) for recency, worth in itertools.product(range(1, 6), repeat=2)}
    assert len(names) == 9 and segment_of(5, 5) == "best" and segment_of(1, 1) == "dormant"


def test_a_setting_that_does_not_exist_is_one_message_with_the_nearest(tmp_path):
    with pytest.raises(DefinitionError, match="recency_bound.*Did you mean 'recency_bounds'"):
        view(tmp_path, "[attributes.rfm]\nrecency_bound = [1]")
    with pytest.raises(DefinitionError, match="Expected four numbers, ascending"):
        view(tmp_path / "b", "[attributes.rfm]\nrecency_bounds = [3, 2, 1, 0]")
    assert ATTRIBUTE.settings["window_days"] == 365

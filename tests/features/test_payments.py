"""Money from payments, by hand: what came in less what was given back, everywhere the same."""

from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.core.workspace import Workspace
from tenure.customers.view import customer_view
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows

CUTOFF = date(2024, 4, 1)
WHO = ("pays", "refunded", "charged_back", "later", "known_late", "fails")
STARTS = ("customer_id occurred_at event", *(f"{who} 2024-01-01 started" for who in WHO))
PAYMENTS = (
    "customer_id occurred_at known_at status amount",
    *(f"{who} 2024-03-20 - succeeded 30" for who in WHO[:-1]),
    *(f"{who} 2024-02-01 - succeeded 20" for who in WHO[:-1]),
    "refunded 2024-03-21 - refunded 30",
    "charged_back 2024-03-21 - charged_back -5",  # with the sign of what it does, or without: one meaning
    "later 2024-04-01 - refunded 30",  # the cutoff's day
    "known_late 2024-03-20 2024-04-02 charged_back 30",
    "fails 2024-03-20 - failed 30",
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    root = tmp_path_factory.mktemp("payments")
    return root, staged(root, subscription_events=STARTS, payments=PAYMENTS)


def test_what_is_given_back_counts_against_the_window_it_occurred_in_once_it_is_known(facts):
    snapshots = Snapshots(Workspace(facts[0]), facts[1], date(2024, 6, 1))
    table = read_rows(snapshots, snapshots.targets["churn"], [CUTOFF], snapshots.columns, labels=False)
    table = table.set_index("customer_id").loc[list(WHO)]
    assert table["paid_amount_30d"].tolist() == [30, 0, 25, 30, 30, 0]
    assert table["paid_amount_90d"].tolist() == [50, 20, 45, 50, 50, 0]
    assert table["count_payments_90d"].tolist() == [2, 2, 2, 2, 2, 0]  # of attempts, whatever became of the money
    assert table["revenue"].tolist() == table["paid_amount_365d"].tolist() == [50, 20, 45, 50, 50, 0]


def test_what_customers_spent_is_the_same_money(facts):
    view = customer_view(facts[1], CUTOFF, pd.DataFrame({"customer_id": [*WHO]}))
    spent = view.customers.set_index("customer_id")["rfm_amount"].loc[list(WHO)]
    assert spent.tolist()[:-1] == [50, 20, 45, 50, 50] and pd.isna(spent["fails"])  # has never bought

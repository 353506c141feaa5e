"""One row per assignment, with what was known before its day and nothing later."""

from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.core.workspace import Workspace
from tenure.effects.rows import with_features
from tenure.snapshots.build import Snapshots

ORDERS = (
    "customer_id occurred_at known_at order_id amount",
    "ana 2024-03-01 2024-03-01 1 10",
    "ana 2024-04-10 2024-04-10 2 20",
    "ana 2024-05-02 2024-05-02 3 40",
    "bo 2024-04-20 2024-05-09 4 80",  # known late
    "cy 2024-07-01 2024-07-01 5 5",  # nobody knew cy before
)


def assigned(*rows):
    table = pd.DataFrame(rows, columns=["customer_id", "assigned_at", "is_treated"])
    return table.assign(assigned_at=pd.to_datetime(table["assigned_at"]), chance=0.5, outcome=1.0)


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(Workspace(tmp_path), staged(tmp_path, order_lines=ORDERS), date(2024, 8, 1))


def test_each_row_has_the_features_of_its_own_day(snapshots):
    rows = assigned(("ana", "2024-04-11", True), ("ana", "2024-05-03", False), ("bo", "2024-05-10", True))
    table, _ = with_features(snapshots, rows)
    assert table["customer_id"].tolist() == ["ana", "ana", "bo"] and table["is_treated"].tolist() == [True, False, True]
    assert table["order_amount_90d"].tolist() == [30.0, 70.0, 80.0]


def test_what_happened_or_became_known_on_the_day_is_not_there_yet(snapshots):
    rows = assigned(("ana", "2024-05-02", True), ("bo", "2024-05-09", True), ("ana", "2024-05-03", True))
    table, _ = with_features(snapshots, rows)
    assert table["order_amount_90d"].tolist()[0] == 30.0  # the order of 40 is of that very day
    assert pd.isna(table["order_amount_90d"].tolist()[1])  # bo's order is known from the next day on
    assert table["order_amount_90d"].tolist()[2] == 70.0


def test_who_was_not_known_before_keeps_the_row_without_features(snapshots):
    table, features = with_features(snapshots, assigned(("cy", "2024-05-03", True), ("ana", "2024-05-03", False)))
    assert table["outcome"].tolist() == [1.0, 1.0] and table.loc[0, features].isna().all()


def test_a_feature_that_never_varies_is_left_out(snapshots):
    _, features = with_features(snapshots, assigned(("ana", "2024-04-11", True), ("ana", "2024-05-03", False)))
    assert "order_amount_90d" in features and "count_products" not in features

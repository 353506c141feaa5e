"""An as-of in the past sees what was known on that day: the same as if nothing later had ever been delivered."""

from datetime import date

import pandas as pd
import pytest

from tables import staged
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import known_customers
from tenure.snapshots.rows import count_funnel, read_rows

DAY = date(2024, 6, 1)
CUTOFF = date(2024, 3, 1)
HEADER = "customer_id occurred_at known_at order_id quantity amount"
BEFORE = (
    "ana 2024-01-05 2024-01-05 1 1 10",
    "ana 2024-04-02 2024-04-02 2 1 12",
    "bo 2024-01-20 2024-01-21 3 2 30",
    "bo 2024-02-10 2024-02-10 4 1 8",
    "cy 2024-05-30 2024-05-31 5 1 7",
)
AFTER = (
    "bo 2024-04-03 2024-06-01 6 1 99",  # happened before the day, known on it
    "ana 2024-02-11 2024-06-20 7 1 99",  # a correction of the past
    "dee 2024-07-01 2024-07-01 8 1 5",
)
TOML = """name = "shop"
[order_lines]
from = "order_lines.csv"
customer_id = "customer_id"
occurred_at = "occurred_at"
known_at = "known_at"
order_id = "order_id"
quantity = "quantity"
amount = "amount"
[targets.lapse]
horizon_days = 60
eligible_days = 60
"""


@pytest.fixture
def then_and_now(tmp_path):
    then = staged(tmp_path / "then", TOML, order_lines=(HEADER, *BEFORE))
    now = staged(tmp_path / "now", TOML, order_lines=(HEADER, *BEFORE, *AFTER))
    from tenure.core.workspace import Workspace

    return Snapshots(Workspace(tmp_path / "then"), then, DAY), Snapshots(Workspace(tmp_path / "now"), now, DAY)


def test_features_labels_funnel_and_customers_are_those_of_the_day(then_and_now):
    then, now = then_and_now
    seen = []
    for snapshots in then_and_now:
        target = snapshots.targets["lapse"]
        table = read_rows(snapshots, target, [CUTOFF], snapshots.columns)
        scored = read_rows(snapshots, target, [DAY], snapshots.columns, labels=False)
        seen.append(
            (
                table,
                scored,
                count_funnel(snapshots, target, [CUTOFF]),
                known_customers(snapshots.staged, snapshots.as_of),
            )
        )
    for of_the_day, of_today in zip(*seen, strict=True):
        pd.testing.assert_frame_equal(of_the_day, of_today)
    assert list(seen[1][0]["customer_id"]) == ["ana", "bo"] and list(seen[1][0]["label"]) == [0, 1]
    assert list(seen[1][3]["customer_id"]) == ["ana", "bo", "cy"]

"""What came of what people answered to proposals: counted, and not called an effect."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.core.workspace import Workspace
from tenure.measure.overrides import overrides
from tenure.snapshots.build import Snapshots

ORDERS = (
    "customer_id occurred_at order_id amount",
    "ana 2026-01-05 1 10", "bo 2026-01-05 2 10", "cy 2026-01-05 3 10", "dee 2026-01-05 4 10",
    "ana 2026-02-10 5 10", "late 2026-03-20 6 10",
)  # fmt: skip


def proposals(*rows: tuple) -> pd.DataFrame:
    names = ["customer_id", "assigned_at", "answer", "why"]
    table = pd.DataFrame(rows, columns=names).assign(action="call", moves=None, because=None)
    return table.assign(assigned_at=pd.to_datetime(table["assigned_at"]))


def asked(tmp_path, table: pd.DataFrame) -> pd.DataFrame:
    source = staged(tmp_path, 'name = "shop"\n', order_lines=ORDERS)
    return overrides(Snapshots(Workspace(tmp_path), source, date(2026, 3, 21)), table)


def test_each_answer_is_counted_with_what_came_about_where_that_is_certain(tmp_path):
    given = proposals(
        ("ana", "2026-02-01", "approved and sent", ""), ("bo", "2026-02-01", "approved and sent", "looks right"),
        ("cy", "2026-02-01", "rejected", "moved away"), ("dee", "2026-03-10", "rejected", "moved away"),
    )  # fmt: skip
    found = asked(tmp_path, given)
    assert found[["action", "answer", "customers", "certain", "came_about", "most_said"]].to_numpy().tolist() == [
        ["call", "approved and sent", 2, 2, 0.5, "looks right"],
        ["call", "rejected", 2, 1, 0.0, "moved away"],  # dee's thirty days are not over
    ]


def test_without_an_answer_there_is_nothing_to_tell(tmp_path):
    assert asked(tmp_path, proposals()).empty

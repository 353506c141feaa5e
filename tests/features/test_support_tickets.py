"""Features of support, by hand."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots

CUTOFF = date(2024, 4, 1)


def test_a_ticket_is_open_until_it_is_resolved_and_once_more_when_it_is_reopened(tmp_path):
    orders = [f"{name} 2024-03-20 {name}1 5" for name in ("ana", "ben", "cem", "dia", "eva")]
    tickets = (
        "ana 2024-03-01 t1 opened",
        "ben 2024-03-01 t2 opened",
        "ben 2024-03-02 t2 resolved",
        "cem 2024-03-01 t3 opened",
        "cem 2024-03-02 t3 resolved",
        "cem 2024-03-05 t3 reopened",
        "dia 2023-06-01 t4 opened",  # long ago, and put right within the last quarter
        "dia 2024-03-01 t4 resolved",
    )
    tables = {
        "order_lines": ("customer_id occurred_at order_id amount", *orders),
        "support_tickets": ("customer_id occurred_at ticket_id event", *tickets),
    }
    snapshots = Snapshots(Workspace(tmp_path), staged(tmp_path, **tables), CUTOFF)
    snapshots.build_features([CUTOFF])
    table = pd.read_parquet(snapshots.features_path(CUTOFF)).set_index("customer_id")
    assert table["count_open_tickets"].to_dict() == {"ana": 1, "ben": 0, "cem": 1, "dia": 0, "eva": 0}

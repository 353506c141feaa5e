"""A check's outcome is reused only where everything it reads is the same: also what the cutoff did not know."""

from datetime import date

import pandas as pd

from tables import staged
from tenure.audit.audit import check_cutoff
from tenure.audit.replay import Replay
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots

CUTOFF = date(2024, 4, 1)
HEADER = "customer_id occurred_at order_id quantity amount"


def test_a_check_runs_once_per_staging_even_where_the_snapshot_stays_valid(tmp_path):
    performed = []

    def check(snapshots, cutoff):
        performed.append(snapshots.features_path(cutoff).name)
        return Replay("replay", cutoff, 1, 1, 0, pd.DataFrame())

    def checked(*rows):
        source = staged(tmp_path, order_lines=(HEADER, *rows))
        check_cutoff(Snapshots(Workspace(tmp_path), source, date(2024, 6, 1)), CUTOFF, check)

    checked("ana 2024-03-10 o1 1 10")
    checked("ana 2024-03-10 o1 1 10")
    assert len(performed) == 1
    checked("ana 2024-03-10 o1 1 10", "ana 2024-05-10 o2 1 10")
    assert len(performed) == 2 and len(set(performed)) == 1

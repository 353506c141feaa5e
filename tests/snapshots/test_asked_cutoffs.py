"""How many Mondays a model is fitted on follows from how many customers may be asked at them."""

from datetime import date, timedelta

import pytest

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots import asked_cutoffs
from tenure.snapshots.asked_cutoffs import plan_asked
from tenure.snapshots.build import Snapshots

TOML = "[targets.lapse]\nhorizon_days = 28\neligible_days = 30\n"
ORDERS = [f"{who} {date(2024, 1, 1) + timedelta(days=14 * n)} {who}{n} 5" for who in ("ana", "bo") for n in range(18)]


@pytest.mark.parametrize(
    ("toml", "rows_enough", "fitted", "said"),
    [
        ("", 26, 13, []),
        ("", 25, 7, ["Fitted on one in 2 of 13 Mondays: all of them would be 26 rows."]),
        ("", 5, 7, ["Fitted on one in 2 of 13 Mondays: all of them would be 26 rows."]),  # six at least
        ('cutoff_grid = "week"\n', 5, 13, None),  # as the source says
    ],
)
def test_of_many_rows_fewer_mondays_are_fitted_on(tmp_path, monkeypatch, toml, rows_enough, fitted, said):
    monkeypatch.setattr(asked_cutoffs, "ROWS_ENOUGH", rows_enough)
    facts = staged(tmp_path, toml + TOML, order_lines=("customer_id occurred_at order_id amount", *ORDERS))
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 7, 22))
    plan = plan_asked(snapshots, snapshots.targets["lapse"])
    assert (len(plan.fitting), plan.fitting[0], plan.fitting[-1]) == (fitted, date(2024, 3, 4), date(2024, 5, 27))
    assert list(plan.remarks[1:]) == (said or []) and bool(plan.remarks) == (said is not None)

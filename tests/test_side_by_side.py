"""Steps side by side: where one fails it is told at once, those under way are kept, and no other begins."""

from pathlib import Path

import pytest

from tenure.errors import RunError
from tenure.flows import work as flows
from tenure.graph import Step
from tenure.steps.opening import open_run
from tenure.workspace import Workspace


def place_orders(workspace):
    workspace.raw("shop").mkdir(parents=True)
    (workspace.raw("shop") / "order_lines.csv").write_text(
        "customer_id,occurred_at,order_id,amount\nana,2024-01-05,1,3\n"
    )


def test_a_step_that_fails_is_told_at_once_and_those_waiting_do_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(flows, "steps_at_once", lambda: 1)
    place_orders(Workspace(tmp_path))
    told = []
    run = open_run("shop", workspace=str(tmp_path), output="out")
    work = flows.Work(run, Path(tmp_path / "out"), lambda event: told.append((event.step, event.what)), {})
    failing = Step("05_report", "05_report")  # nothing was trained: there is nothing to report
    with pytest.raises(RunError, match="05_report: .*Run 03_train for a target first"):
        flows.side_by_side(work, [failing, Step("01_ingest", "01_ingest"), Step("02_features", "02_features")])
    assert told == [("05_report", "started"), ("05_report", "failed")]

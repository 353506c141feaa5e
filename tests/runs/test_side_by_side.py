"""Steps side by side: where one fails it is told at once, those under way are kept, and no other begins."""

import pytest

from tenure.core.errors import UsageError
from tenure.core.workspace import Workspace
from tenure.runs import work as flows
from tenure.runs.step_cache import Step
from tenure.steps.opening import Session, open_run
from tenure.steps.run_record import RunRecord


def place_orders(workspace):
    workspace.raw("shop").mkdir(parents=True)
    (workspace.raw("shop") / "order_lines.csv").write_text(
        "customer_id,occurred_at,order_id,amount\nana,2024-01-05,1,3\n"
    )


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A run of a shop of one order that may do one step at a time, and what it says."""
    monkeypatch.setattr(flows, "steps_at_once", lambda: 1)
    place_orders(Workspace(tmp_path))
    opened = open_run("shop", workspace=str(tmp_path))
    record = RunRecord.begin(tmp_path / "reports" / "shop" / "out", opened.facts("run"))
    said = []
    return flows.Work(
        Session.of(opened.workspace, record), record, lambda event: said.append((event.step, event.what))
    ), said


def test_a_step_that_fails_is_told_at_once_and_those_waiting_do_not_begin(work):
    begun, said = work
    failing = Step("05_report", "05_report")  # nothing was trained: there is nothing to report
    with pytest.raises(UsageError, match="05_report: .*Run 03_train for a target first"):
        begun.perform(failing, Step("01_ingest", "01_ingest"), Step("02_features", "02_features"))
    assert said == [("05_report", "started"), ("05_report", "failed")]


def test_a_step_that_ends_well_is_marked_and_found_done(work):
    begun, said = work
    begun.perform(Step("01_ingest", "01_ingest"))
    begun.perform(Step("01_ingest", "01_ingest"))
    assert said == [("01_ingest", "started"), ("01_ingest", "done"), ("01_ingest", "reused")]
    assert list(RunRecord.open(begun.record.folder).document["steps"]) == ["01_ingest"]

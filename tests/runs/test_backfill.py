"""Backfill: past days in order, on models of their own."""

import filecmp

import pandas as pd
import pytest

from here import without_kernels
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.registry.registry import Registry
from tenure.reporting import training_figures
from tenure.runs.backfill import backfill_flow
from tenure.runs.writer import writing
from tenure.steps.score import run_versions, score
from tenure.steps.training import train

# A day without their features takes less time; payments and subscription events, of which some are known late, stay.
UNUSED = ("usage", "engagement", "support_tickets", "loyalty", "contacts", "declared", "products")


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Two past days of a quick, small demo, lapse alone."""
    workspace = Workspace(tmp_path_factory.mktemp("company"))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=500, months=20)
    for table in UNUSED:
        (workspace.raw("demo") / f"{table}.parquet").unlink()
    return workspace, backfill(workspace)


def backfill(workspace):
    days = {"first": "2025-06-01", "last": "2025-07-01"}
    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)
        patch.setattr(training_figures, "draw_training", lambda *_: {})  # nobody looks at them
        return backfill_flow("demo", **days, targets=["lapse"], quick=True, workspace=str(workspace.root))


def test_each_day_has_a_row_a_report_and_a_version_trained_on_what_was_certain_then(company):
    workspace, rows = company
    assert [str(row.as_of) for row in rows] == ["2025-06-01", "2025-07-01"]
    assert all((workspace.backfill("demo", row.as_of) / "run.json").is_file() for row in rows)
    cutoffs = {found.test_cutoff for found in Registry(workspace).versions("demo-lapse-backfill")}
    assert cutoffs == {"2025-03-03", "2025-04-01"}, (
        "ninety days before each day: a Monday, for months left too few by then"
    )


def test_nothing_of_today_is_touched(company):
    workspace, _ = company
    assert Registry(workspace).model_names() == ["demo-lapse-backfill"]
    assert [path.name for path in workspace.reports_of("demo").iterdir()] == ["backfill"]


def test_a_repeat_runs_nothing_again(company):
    workspace, rows = company
    again = backfill(workspace)
    assert all(row.was_reused for row in again)
    assert [(row.as_of, row.status, row.version) for row in again] == [(r.as_of, r.status, r.version) for r in rows]


def test_a_past_day_is_told_as_a_run_on_that_day_would_have_told_it(company, tmp_path, monkeypatch):
    """The steps of a run on raw files that hold what was known before the day, and nothing else: the same table, to the byte."""
    monkeypatch.setattr(training_figures, "draw_training", lambda *_: {})
    workspace, _ = company
    then = Workspace(tmp_path)
    then.raw("demo").mkdir(parents=True)
    for path in workspace.raw("demo").glob("*.parquet"):
        rows = pd.read_parquet(path)
        known = rows[rows["known_at"] < "2025-06-01"] if "known_at" in rows else rows
        known.to_parquet(then.raw("demo") / path.name, index=False)
    past = workspace.backfill("demo", "2025-06-01")
    with writing("demo", "test", as_of="2025-06-01", quick=True, workspace=str(then.root)) as run:
        train(run, "lapse")
        score(run, run_versions(run))
        for name in ("lapse.csv", "scored_customers.csv"):
            assert filecmp.cmp(run.output / name, past / name, shallow=False)

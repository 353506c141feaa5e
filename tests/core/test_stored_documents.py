"""An unknown field in anything that Tenure stored does no harm, and a newer format is refused before anything is done with it."""

import json
from datetime import date

import pytest

from tenure.core.errors import StoredFormatError
from tenure.core.problems import Problem, load_problems, save_problems
from tenure.core.stored import write_stored
from tenure.core.workspace import Workspace
from tenure.reporting.record import TrainingRecord
from tenure.scoring.review.failures import note_failure, read_failures
from tenure.steps.results import (
    FORMER_REVIEW_PROBLEMS,
    SCORING_FORMAT,
    SCORING_JSON,
    review_problems,
    scoring_outcomes,
)
from tenure.steps.run_record import RUN_JSON, RunRecord, begun_from, former_steps, read_sealed, sealed_runs

PROBLEM = Problem("warning", "lapse", "propensities moved.", "scores_moved", ("age",))
ALERT = {"severity": "warning", "about": "lapse", "text": "propensities moved."}
SCORED = {"outcome": "scored", "code": "scored", "reason": "", "model_version": "1"}


def a_run(folder):
    RunRecord.begin(folder, {"source": "shop"}).seal({"problems": []})
    return folder / RUN_JSON


def a_training(folder):
    TrainingRecord("lapse", "refused", "too little").save(folder)
    return folder / "record.json"


def some_problems(folder):
    save_problems([PROBLEM], folder / "review.problems.json")
    return folder / "review.problems.json"


def outcomes(folder):
    write_stored(folder / SCORING_JSON, {"targets": {"lapse": SCORED}}, SCORING_FORMAT)
    return folder / SCORING_JSON


READ = {
    a_run: lambda folder: read_sealed(folder)["source"] == "shop",
    a_training: lambda folder: TrainingRecord.load(folder).status == "refused",
    some_problems: lambda folder: load_problems(folder / "review.problems.json") == [PROBLEM],
    outcomes: lambda folder: scoring_outcomes(folder)["lapse"]["model_version"] == "1",
}


@pytest.mark.parametrize("written", READ, ids=lambda one: one.__name__)
def test_an_unknown_field_does_no_harm_and_a_newer_format_is_refused(tmp_path, written):
    path, read = written(tmp_path), READ[written]
    assert read(tmp_path), "as it was written"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"colour": "red"}))
    assert read(tmp_path)
    path.write_text(json.dumps(document | {"format_version": document["format_version"] + 1}))
    with pytest.raises(StoredFormatError, match="a newer Tenure wrote it"):
        read(tmp_path)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StoredFormatError, match="cut short or damaged"):
        read(tmp_path)


@pytest.mark.parametrize("document", [[ALERT | {"colour": "red"}], {"format_version": 1, "alerts": [ALERT]}])
def test_the_alerts_of_former_formats_are_read_as_problems_without_a_code(tmp_path, document):
    (tmp_path / FORMER_REVIEW_PROBLEMS).write_text(json.dumps(document))
    assert review_problems(tmp_path) == [Problem("warning", "lapse", "propensities moved.")]


def test_a_failure_with_a_field_nobody_knows_is_read(tmp_path):
    workspace = Workspace(tmp_path)
    note_failure(workspace, "shop", as_of="2024-01-01", doing="tenure score shop", text="no room")
    path = workspace.reports_of("shop") / "failures.txt"
    path.write_text(path.read_text().replace('{"at"', '{"colour": "red", "at"'))
    assert [failure.text for failure in read_failures(workspace, "shop")] == ["no room"]


def test_a_run_under_way_is_not_among_the_sealed_ones(tmp_path):
    workspace = Workspace(tmp_path)
    RunRecord.begin(workspace.reports("shop", "2024-02-01"), {"source": "shop"})
    RunRecord.begin(workspace.reports("shop", "2024-01-01"), {"source": "shop"}).seal({})
    assert list(sealed_runs(workspace, "shop")) == [date(2024, 1, 1)]


def test_a_damaged_run_and_a_folder_of_another_name_hold_up_no_other_day(tmp_path):
    workspace = Workspace(tmp_path)
    for day in ("2024-01-01", "2024-02-01", "2024-01-01 (old)"):
        RunRecord.begin(workspace.reports("shop", day), {"source": "shop"}).seal({})
    damaged = workspace.reports("shop", "2024-02-01") / RUN_JSON
    damaged.write_text(damaged.read_text()[:40])
    assert list(sealed_runs(workspace, "shop")) == [date(2024, 1, 1)]
    assert former_steps(damaged.parent) == {} and begun_from(damaged.parent) is None
    damaged.write_text(json.dumps({"format_version": 99}))
    with pytest.raises(StoredFormatError, match="a newer Tenure wrote it"):
        sealed_runs(workspace, "shop")

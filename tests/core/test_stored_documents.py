"""An unknown field in anything that Tenure stored does no harm, and a newer format is refused before anything is done with it."""

import json
from datetime import date

import pytest

from tenure.core.alerts import Alert, load_alerts, save_alerts
from tenure.core.errors import StoredFormatError
from tenure.core.stored import write_stored
from tenure.core.workspace import Workspace
from tenure.reporting.record import TrainingRecord
from tenure.scoring.review.failures import note_failure, read_failures
from tenure.steps.results import SCORING_FORMAT, SCORING_JSON, scoring_outcomes
from tenure.steps.run_record import RUN_JSON, RunRecord, begun_from, former_steps, read_sealed, sealed_runs

ALERT = Alert("warning", "lapse", "propensities moved.")
SCORED = {"outcome": "scored", "code": "scored", "reason": "", "model_version": "1"}


def a_run(folder):
    RunRecord.begin(folder, {"source": "shop"}).seal({"alerts": []})
    return folder / RUN_JSON


def a_training(folder):
    TrainingRecord("lapse", "refused", "too little").save(folder)
    return folder / "record.json"


def some_alerts(folder):
    save_alerts([ALERT], folder / "review.alerts.json")
    return folder / "review.alerts.json"


def outcomes(folder):
    write_stored(folder / SCORING_JSON, {"targets": {"lapse": SCORED}}, SCORING_FORMAT)
    return folder / SCORING_JSON


READ = {
    a_run: lambda folder: read_sealed(folder)["source"] == "shop",
    a_training: lambda folder: TrainingRecord.load(folder).status == "refused",
    some_alerts: lambda folder: load_alerts(folder / "review.alerts.json") == [ALERT],
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


def test_alerts_of_before_they_had_a_format_are_read_with_fields_nobody_knows(tmp_path):
    (tmp_path / "alerts.json").write_text(json.dumps([vars(ALERT) | {"colour": "red"}]))
    assert load_alerts(tmp_path / "alerts.json") == [ALERT]


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

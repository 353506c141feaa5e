"""Which steps a repeat runs: those whose making has changed, or whose outputs are no longer there."""

import pytest

from tenure.runs.step_cache import Marks, Step
from tenure.steps.run_record import RunRecord

TRAIN = Step("03_train_lapse", "03_train", ("training/*",), {"target": "lapse"}, state=lambda: "champion 1")
SCORE = Step("04_score", "04_score", ("*.csv",), after=("03_train_lapse",))


def marks(folder, *inputs):
    """Open the record anew, as another process would."""
    return Marks(RunRecord.open(folder), inputs)


def perform(folder, step, text="made", inputs=("raw",)):
    """Write what a step's notebook would, and mark it."""
    (folder / "notebooks").mkdir(exist_ok=True)
    (folder / "training").mkdir(exist_ok=True)
    (folder / step.executed).write_text(text)
    output = folder / ("training/record.json" if step is not SCORE else "lapse.csv")
    output.write_text(text)
    marks(folder, *inputs).set(step, step.state(), seconds=1.0)


@pytest.fixture
def folder(tmp_path):
    RunRecord.begin(tmp_path, {"source": "shop"})
    perform(tmp_path, TRAIN)
    perform(tmp_path, SCORE)
    return tmp_path


def test_an_unchanged_step_is_current(folder):
    assert marks(folder, "raw").is_current(TRAIN) and marks(folder, "raw").is_current(SCORE)


def test_other_raw_data_outdates_every_step(folder):
    assert not marks(folder, "other raw").is_current(TRAIN) and not marks(folder, "other raw").is_current(SCORE)


def test_another_parameter_outdates_its_step_alone(folder):
    other = Step(TRAIN.name, TRAIN.notebook, TRAIN.outputs, {"target": "lapse", "seed": 8}, state=TRAIN.state)
    assert not marks(folder, "raw").is_current(other) and marks(folder, "raw").is_current(SCORE)


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_missing_or_changed_output_outdates_its_step(folder, damage):
    path = folder / "training" / "record.json"
    path.unlink() if damage == "missing" else path.write_text("edited")
    assert not marks(folder, "raw").is_current(TRAIN)


def test_what_reads_another_steps_outputs_is_outdated_by_them(folder):
    perform(folder, TRAIN, text="made anew")
    assert marks(folder, "raw").is_current(TRAIN) and not marks(folder, "raw").is_current(SCORE)


def test_another_champion_outdates_a_training_but_its_own_promotion_does_not(folder):
    champion = "champion 1"
    step = Step(
        "03_train_lapse", "03_train", ("training/*",), {"target": "lapse"}, (), lambda: champion, lambda: "champion 2"
    )
    perform(folder, step)
    champion = "champion 2"
    assert marks(folder, "raw").is_current(step)
    champion = "champion 3"
    assert not marks(folder, "raw").is_current(step)


def test_a_forgotten_step_leaves_nothing(folder):
    marks(folder, "raw").forget(SCORE)
    assert not (folder / "lapse.csv").exists() and not (folder / SCORE.executed).exists()
    assert not marks(folder, "raw").is_current(SCORE)


def test_a_file_changed_on_purpose_is_taken_for_what_its_step_wrote(folder):
    (folder / "lapse.csv").write_text("styled anew")
    assert not marks(folder, "raw").is_current(SCORE)
    marks(folder, "raw").renew([folder / "lapse.csv"])
    assert marks(folder, "raw").is_current(SCORE) and marks(folder, "raw").is_current(TRAIN)


def test_a_step_forgets_its_own_files_alone(folder):
    other = Step("12_kpis", "12_kpis", ("kpis.*",))
    (folder / "kpis.csv").write_text("made")
    (folder / other.executed).write_text("made")
    marks(folder, "raw").set(other, "", seconds=1.0)
    marks(folder, "raw").forget(SCORE)
    assert not (folder / "lapse.csv").exists() and marks(folder, "raw").is_current(other)

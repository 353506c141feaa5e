"""Which code a result depends on: an edit elsewhere repeats nothing, an edit there does."""

import shutil
from pathlib import Path

import pytest

from tenure.core import code_keys
from tenure.runs import step_cache

PACKAGE = Path(code_keys.__file__).parents[1]
STEPS = ("01_ingest", "02_features", "03_train", "04_score", "05_report", "06_review", "07_audit")
FITS = ("tenure.models.train", "tenure.models.best_feature")


@pytest.fixture
def keys_after(tmp_path, monkeypatch):
    """Give the keys of all steps, and of fits, once a file of a copy of the package was edited."""
    copy = tmp_path / "tenure"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_keys, "ROOT", copy)

    def keys(edited=None, text="\n# a comment\n"):
        if edited:
            path = copy / edited
            path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        code_keys.code_key.cache_clear()
        code_keys._used.cache_clear()
        step_cache.code_of.cache_clear()
        return {name: step_cache.code_of(name) for name in STEPS} | {"fits": code_keys.code_key(*FITS)}

    yield keys
    code_keys.code_key.cache_clear()
    step_cache.code_of.cache_clear()


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    "edited",
    [
        "cli/main.py",
        "cli/runs.py",
        "runs/run.py",
        "runs/notify.py",
        "runs/schedules/__init__.py",
        "reporting/templates/style.css",
    ],
)
def test_the_command_line_the_flow_and_the_style_sheet_repeat_no_step(keys_after, edited):
    assert changed(keys_after(), keys_after(edited)) == set()


@pytest.mark.parametrize(
    ("edited", "repeated"),
    [
        ("models/train.py", {"03_train", "fits"}),
        ("models/calibrate.py", {"03_train", "04_score", "fits"}),
        ("features/payments.py", {"02_features", "03_train", "04_score"}),  # found by its place, imported by nobody
        ("targets/lapse.py", {"02_features", "03_train", "04_score"}),
        ("reporting/templates/review.html", {"06_review"}),
        ("audit/replay.py", {"03_train", "07_audit"}),
        ("core/time_windows.py", {"02_features", "03_train", "04_score", "06_review"}),
    ],
)
def test_an_edit_repeats_the_steps_that_use_it(keys_after, edited, repeated):
    assert repeated <= changed(keys_after(), keys_after(edited))


@pytest.mark.parametrize(
    "edited", ["reporting/report.py", "steps/training.py", "runs/notebooks.py", "models/registry/registry.py"]
)
def test_fits_depend_on_models_alone(keys_after, edited):
    assert "fits" not in changed(keys_after(), keys_after(edited))


def test_no_model_imports_the_notebook_runner():
    reached, waiting = set(), sorted((PACKAGE / "models").glob("*.py"))
    while waiting:
        path = waiting.pop()
        if path not in reached and path is not None:
            reached.add(path)
            waiting += code_keys._used(path) if path.suffix == ".py" else []
    assert {path.name for path in reached} >= {"train.py", "expression.py"}
    assert not {path.name for path in reached} & {
        "runs/notebooks.py",
        "runs/warm_kernels.py",
        "runs/step_cache.py",
        "cli/main.py",
    }

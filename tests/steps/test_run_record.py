"""A run is one object on disk: what a step finds stands in its record, not in the clock, file times or the environment."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import tenure
from shop import place_built, run_lapse
from tenure.core.errors import RunError, StoredFormatError, UsageError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.runs.notebooks import execute
from tenure.runs.writer import writing
from tenure.steps.opening import open_run
from tenure.steps.run_record import RUN_JSON, RunRecord, former_steps, read_sealed, sealed_runs

OF_THE_MOMENT = {"run_id", "started_at", "finished_at", "sealed_at", "timings", "steps", "outputs", "begun_from"}


@pytest.fixture
def shop(quick_shop, tmp_path):
    """A small shop in a workspace of its own, with nothing but its raw files."""
    shutil.copytree(quick_shop.raw("shop"), Workspace(tmp_path).raw("shop"))
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(quick_shop):
    """A quick run of that shop, made without kernels. => its workspace, its folder"""
    (folder,) = quick_shop.reports_of("shop").glob("2*")
    return quick_shop, folder


def scramble(workspace, seed):
    """Give every file and folder of a workspace a random time between 1980 and 2060."""
    draw = random.Random(seed)
    for folder, folders, files in os.walk(workspace.root):
        for name in sorted([*folders, *files]):
            moment = draw.uniform(3.2e8, 2.8e9)
            with suppress(FileNotFoundError):  # a step beside is at work, and done with it
                os.utime(os.path.join(folder, name), (moment, moment), follow_symlinks=False)


def results(workspace, folder):
    """What a run came to: every table to the byte, what the ledger says but for run and moment, and the record but for its moment."""
    tables = {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
    tables["models"] = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob("models/*/*"))}
    scored = (folder / "scored_customers.parquet").read_bytes()
    rows = [pd.read_parquet(path) for path in sorted((workspace.scores / "source=shop").rglob("*.parquet"))]
    ledger = pd.concat(rows).drop(columns=["run_id", "scored_at"]).reset_index(drop=True)
    said = {
        key: value for key, value in json.loads((folder / RUN_JSON).read_text()).items() if key not in OF_THE_MOMENT
    }
    said["targets"] = {
        name: found | {"trained_by_run": "", "mlflow_run_id": ""} for name, found in said["targets"].items()
    }
    return tables, scored, ledger.to_csv(), said


def test_with_file_times_scrambled_and_the_environment_changed_between_steps_results_are_the_same_to_the_byte(
    undisturbed, shop, tmp_path_factory, monkeypatch
):
    elsewhere, disturbed = tmp_path_factory.mktemp("elsewhere"), []

    def disturb(event):
        if event.what in ("started", "done"):
            disturbed.append(event.step)
            scramble(shop, len(disturbed))
            monkeypatch.setenv("TENURE_MEMORY", "700MB")
            monkeypatch.setenv("TENURE_WORKSPACE", str(elsewhere))
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}/other.db")
            monkeypatch.setenv("TZ", "Pacific/Kiritimati")

    result = run_lapse(shop, progress=disturb)
    assert {"01_ingest", "02_features", "03_train_lapse", "04_score", "06_review"} <= set(disturbed)
    workspace, expected = undisturbed
    assert results(shop, result.folder) == results(workspace, expected)
    assert not list(elsewhere.iterdir())


def test_with_the_clock_moved_between_steps_results_are_the_same_to_the_byte(undisturbed, shop):
    time_machine = pytest.importorskip("time_machine", reason="time-machine is not installed")
    workspace, expected = undisturbed
    now = datetime.now(UTC)
    with writing("shop", "test", kind="run", workspace=str(shop.root), quick=True, targets=["lapse"]) as run:
        steps = [
            lambda opened: tenure.build_snapshots(opened, ["lapse"]),
            lambda opened: tenure.train(opened, "lapse"),
            lambda opened: tenure.score(opened, tenure.run_versions(opened)),
        ]
        for step, days in zip(steps, (-400, 900, 31), strict=True):
            with time_machine.travel(now + timedelta(days=days)):
                scramble(shop, days)
                step(open_run("shop", workspace=str(shop.root), run=run.run_id))
        found = pd.read_csv(run.output / "lapse.csv", dtype=str)
        began = datetime.fromisoformat(RunRecord.open(run.output).document["started_at"])
    pd.testing.assert_frame_equal(found, pd.read_csv(expected / "lapse.csv", dtype=str))
    (path,) = (shop.scores / "source=shop").rglob("*.parquet")
    assert set(pd.read_parquet(path)["scored_at"].dt.floor("s")) == {
        pd.Timestamp(began.replace(tzinfo=None)).floor("s")
    }


def test_the_record_is_there_from_the_first_step_on_and_sealed_by_the_last(undisturbed):
    workspace, folder = undisturbed
    seen = json.loads((workspace.root / "records.json").read_text())
    assert len(seen) >= 6 and not any(sealed for _, sealed, _ in seen)
    assert seen[0] == ["01_ingest", False, ["01_ingest"]] and seen[1][2] == ["01_ingest", "02_features"]
    assert RunRecord.open(folder).is_sealed
    assert {str(day): record.folder for day, record in sealed_runs(workspace, "shop").items()} == {folder.name: folder}


def test_steps_find_the_staging_the_run_began_with_or_are_refused(shop):
    with writing("shop", "test", kind="run", workspace=str(shop.root), quick=True) as run:
        assert open_run("shop", workspace=str(shop.root), run=run.run_id).staged.fingerprint == run.staged.fingerprint
        orders = pd.read_parquet(shop.raw("shop") / "order_lines.parquet")
        orders.iloc[:-100].to_parquet(shop.raw("shop") / "order_lines.parquet", index=False)
        assert open_run("shop", workspace=str(shop.root), run=run.run_id).staged.fingerprint == run.staged.fingerprint
        open_run("shop", workspace=str(shop.root)).staged  # noqa: B018  # by hand: stages what lies there now
        with pytest.raises(RunError, match="another run has staged the source since. Run again"):
            open_run("shop", workspace=str(shop.root), run=run.run_id).staged  # noqa: B018


def test_a_mapping_that_changes_under_a_run_is_refused_and_a_comment_in_it_is_not(shop):
    toml = shop.raw("shop") / "source.toml"
    with writing("shop", "test", kind="run", workspace=str(shop.root)) as run:
        toml.write_text("# who wrote this\n" + toml.read_text())
        assert open_run("shop", workspace=str(shop.root), run=run.run_id).run_id == run.run_id
        toml.write_text(toml.read_text() + "\n[targets.lapse]\nhorizon_days = 60\n")
        with pytest.raises(RunError, match="source.toml changed since run .* began"):
            open_run("shop", workspace=str(shop.root), run=run.run_id)


def test_parameters_that_contradict_the_run_are_refused_and_those_that_repeat_it_are_not(shop):
    with writing("shop", "test", kind="run", workspace=str(shop.root)) as run:
        given = {"workspace": str(shop.root), "run": run.run_id}
        assert open_run("shop", as_of=str(run.as_of), **given).as_of == run.as_of
        with pytest.raises(
            UsageError, match=r"as_of = 2024-01-01, where it says 20\d\d-\d\d-\d\d; quick = True, where it says False"
        ):
            open_run("shop", as_of="2024-01-01", quick=True, **given)


def test_a_record_of_a_newer_tenure_is_refused_and_an_older_one_counts_as_sealed(tmp_path):
    (tmp_path / RUN_JSON).write_text(json.dumps({"run_id": "a", "as_of": "2024-01-01"}))
    assert read_sealed(tmp_path)["run_id"] == "a"
    (tmp_path / RUN_JSON).write_text(json.dumps({"format_version": 99, "run_id": "a"}))
    with pytest.raises(StoredFormatError, match="a newer Tenure wrote it"):
        read_sealed(tmp_path)


def test_a_sealed_run_opens_as_by_hand_on_what_lies_there_now(undisturbed):
    workspace, folder = undisturbed
    record = RunRecord.open(folder)
    opened = open_run("shop", workspace=str(workspace.root), run=record.document["run_id"])
    assert opened.record is None and str(opened.as_of) == folder.name and opened.quick
    assert opened.output == folder and opened.started_at > record.started_at


def test_a_step_by_hand_is_noted_in_a_record_that_is_not_sealed(shop):
    opened = open_run("shop", workspace=str(shop.root), quick=True)
    with opened.writing("train"):
        pass
    record = RunRecord.open(opened.output)
    assert not record.is_sealed and [step["step"] for step in record.document["by_hand"]] == ["train"]
    assert not sealed_runs(shop, "shop"), "nothing was run"


def test_a_signal_ends_a_run_with_one_line_and_what_was_finished_is_kept(quick_shop, tmp_path):
    place_built(shop := Workspace(tmp_path), quick_shop)
    command = [sys.executable, "-m", "tenure", "run", "shop", "--quick", "--targets", "lapse", "--workspace", str(shop.root)]  # fmt: skip
    kept = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if "02_features" in line:
                break
        time.sleep(1)  # the training is under way
        process.send_signal(signum)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 128 + signum
        assert re.fullmatch(rf"tenure: stopped by {signum.name}. Finished steps are kept; [^\n]*\n", said)
        assert not list(shop.reports_of("shop").glob("[0-9]*")), "nothing half-written is visible"
        (unfinished,) = shop.reports_of("shop").glob(".*building*")
        kept.append(former_steps(unfinished))
    first, second = kept
    assert list(first) == ["01_ingest", "02_features"] and second == first, (
        "the second run began with what the first had"
    )


def test_plain_papermill_needs_source_alone_and_is_refused_what_a_notebook_does_not_have(shop, monkeypatch, tmp_path):
    import papermill

    from tenure.runs.notebooks import notebook_path
    from tenure.runs.warm_kernels import ForkingKernelManager

    monkeypatch.setenv("TENURE_WORKSPACE", str(shop.root))
    features = str(notebook_path("02_features"))

    def by_papermill(parameters, **kernel):
        papermill.execute_notebook(
            features, str(tmp_path / "out.ipynb"), parameters, kernel_name="python3", progress_bar=False, **kernel
        )

    by_papermill({"source": "shop", "targets": "lapse"})
    warm = {"kernel_manager_class": ForkingKernelManager}  # the twins: the kernel is the same, and starts at once
    for wrong, said in (
        ({"sorce": "shop"}, "Parameter 'sorce' is not defined.*Did you mean 'source'"),
        ({"source": "shop", "quick": 1}, "quick is 1: expected bool"),
    ):
        with pytest.raises(papermill.PapermillExecutionError, match=said):
            by_papermill(wrong, **warm)
    assert not (shop.data / "raw" / "demo").exists(), "the mistyped source is not taken for the demo"


def test_the_first_notebook_is_the_one_that_stages(shop, tmp_path):
    assert not shop.staged("shop").exists()
    execute("01_ingest", {"source": "shop", "workspace": str(shop.root)}, tmp_path / "out.ipynb", shop.root)
    assert (shop.staged("shop") / "order_lines.parquet").is_file()


def test_what_people_damage_or_delete_is_mended_by_the_next_run(undisturbed, tmp_path, here):
    """A deleted alias is given again, a lost index written again, a damaged record counts as none; all but that is reused."""
    import mlflow

    root = tmp_path / "copy"
    shutil.copytree(undisturbed[0].root, root)
    workspace, again = Workspace(root), lambda: run_lapse(Workspace(root))
    registry, folder = Registry(workspace), workspace.reports("shop", undisturbed[1].name)
    registry.check()
    mlflow.MlflowClient(registry.uri, registry.uri).delete_registered_model_alias("shop-lapse", "champion")
    (folder / "index.html").unlink()
    found = again()
    assert registry.champion("shop-lapse") == "1" and (folder / "index.html").is_file()
    assert found.performed.executed == []
    (folder / RUN_JSON).write_text((folder / RUN_JSON).read_text()[:200])
    found = again()
    assert found.run_json["targets"]["lapse"]["model_version"] == "1" and RunRecord.open(folder).is_sealed
    (folder / "training" / "lapse" / "record.json").write_text("{")
    assert "03_train_lapse" in {step.name for step in again().performed.executed}

"""A small web shop in the hands of a scheduler: its lines run, and a full disk, a lock or a kill leave the champion as it was."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from shop import BARE, TODAY, YESTERDAY, by_sh, cron_lines, place_built
from tenure.core.errors import RegistryError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.runs.run import run_flow
from tenure.runs.schedules import schedule_files
from tenure.steps.run_record import RunRecord, read_sealed


@pytest.fixture(scope="module")
def shop(tmp_path_factory, quick_shop) -> Iterator[Workspace]:
    """A shop with a champion, on a small disk of its own where this user may mount one: cron's monthly line was run."""
    folder = tmp_path_factory.mktemp("disk")
    is_mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)], capture_output=True).returncode == 0  # fmt: skip
    try:
        workspace = Workspace(folder / "shop")
        place_built(workspace, quick_shop)
        _, monthly = cron_lines(workspace)
        done = by_sh(monthly.command)
        assert (done.returncode, done.stderr) == (0, "")
        yield workspace
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def again(shop):
    return run_flow("shop", workspace=str(shop.root))


def test_a_killed_run_leaves_what_was_there_and_its_repeat_gives_the_same_bytes(shop, here):
    folder = shop.reports("shop", TODAY)
    scored = (folder / "scored_customers.parquet").read_bytes()
    RunRecord.open(folder).set_step("03_train_lapse", None)
    command = [sys.executable, "-m", "tenure", "run", "shop", "--workspace", str(shop.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = iter(process.stdout.readline, "")
    assert any("02_features" in line for line in said)
    time.sleep(3)  # into the training
    process.kill()
    process.communicate()
    assert (folder / "run.json").is_file() and (folder / "scored_customers.parquet").read_bytes() == scored
    repeat = again(shop)
    assert "03_train_lapse" in {timing.name for timing in repeat.performed.executed}
    assert (folder / "scored_customers.parquet").read_bytes() == scored
    assert len(Registry(shop).versions("shop-lapse")) == 1


class Killed(BaseException):
    """What no code of ours takes care of."""


def test_a_run_killed_after_its_last_step_is_finished_by_the_next_and_not_taken_for_the_one_before(
    shop, monkeypatch, here
):
    folder = shop.reports("shop", TODAY)
    before = read_sealed(folder)["run_id"]
    RunRecord.open(folder).set_step("03_train_lapse", None)

    def kill(*_):
        raise Killed

    for moment in ("tenure.models.registry.registry.Registry.attach", "tenure.runs.run.swap_folder"):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(moment, kill)
            again(shop)
        assert read_sealed(folder)["run_id"] == before
    repeat = again(shop)
    assert repeat.performed.executed == [], "the first of the killed did it all"
    assert repeat.run_json["run_id"] != before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert all((folder / name).is_file() for name in repeat.run_json["outputs"])
    notebook = (folder / "notebooks" / "03_train_lapse.ipynb").read_bytes()
    assert notebook in [path.read_bytes() for path in shop.mlruns.rglob("03_train_lapse.ipynb")]


def test_crons_lines_run_and_log_json(shop):
    daily, _ = cron_lines(shop)
    done = by_sh(daily.command)
    assert (done.returncode, done.stderr) == (0, "")
    assert Registry(shop).champion("shop-lapse") == "1"
    assert (shop.reports("shop", TODAY) / "lapse.csv").is_file()
    assert all(line.startswith('{"at"') for line in (shop.root / "tenure.log").read_text().splitlines())


def test_systemd_accepts_the_units_and_their_command_is_the_one_that_cron_ran(shop, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    for name, text in schedule_files("systemd", "shop", shop).items():
        (tmp_path / name.replace("@", "@shop")).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0 and str(tmp_path) not in verified.stderr
    (line,) = re.findall("^ExecStart=/bin/sh -c '(.*)'$", (tmp_path / "tenure-score@shop.service").read_text(), re.M)
    daily, _ = cron_lines(shop)
    said = line.replace("%i", "shop").replace("%%", "%").replace("$$", "$").replace('"', "")
    assert said == f"exec {daily.command.partition(' >> ')[0]}", "the command that cron ran"


def test_githubs_steps_are_the_commands_that_cron_ran(shop):
    text = schedule_files("github", "shop", shop)["github_workflow.yml"]
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(text)
    assert [entry["cron"] for entry in workflow[True]["schedule"]] == [line.when for line in cron_lines(shop)]
    job = workflow["jobs"]["tenure"]
    monthly, daily = (step["run"].replace('"', "") for step in job["steps"])
    ran = [line.command.partition(" >> ")[0] for line in cron_lines(shop)]
    assert ran == [daily, monthly], "the commands that gave the shop its champion and its scores"


def test_airflow_reads_the_dags_and_runs_one_task(shop, tmp_path):
    airflow = os.environ.get("TENURE_TEST_AIRFLOW", "")
    if not airflow:
        pytest.skip(
            "no Airflow: TENURE_TEST_AIRFLOW names the python of an environment that has it and its Papermill provider"
        )
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "tenure.py").write_text(schedule_files("airflow", "shop", shop)["airflow_dag.py"])
    kernel = [sys.executable, "-m", "ipykernel", "install", "--prefix", str(tmp_path), "--name", "tenure"]
    subprocess.run(kernel, check=True, capture_output=True)
    home = {
        "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "JUPYTER_PATH": str(tmp_path / "share" / "jupyter"),
        "PATH": f"{Path(airflow).parent}:{BARE['PATH']}", "HOME": str(tmp_path),
    }  # fmt: skip

    def run(*arguments):
        command = [airflow, "-m", "airflow", *arguments]
        return subprocess.run(command, env=BARE | home, capture_output=True, text=True, check=False, timeout=400)

    assert run("db", "migrate").returncode == 0
    listed = run("dags", "list", "--local", "--output", "plain")
    assert {"tenure_score_shop", "tenure_run_shop"} <= set(listed.stdout.split()), listed.stdout + listed.stderr
    done = run("tasks", "test", "tenure_score_shop", "04_score", TODAY)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (shop.reports("shop", TODAY) / "notebooks" / "04_score.ipynb").is_file()
    commit = run("tasks", "test", "tenure_score_shop", "commit", TODAY)
    assert commit.returncode == 0, commit.stdout[-3000:] + commit.stderr[-3000:]
    assert json.loads((shop.reports("shop", TODAY) / "run.json").read_text())["kind"] == "score"
    assert len(list(shop.scores.glob(f"source=shop/target=lapse/as_of={TODAY}/scheduled-*.parquet"))) == 1


def score(workspace, as_of, before=""):
    """Run 'tenure score' in a process of its own; ``before`` is what the shell does first."""
    command = f"{before} exec {sys.executable} -m tenure score shop --as-of {as_of} --workspace {workspace.root}"
    return subprocess.run(
        ["/bin/sh", "-c", command], env=BARE, capture_output=True, text=True, check=False, timeout=400
    )


def visible(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "failures.txt"}  # fmt: skip


def check_ended_clearly(workspace, done, before):
    """One message, nothing changed, nothing half-written, the champion as it was, and no lock left."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("tenure: ") and done.stderr.count("tenure: ") == 1
    assert visible(workspace.reports_of("shop")) == before
    assert Registry(workspace).champion("shop-lapse") == "1"
    assert workspace.lock("shop").read_text() == ""


def test_a_disk_that_is_full_ends_a_run_clearly_and_room_lets_it_finish(shop):
    if not os.path.ismount(shop.root.parent):
        pytest.skip("this user may not mount a small disk")
    before, filler = visible(shop.reports_of("shop")), shop.root.parent / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(shop.root).free - 100_000)))
    done = score(shop, YESTERDAY)
    filler.unlink()
    check_ended_clearly(shop, done, before)
    assert "No space left" in done.stderr or "no room" in done.stderr
    assert score(shop, YESTERDAY).returncode == 0
    assert (shop.reports("shop", YESTERDAY) / "run.json").is_file()


def test_a_limit_on_files_while_staging_is_no_fault_of_the_data(shop):
    before = visible(shop.reports_of("shop"))
    raw = shop.raw("shop") / "order_lines.parquet"
    whole = raw.read_bytes()
    pd.read_parquet(raw).iloc[1:].to_parquet(raw, index=False)  # to be staged anew
    done = score(shop, TODAY, before="ulimit -f 100;")
    raw.write_bytes(whole)
    check_ended_clearly(shop, done, before)
    assert "no room to stage order_lines.parquet" in done.stderr and "make room and run again" in done.stderr


def test_a_database_locked_by_another_program_is_one_message_and_the_champion_stays(shop):
    registry = Registry(shop)
    with closing(sqlite3.connect(shop.mlruns / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            RegistryError, match="the database is locked.*close whatever holds it.*champion is as it was"
        ):
            registry.promote("shop-lapse", "1", why="while the UI writes")
    assert registry.champion("shop-lapse") == "1"


def test_every_executed_notebook_is_smaller_than_two_megabytes(shop):
    sizes = [path.stat().st_size for path in shop.reports_of("shop").rglob("*.ipynb")]
    assert len(sizes) >= 6 and max(sizes) < 2_000_000

"""The ready schedules, each run as its scheduler would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from shop import BARE, TODAY, by_sh, cron_lines
from tenure.errors import UnknownNameError, UsageError
from tenure.models.registry import Registry
from tenure.schedules import SCHEDULERS, schedule_files
from tenure.workspace import Workspace


def test_cron_starts_scores_daily_and_runs_monthly(tmp_path):
    croniter = pytest.importorskip("croniter", reason="croniter is not installed").croniter
    daily, monthly = cron_lines(Workspace(tmp_path))
    noon = datetime(2026, 11, 23, 12)
    assert croniter(daily.when, noon).get_next(datetime) == datetime(2026, 11, 24, 5)
    assert croniter(monthly.when, noon).get_next(datetime) == datetime(2026, 12, 1, 6)


def test_crons_lines_run_and_log_json(shop):
    daily, _ = cron_lines(shop)
    done = by_sh(daily.command)
    assert (done.returncode, done.stderr) == (0, "")
    assert Registry(shop).champion("shop-lapse") == "1"
    assert (shop.reports("shop", TODAY) / "lapse.csv").is_file()
    assert all(line.startswith('{"at"') for line in (shop.root / "tenure.log").read_text().splitlines())


def test_systemd_accepts_the_units_and_their_command_runs(shop, tmp_path):
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
    done = by_sh(line.replace("%i", "shop").replace("%%", "%").replace("$$", "$"))
    assert done.returncode == 0 and TODAY in done.stdout, done.stderr


def test_githubs_steps_run(shop):
    text = schedule_files("github", "shop", shop)["github_workflow.yml"]
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(text)
    assert [entry["cron"] for entry in workflow[True]["schedule"]] == [line.when for line in cron_lines(shop)]
    job = workflow["jobs"]["tenure"]
    monthly, daily = (step["run"] for step in job["steps"])
    assert cron_lines(shop)[1].command.startswith(monthly), "the command that gave the shop its champion"
    done = by_sh(daily)
    assert done.returncode == 0 and TODAY in done.stdout, done.stderr


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


def test_an_unknown_scheduler_or_a_path_that_needs_quoting_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="Did you mean 'cron'"):
        schedule_files("crno", "shop", Workspace(tmp_path))
    with pytest.raises(UsageError, match="Expected a path without any"):
        schedule_files("cron", "shop", Workspace(tmp_path / "my files"))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_no_placeholder_is_left(tmp_path, scheduler):
    for text in schedule_files(scheduler, "shop", Workspace(tmp_path)).values():
        assert not re.search("<[a-z]+>", text)

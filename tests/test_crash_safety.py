"""A full disk, a locked database, an endless output: a clear end, and the champion as it was."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from shop import BARE, TODAY, YESTERDAY
from tenure.errors import RegistryError
from tenure.models.registry import Registry
from tenure.notebooks import LONGEST_TEXT, shorten_outputs
from tenure.scoring import Scores, append_to_ledger
from tenure.workspace import Workspace


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
    raw = shop.raw("shop") / "source.toml"
    raw.write_text(raw.read_text() + "\n# to be staged anew\n")
    done = score(shop, TODAY, before="ulimit -f 100;")
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


def test_a_cell_of_ten_megabytes_is_cut_and_its_figures_stay(tmp_path):
    long, figure = "x" * 10_000_000, "iVBORw0KGgo" * 30_000
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": [long]},
        {"output_type": "execute_result", "data": {"text/html": long, "image/png": figure}, "metadata": {}},
    ]
    path = tmp_path / "executed.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "", "outputs": outputs}]}))
    shorten_outputs(path)
    printed, shown = json.loads(path.read_text())["cells"][0]["outputs"]
    assert printed["text"][LONGEST_TEXT:] == "\n... cut here: 10,000,000 characters in all"
    assert len(shown["data"]["text/html"]) < LONGEST_TEXT + 100 and shown["data"]["image/png"] == figure
    assert path.stat().st_size < 2_000_000


def test_a_cell_that_prints_without_end_in_small_pieces_is_cut_too(tmp_path):
    pieces = [{"output_type": "stream", "name": name, "text": "x" * 1000} for name in ("stdout", "stderr") * 5_000]
    error = {"output_type": "error", "ename": "ValueError", "evalue": "why", "traceback": ["why"]}
    figure = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0KGgo", "text/plain": "a figure"},
        "metadata": {},
    }
    path = tmp_path / "executed.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "", "outputs": [*pieces, figure, error]}]}))
    shorten_outputs(path)
    *_, shown, failed, told = json.loads(path.read_text())["cells"][0]["outputs"]
    assert shown["data"]["image/png"] == "iVBORw0KGgo" and failed == error
    assert told["text"] == "... 9,800 further outputs left out" and path.stat().st_size < 500_000


def test_every_executed_notebook_is_smaller_than_two_megabytes(shop):
    sizes = [path.stat().st_size for path in shop.reports_of("shop").rglob("*.ipynb")]
    assert len(sizes) >= 6 and max(sizes) < 2_000_000


def test_a_year_of_daily_scores_of_5000_customers_takes_less_than_60_megabytes(tmp_path):
    """The worst case: everyone eligible for three targets, no two scores alike. Every day has the same size, so ten tell."""
    generator, customers, days = np.random.default_rng(7), 5_000, 10
    for day in range(days):
        ranked = {
            target: pd.DataFrame(
                {
                    "customer_id": [f"c{n:06d}" for n in generator.permutation(customers)],
                    "propensity": np.sort(generator.beta(1, 8, customers))[::-1],
                    "decile": np.repeat(np.arange(1, 11), customers // 10),
                    "rule_score": generator.gamma(2, 1.3, customers), "model_version": "12",
                }
            )
            for target in ("churn", "lapse", "upsell")
        }  # fmt: skip
        as_of = date(2026, 1, 1) + timedelta(days=day)
        append_to_ledger(Workspace(tmp_path), Scores(pd.DataFrame(), ranked), source="shop", as_of=as_of, run_id="0" * 12, run_kind="scheduled")  # fmt: skip
    sizes = [path.stat().st_size for path in tmp_path.rglob("*.parquet")]
    assert len(sizes) == 3 * days and sum(sizes) / days * 365 < 60_000_000


def test_a_kill_while_the_store_is_first_made_leaves_none_and_the_next_makes_it(tmp_path):
    workspace = Workspace(tmp_path)
    make = f"from tenure.models.registry import Registry; from tenure.workspace import Workspace; from pathlib import Path; Registry(Workspace(Path({str(tmp_path)!r}))).check()"
    process = subprocess.Popen([sys.executable, "-c", make], env=BARE)
    while not any(path.stat().st_size for path in workspace.mlruns.glob(".mlflow.db.*.new")):  # MLflow is at its tables
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (workspace.mlruns / "mlflow.db").exists()
    (workspace.mlruns / ".mlflow.db.0123abcd.new-journal").touch()  # as a kill in the middle of a write leaves it
    Registry(workspace).check()
    assert [path.name for path in workspace.mlruns.iterdir()] == ["mlflow.db"]


def test_a_store_half_made_by_something_else_is_told_in_one_message(tmp_path):
    whole, half = Workspace(tmp_path / "whole"), Workspace(tmp_path / "half")
    Registry(whole).check()
    half.mlruns.mkdir(parents=True)
    shutil.copy(whole.mlruns / "mlflow.db", half.mlruns)
    with closing(sqlite3.connect(half.mlruns / "mlflow.db")) as database:
        database.executescript("DROP TABLE runs; UPDATE alembic_version SET version_num = '7ac759974ad8'")
    with pytest.raises(RegistryError, match=r"mlflow\.db: .* The champion is as it was"):
        Registry(half).check()

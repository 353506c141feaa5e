"""An endless output, a store half made, a ledger that grows; test_scheduled_shop has the full disk and the kills."""

import json
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

from shop import BARE
from tenure.core.errors import RegistryError
from tenure.core.workspace import Workspace
from tenure.models.registry.registry import Registry
from tenure.runs.notebooks import LONGEST_TEXT, shorten_outputs
from tenure.scoring.ledger import append_to_ledger
from tenure.scoring.score import Scores


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
                    "heuristic_score": generator.gamma(2, 1.3, customers), "model_version": "12",
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
    make = f"from tenure.models.registry.registry import Registry; from tenure.core.workspace import Workspace; from pathlib import Path; Registry(Workspace(Path({str(tmp_path)!r}))).check()"
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

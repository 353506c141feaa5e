"""Running a notebook: what it leaves, and what is said when it fails."""

import os
import signal
import threading
import time

import psutil
import pytest

from tables import write_csv
from tenure.errors import RunError
from tenure.notebooks import execute
from tenure.workspace import Workspace


@pytest.fixture
def shop(tmp_path):
    """A shop of one order: enough to open, too small for anything else."""
    lines = ("customer_id occurred_at order_id quantity amount", "ana 2024-01-05 1 1 9")
    write_csv(Workspace(tmp_path).raw("shop") / "order_lines.csv", *lines)
    return tmp_path


def kill_the_next_kernel(killed_at):
    """Kill the first kernel that this process starts, as the system does when memory runs out."""
    parent, end = psutil.Process(), time.monotonic() + 60
    while time.monotonic() < end:
        for child in parent.children(recursive=True):
            if "ipykernel_launcher" in " ".join(child.cmdline()) and child.cpu_times().user > 1:
                os.kill(child.pid, signal.SIGKILL)
                killed_at.append(time.monotonic())
                return
        time.sleep(0.02)


def test_a_killed_kernel_is_told_as_that_and_at_once(shop):
    killed_at = []
    killer = threading.Thread(target=kill_the_next_kernel, args=(killed_at,))
    killer.start()
    with pytest.raises(RunError, match="01_ingest: its kernel was killed, most likely because memory.*TENURE_MEMORY"):
        execute("01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)
    killer.join()
    assert time.monotonic() - killed_at[0] < 5


def test_a_failing_cell_is_told_in_its_own_words(shop):
    with pytest.raises(RunError, match="01_ingest: As-of 2030-01-01: the last fact of shop is of 2024-01-05"):
        execute(
            "01_ingest", {"source": "shop", "as_of": "2030-01-01", "workspace": str(shop)}, shop / "out.ipynb", shop
        )


def test_an_output_outside_the_workspace_is_refused(shop):
    with pytest.raises(RunError, match="output '../elsewhere' lies outside the workspace"):
        execute(
            "01_ingest", {"source": "shop", "output": "../elsewhere", "workspace": str(shop)}, shop / "out.ipynb", shop
        )


def test_a_password_of_the_environment_stays_out_of_the_executed_notebook(shop, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "2024-01-06")
    execute("01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)
    assert "as of ***" in (shop / "out.ipynb").read_text(encoding="utf-8")

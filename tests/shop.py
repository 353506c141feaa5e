"""A small web shop whose last order was yesterday: what a scheduler meets."""

import json
import os
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from here import without_kernels
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.runs.run import run_flow
from tenure.runs.schedules import schedule_files
from tenure.steps.run_record import RUN_JSON, RunRecord

MAPPING = 'name = "shop"\ncurrency = "EUR"\n\n[raw."order_lines.parquet"]\nknown_at = "known_at"\n'


def place_shop(workspace, customers=500, months=20):
    """Place the orders of a small demo company, moved to end yesterday, as the raw files of the source 'shop'."""
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers, months=months)
    orders = pd.read_parquet(workspace.raw("demo") / "order_lines.parquet")
    shutil.rmtree(workspace.raw("demo"))
    moved = date.today() - timedelta(days=1) - orders["occurred_at"].max().date()
    orders[["occurred_at", "known_at"]] += pd.Timedelta(days=moved.days)
    workspace.raw("shop").mkdir(parents=True)
    orders.to_parquet(workspace.raw("shop") / "order_lines.parquet", index=False)
    (workspace.raw("shop") / "source.toml").write_text(MAPPING)


def run_lapse(workspace, **options):
    return run_flow("shop", workspace=str(workspace.root), quick=True, targets=["lapse"], **options)


def quick_run(root):
    """Place the shop in a folder and run it quickly, lapse alone; ``records.json`` keeps the record as it was after each step."""
    workspace, seen = Workspace(root), []
    place_shop(workspace)

    def look(event):
        if event.what == "done":
            # Until its as-of is known, a run is just begun.
            path = min(workspace.reports_of("shop").glob(f".*/{RUN_JSON}"))
            record = RunRecord.open(path.parent)
            seen.append((event.step, record.is_sealed, sorted(record.document["steps"])))

    with pytest.MonkeyPatch.context() as patch:
        without_kernels(patch)
        run_lapse(workspace, progress=look)
    (root / "records.json").write_text(json.dumps(seen))


def place_built(workspace, other):
    """Place another workspace's shop, with what was staged and built of it: no run of it, and no model."""
    for kind in ("raw", "staged", "snapshots"):
        shutil.copytree(getattr(other, kind)("shop"), getattr(workspace, kind)("shop"))


# What cron gives a command, and the package where it is not installed but under test.
BARE = {"HOME": "/", "LOGNAME": "nobody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[1] / "src")}  # fmt: skip
# How this machine is to compute, where it says so: other kernels of linear algebra give other last bits.
BARE |= {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
TODAY, YESTERDAY = str(date.today()), str(date.today() - timedelta(days=1))


def by_sh(command, **environment):
    return subprocess.run(
        ["/bin/sh", "-c", command], env=BARE | environment, capture_output=True, text=True, check=False, timeout=400, cwd="/"
    )  # fmt: skip


class CronLine:
    """One line of a crontab: its five fields, and the command as cron hands it to the shell."""

    def __init__(self, line):
        *fields, command = line.split(maxsplit=5)
        self.when = " ".join(fields)
        assert not re.search(r"(?<!\\)%", command), "cron ends a command at a bare %"
        self.command = command.replace("\\%", "%")


def cron_lines(workspace):
    text = schedule_files("cron", "shop", workspace)["cron.txt"]
    return [CronLine(line) for line in text.splitlines() if not line.startswith("#")]

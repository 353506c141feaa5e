"""What a notebook shows of Tenure itself: its names, its version, one line for each thing it is given."""

import subprocess
import sys
from importlib.metadata import version

import tenure
from tables import write_csv
from tenure.core.workspace import Workspace


def test_the_package_lists_its_public_names_and_its_version():
    assert dir(tenure) == sorted([*tenure.__all__, "__version__"])
    assert tenure.__version__ == version("tenure")


def test_the_command_line_prints_its_version():
    shown = subprocess.run([sys.executable, "-m", "tenure", "--version"], capture_output=True, text=True, check=False)
    assert (shown.returncode, shown.stdout) == (0, f"tenure {tenure.__version__}\n")


def test_what_a_notebook_shows_is_one_line_each(tmp_path):
    lines = ("customer_id occurred_at order_id amount", "ana 2024-01-05 1 9")
    write_csv(Workspace(tmp_path).raw("shop") / "order_lines.csv", *lines)
    session = tenure.open_run("shop", workspace=str(tmp_path))
    assert repr(session) == f"<Session shop as of its last day, manual run {session.run_id}>"
    assert repr(session.staged) == f"<StagedSource shop: 1 tables, 1 rows, {session.staged.fingerprint}>"
    assert repr(session.snapshots) == "<Snapshots of shop as of 2024-01-06, built by duckdb>"
    dated = tenure.open_run("shop", workspace=str(tmp_path), as_of="2024-01-06", quick=True)
    assert repr(dated) == f"<Session shop as of 2024-01-06, quick, manual run {dated.run_id}>"

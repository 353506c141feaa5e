"""Running a notebook: what it leaves, and what is said when it fails."""

import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from traceback import format_exception

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from tables import write_csv
from tenure.core.errors import AsOfError, RunError, UsageError
from tenure.core.workspace import Workspace
from tenure.runs.notebooks import execute
from tenure.runs.warm_kernels import ForkedKernel, ForkingKernelManager


def place_one_order(folder):
    lines = ("customer_id occurred_at order_id quantity amount", "ana 2024-01-05 1 1 9")
    write_csv(Workspace(folder).raw("shop") / "order_lines.csv", *lines)
    return folder


def make_endless(folder):
    """Give its source a mapping that takes hours to compute."""
    query = (
        "SELECT * REPLACE (amount + (SELECT sum(range % 7) FROM range(1000000000000)) AS amount) FROM 'order_lines.csv'"
    )
    (Workspace(folder).raw("shop") / "source.toml").write_text(f'[order_lines]\nquery = """{query}"""\n')
    return folder


@pytest.fixture
def shop(tmp_path):
    """A shop of one order: enough to open, too small for anything else."""
    return place_one_order(tmp_path)


@pytest.fixture
def endless(shop):
    """The same shop, that nobody has staged by tomorrow."""
    return make_endless(shop)


def a_kernel_at_work():
    """Wait for a kernel of this process to be in the middle of its work: it is forked by one of its children."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for nursery in psutil.Process().children():
            for kernel in nursery.children():
                with suppress(psutil.Error):
                    if kernel.cpu_times().user > 2:
                        return kernel
        time.sleep(0.02)
    raise TimeoutError("no kernel was at work within two minutes")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """One kernel killed at its work, as the system does when memory runs out. => message, seconds until it came, ports it had listened on"""
    folder, seen = make_endless(place_one_order(tmp_path_factory.mktemp("killed"))), []

    def look_and_kill():
        kernel = a_kernel_at_work()
        ports = [one for one in kernel.net_connections("inet") if one.status == psutil.CONN_LISTEN]
        kernel.kill()
        seen.extend((ports, time.monotonic()))

    killer = threading.Thread(target=look_and_kill)
    killer.start()
    with pytest.raises(RunError) as told:
        execute("01_ingest", {"source": "shop", "workspace": str(folder)}, folder / "out.ipynb", folder)
    killer.join()
    ports, killed_at = seen
    return str(told.value), time.monotonic() - killed_at, ports


def test_a_killed_kernel_is_told_as_that_and_at_once(killed):
    message, seconds, _ = killed
    assert re.search("01_ingest: its kernel was killed, most likely because memory.*TENURE_MEMORY", message)
    assert seconds < 5


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels start as Jupyter starts them")
def test_a_kernel_is_spoken_to_over_no_port_so_two_runs_cannot_take_the_same(killed):
    _, _, ports = killed
    # One is left, which a kernel finds itself: what the processes it starts print comes in there.
    assert len(ports) < 2


def test_kernels_are_forked_from_one_process_and_a_new_one_is_made_where_that_has_ended(shop):
    def nurseries():
        execute("01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)
        return [child for child in psutil.Process().children() if "nursery.py" in " ".join(child.cmdline())]

    (first,) = nurseries()
    assert nurseries() == [first]
    first.kill()
    first.wait(10)
    (second,) = nurseries()
    assert second != first


def test_the_process_stays_in_its_folder_while_a_notebook_is_at_work_in_another(shop):
    before, seen = Path.cwd(), set()
    step = "01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop
    work = threading.Thread(target=execute, args=step)
    work.start()
    while work.is_alive():
        seen.add(Path.cwd())
        work.join(0.01)
    assert seen == {before} and (shop / "out.ipynb").is_file()


def test_a_kernel_has_the_environment_and_the_folder_of_this_moment(shop, monkeypatch):
    """Not those of the moment in which the process it is forked from began."""
    execute("01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)
    monkeypatch.setenv("TENURE_MEMORY", "a lot")
    with pytest.raises(UsageError, match="02_features: TENURE_MEMORY 'a lot' is no amount of memory"):
        execute("02_features", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)


def test_no_kernel_outlives_the_process_it_was_forked_from(endless):
    ended = []

    def end_the_nursery():
        kernel = a_kernel_at_work()
        kernel.parent().kill()
        ended.extend(psutil.wait_procs([kernel], timeout=10)[0])

    killer = threading.Thread(target=end_the_nursery)
    killer.start()
    with pytest.raises(RunError, match="01_ingest: its kernel was killed"):
        execute("01_ingest", {"source": "shop", "workspace": str(endless)}, endless / "out.ipynb", endless)
    killer.join()
    assert ended


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels start as Jupyter starts them")
def test_a_kernel_ends_by_itself_with_its_files_written_and_its_exit_handlers_run(tmp_path, monkeypatch):
    kernels, left_open, at_exit = [], tmp_path / "left_open", tmp_path / "at_exit"

    class Noted(ForkedKernel):
        def __init__(self, *made_of):
            super().__init__(*made_of)
            kernels.append(self)

    monkeypatch.setattr("tenure.runs.warm_kernels.ForkedKernel", Noted)
    monkeypatch.setattr(ForkingKernelManager, "shutdown_wait_time", 60)  # however busy the machine is
    cells = (
        f"file = open({str(left_open)!r}, 'w'); _ = file.write('kept')",
        f"import atexit, pathlib; _ = atexit.register(pathlib.Path({str(at_exit)!r}).write_text, 'kept')",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_manager_class=ForkingKernelManager).execute()
    assert [kernel.returncode for kernel in kernels] == [0], "no signal ended it"
    assert left_open.read_text() == at_exit.read_text() == "kept"


def test_a_failing_cell_is_told_in_its_own_words(shop):
    given = {"source": "shop", "as_of": "2030-01-01", "workspace": str(shop)}
    match = "01_ingest: As-of 2030-01-01: the last fact of shop is of 2024-01-05"
    with pytest.raises(AsOfError, match=match) as raised:
        execute("01_ingest", given, shop / "out.ipynb", shop)
    assert raised.value.exit_code == 2
    # What --debug prints below the message.
    shown = "".join(format_exception(raised.value))
    assert shown.index(match) < shown.index("In cell ") < shown.index("in check_as_of(staged, as_of)")
    assert "\x1b" not in shown


def test_a_run_that_is_not_there_is_refused_with_those_there_are(shop):
    with pytest.raises(RunError, match="Run '../elsewhere' of shop is not in .* Found: none. Leave 'run' empty"):
        execute(
            "01_ingest", {"source": "shop", "run": "../elsewhere", "workspace": str(shop)}, shop / "out.ipynb", shop
        )


def test_temporary_files_of_a_run_stand_where_the_next_writer_removes_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    workspace = Workspace(tmp_path / "shop")
    workspace.data.mkdir(parents=True)
    with workspace.temporary_files("shop"):
        child = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        shown = subprocess.run(child, capture_output=True, text=True, check=True).stdout.strip()
        assert shown == tempfile.gettempdir()
        assert Path(shown).match(f"{workspace.data}/{workspace.scratch_prefix('shop')}*")
    assert tempfile.gettempdir() == str(tmp_path) and not list(workspace.data.iterdir())


def test_a_password_of_the_environment_stays_out_of_the_executed_notebook(shop, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "2024-01-06")
    execute("01_ingest", {"source": "shop", "workspace": str(shop)}, shop / "out.ipynb", shop)
    assert "as of ***" in (shop / "out.ipynb").read_text(encoding="utf-8")


SERVE_NOBODY = """
import sys
from tenure.runs import nursery
nursery._TO_PRELOAD.clear()
nursery._status = lambda pid: None
nursery.serve(int(sys.argv[1]))
"""


def test_a_nursery_whose_run_was_killed_before_its_answer_ends_without_a_word():
    ours, theirs = Pipe()
    ours.send({"status_of": 1})
    ours.close()
    with theirs:
        command = [sys.executable, "-c", SERVE_NOBODY, str(theirs.fileno())]
        done = subprocess.run(
            command, pass_fds=[theirs.fileno()], capture_output=True, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_builds_no_grammar_of_internet_addresses_before_its_first_notebook(tmp_path):
    """It took seven seconds of every command: whatever imports nbformat before us brings it back."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom tenure.core.errors import UsageError\n"
        "from tenure.runs.notebooks import execute\n"
        f"try:\n    execute('01_ingest', {{'sorce': 'shop'}}, Path({str(tmp_path)!r}, 'out.ipynb'), Path({str(tmp_path)!r}))\n"
        "except UsageError:\n    sys.exit('lark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

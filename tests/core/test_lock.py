"""One writer per workspace and source, and what a killed one leaves."""

import shutil
import subprocess
import sys
import threading
import time

import psutil
import pytest

from tables import write_csv
from tenure.core.atomic_files import finish_replacements, replaced_folder
from tenure.core.errors import LockedError
from tenure.core.lock import Holder, sole_writer
from tenure.core.workspace import Workspace
from tenure.steps.opening import open_run, writes

HOLD = """
import sys, time
from tenure.core.lock import sole_writer
from tenure.core.workspace import Workspace
with sole_writer(Workspace.locate(sys.argv[1]), "shop", "tenure run shop"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of 'shop'."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_refused_and_told_who_the_first_is(tmp_path, holder):
    with (
        pytest.raises(LockedError, match=rf"'tenure run shop' is at work \(process {holder.pid} on .*, since 20"),
        sole_writer(Workspace(tmp_path), "shop", "tenure score shop"),
    ):
        pass


def test_a_writer_that_waits_is_told_for_whom_and_begins_once_the_other_has_ended(tmp_path, holder):
    told = []
    ending = threading.Timer(0.5, holder.kill)
    ending.start()
    with sole_writer(
        Workspace(tmp_path), "shop", "tenure score shop", wait_seconds=30, on_wait=told.append
    ) as was_killed:
        assert holder.poll() is not None and was_killed
    assert len(told) == 1 and told[0].startswith(f"'tenure run shop' is at work (process {holder.pid} on ")


def test_a_writer_that_waited_in_vain_is_refused(tmp_path, holder):
    began = time.monotonic()
    with (
        pytest.raises(LockedError, match="'tenure run shop' is at work"),
        sole_writer(Workspace(tmp_path), "shop", "tenure score shop", wait_seconds=0.3),
    ):
        pass
    assert time.monotonic() - began >= 0.3 and holder.poll() is None


@pytest.mark.parametrize("command", [["promote", "shop-lapse", "1"], ["rollback", "shop-lapse"]])
def test_no_champion_moves_beside_a_writer(tmp_path, holder, command):
    refused = subprocess.run(
        [sys.executable, "-m", "tenure", *command, "--workspace", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1 and "'tenure run shop' is at work" in refused.stderr


def test_another_source_is_not_locked(tmp_path, holder):
    with sole_writer(Workspace(tmp_path), "other", "tenure run other") as was_killed:
        assert not was_killed


def test_a_killed_holder_sets_the_lock_free_and_its_leftovers_are_cleaned_up(tmp_path, holder):
    reports = tmp_path / "reports" / "shop"
    (reports / ".2026-01-01.0a1b2c3d.old").mkdir(parents=True)
    (reports / ".2026-01-01.0a1b2c3d.old" / "index.html").write_text("as it was")
    (reports / ".2026-01-01.4e5f6a7b.new").mkdir()
    (tmp_path / "data" / ".scratch-shop.x").mkdir()
    (tmp_path / "data" / ".scratch-shop-2.x").mkdir()
    holder.kill()
    holder.wait()
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop") as was_killed:
        assert was_killed
    assert [path.name for path in reports.iterdir()] == ["2026-01-01"]
    assert (reports / "2026-01-01" / "index.html").read_text() == "as it was"
    assert not (tmp_path / "data" / ".scratch-shop.x").exists() and (tmp_path / "data" / ".scratch-shop-2.x").exists()


def test_a_block_that_ends_or_fails_gives_the_lock_back(tmp_path):
    with pytest.raises(KeyError), sole_writer(Workspace(tmp_path), "shop", "tenure run shop"):
        raise KeyError
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop") as was_killed:
        assert not was_killed


def test_what_a_killed_kernel_left_goes_with_the_run_that_started_it(tmp_path):
    workspace = Workspace(tmp_path)
    names = (
        "data/.scratch-shop.x",
        "data/.scratch-other.x",
        "data/snapshots/shop/tenure-x",
        "reports/shop/.2025-01-01.x.new",
        "data/identities/shop/events/.seen.parquet.x.new",
        "data/decisions/source=shop/as_of=2025-01-01/.scheduled-000001.parquet.x.new",
    )
    scratch, others, spilled, half, seen, decided = (tmp_path / name for name in names)
    with pytest.raises(RuntimeError), sole_writer(workspace, "shop", "tenure run shop"):
        for folder in (scratch, others, spilled, half, seen, decided):
            folder.mkdir(parents=True)
        raise RuntimeError("a kernel was killed")
    left = [path.exists() for path in (scratch, others, spilled, half, seen, decided)]
    assert left == [False, True, False, False, False, False]


def test_a_kernel_that_outlives_its_killed_run_is_ended(tmp_path, holder):
    orphan = subprocess.Popen(["sleep", "60"], env={"JPY_PARENT_PID": str(holder.pid), "PATH": "/usr/bin:/bin"})
    holder.kill()
    holder.wait()
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop"):
        orphan.wait(timeout=10)  # raises if it still sleeps
    assert orphan.returncode is not None


def test_the_kernels_of_a_living_run_are_left_alone_by_a_copy_of_its_workspace(tmp_path, holder):
    """A backup taken in the middle of a run holds the run's name too."""
    kernel = subprocess.Popen(["sleep", "60"], env={"JPY_PARENT_PID": str(holder.pid), "PATH": "/usr/bin:/bin"})
    copy = Workspace(tmp_path.with_name(f"{tmp_path.name}-copy"))
    shutil.copytree(tmp_path, copy.root)
    try:
        with sole_writer(copy, "shop", "tenure score shop") as was_killed:
            assert was_killed, "in the copy nobody goes on with what the run began"
        assert kernel.poll() is None and holder.poll() is None
    finally:
        kernel.kill()
        kernel.wait()


def test_a_kernel_is_ended_although_its_killed_run_was_not_reaped(tmp_path, holder):
    orphan = subprocess.Popen(["sleep", "60"], env={"JPY_PARENT_PID": str(holder.pid), "PATH": "/usr/bin:/bin"})
    holder.kill()
    while psutil.Process(holder.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop"):
        orphan.wait(timeout=10)  # raises if it still sleeps
    assert orphan.returncode is not None


def test_a_kernel_still_being_loaded_when_its_run_was_killed_is_ended(tmp_path, holder, monkeypatch):
    """Linux shows no environment of a program until it is loaded."""
    kernel = subprocess.Popen(["sleep", "60"], env={"JPY_PARENT_PID": str(holder.pid), "PATH": "/usr/bin:/bin"})
    shown, looks = psutil.Process.environ, iter(range(1000))
    monkeypatch.setattr(
        psutil.Process,
        "environ",
        lambda process: {} if process.pid == kernel.pid and next(looks) < 3 else shown(process),
    )
    holder.kill()
    holder.wait()
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop"):
        kernel.wait(timeout=10)  # raises if it still sleeps
    assert kernel.returncode is not None


def test_a_finished_folder_is_not_replaced_by_one_moved_aside(tmp_path):
    for name, text in (("shop", "new"), (".shop.00000000.old", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(text)
    finish_replacements(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"] and (tmp_path / "shop" / "text").read_text() == "new"


def test_a_replacement_that_fails_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "shop").mkdir()
    with pytest.raises(KeyError), replaced_folder(tmp_path / "shop") as fresh:
        (fresh / "half").write_text("written")
        raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["shop"]


OPEN = """
import sys
from tenure import build_snapshots, open_run
build_snapshots(open_run("shop", workspace=sys.argv[1]), ["lapse"])
print("built")
"""


def test_a_notebook_run_by_hand_gives_way_to_a_writer_and_writes_under_its_parents_lock(tmp_path, holder):
    lines = ("customer_id occurred_at order_id amount", "ana 2024-01-05 1 9")
    write_csv(Workspace(tmp_path).raw("shop") / "order_lines.csv", *lines)

    def by_hand():
        return subprocess.run([sys.executable, "-c", OPEN, str(tmp_path)], capture_output=True, text=True, check=False)

    refused = by_hand()
    assert "LockedError" in refused.stderr and "'tenure run shop' is at work" in refused.stderr
    assert not (tmp_path / "data/staged").exists()
    holder.kill()
    holder.wait()
    with sole_writer(Workspace(tmp_path), "shop", "tenure run shop"):
        assert by_hand().stdout == "built\n"
    assert by_hand().stdout == "built\n"


def test_a_step_holds_the_lock_while_it_works_and_not_before_or_after(tmp_path):
    lines = ("customer_id occurred_at order_id amount", "ana 2024-01-05 1 9")
    write_csv(Workspace(tmp_path).raw("shop") / "order_lines.csv", *lines)
    run = open_run("shop", workspace=str(tmp_path))

    @writes
    def describe(run):
        return Holder.read(run.workspace.lock("shop")).doing

    _ = run.staged
    assert Holder.read(run.workspace.lock("shop")) is None
    assert describe(run) == "describe shop"
    assert Holder.read(run.workspace.lock("shop")) is None


def test_a_block_within_the_block_holds_the_same_lock(tmp_path):
    workspace = Workspace(tmp_path)
    with sole_writer(workspace, "shop", "tenure run shop"):
        with sole_writer(workspace, "shop", "staging shop"):
            pass
        assert Holder.read(workspace.lock("shop")).doing == "tenure run shop"
    assert Holder.read(workspace.lock("shop")) is None

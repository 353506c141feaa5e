"""Kill a demo run at random moments (kill -9), repeat it, and compare with a run that was never interrupted.

    python benchmarks/kills.py --kills 200 --in-a-row 4 --minutes 120

Each company is a fresh copy; its run is killed, and its repeats are killed again until so many kills in a row were done. The repeat
after the last must end with byte-identical scored tables, one version per content and the same champions, no MLflow run left open,
no lock held, nothing temporary left and no process of the killed runs alive. A repeat that ends before its moment comes counts as
no kill. It ends after so many kills or minutes, whichever comes first.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tenure.demo import generate_demo
from tenure.errors import LockedError
from tenure.lock import sole_writer
from tenure.models.registry import Registry
from tenure.workspace import Workspace


def start(workspace: Workspace, targets: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tenure",
        "run",
        "demo",
        "--quick",
        "--targets",
        targets,
        "--workspace",
        str(workspace.root),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, told = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(f"a run failed: {told.decode()}")


def killed(process: subprocess.Popen[bytes], moment: float) -> bool:
    """Kill a run at its moment; False when it had ended before."""
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    finish(process)
    return False


def champions(workspace: Workspace) -> dict[str, str | None]:
    registry = Registry(workspace)
    return {name: registry.champion(name) for name in registry.model_names()}


def orphans(workspace: Workspace) -> list[str]:
    """Name the processes, kernels mostly, that still work on a workspace."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd() == str(workspace.root):
                found.append(f"process {process.pid} is still at work")
        except (psutil.Error, OSError):
            continue
    return found


def scored(workspace: Workspace) -> dict[str, bytes]:
    (folder,) = [path for path in (workspace.root / "reports" / "demo").iterdir() if not path.name.startswith(".")]
    return {path.name: path.read_bytes() for path in folder.glob("*.[cp][sa]*") if path.suffix in (".csv", ".parquet")}


def problems(workspace: Workspace, expected: dict[str, bytes], expected_champions: dict[str, str | None]) -> list[str]:
    found = orphans(workspace)
    if champions(workspace) != expected_champions:
        found.append("champions differ")
    if scored(workspace) != expected:
        found.append("scored tables differ")
    registry = Registry(workspace)
    for name in registry.model_names():
        fingerprints = [row["tags"]["tenure.fingerprint"] for row in registry.versions(name)]
        if len(set(fingerprints)) < len(fingerprints):
            found.append(f"{name}: a content registered twice")
    if registry.end_interrupted("demo"):
        found.append("an MLflow run was left open")
    left = [path for path in workspace.root.rglob(".*") if path.name.endswith((".new", ".old", ".building"))]
    left += [path for path in workspace.data.glob(".scratch-*")]
    found += [f"left behind: {path.relative_to(workspace.root)}" for path in left]
    try:
        with sole_writer(workspace, "demo", "benchmark") as was_killed:
            found += ["the lock names a dead holder"] if was_killed else []
    except LockedError:
        found.append("the lock is held")
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=30)
    arguments.add_argument("--in-a-row", type=int, default=1, help="kills of one company's run and its repeats")
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--customers", type=int, default=600)
    arguments.add_argument("--targets", default="lapse")
    given = arguments.parse_args()
    moments = random.Random(given.seed)
    bad = done = 0
    with tempfile.TemporaryDirectory() as scratch:
        company, whole = Workspace(Path(scratch) / "company"), Workspace(Path(scratch) / "whole")
        generate_demo(company.raw("demo"), company.truth("demo"), customers=given.customers)
        shutil.copytree(company.root, whole.root)
        began = time.monotonic()
        finish(start(whole, given.targets))
        seconds, expected = time.monotonic() - began, scored(whole)
        expected_champions = champions(whole)
        print(f"never interrupted: {seconds:.0f} s, {', '.join(sorted(expected))}", flush=True)
        end = time.monotonic() + 60 * given.minutes
        while done < given.kills and time.monotonic() < end:
            workspace = Workspace(Path(scratch) / "killed")
            shutil.copytree(company.root, workspace.root)
            told = []
            for place in range(given.in_a_row):
                # A repeat has less to do than a first run: its moment is drawn from half the time.
                moment = moments.uniform(0, seconds / (2 if place else 1))
                if not killed(start(workspace, given.targets), moment):
                    break
                told.append(f"{moment:.1f}")
            finish(start(workspace, given.targets))
            done += len(told)
            found = problems(workspace, expected, expected_champions)
            bad += bool(found)
            print(
                f"{done:>4}  killed after {', '.join(told)} s: {'; '.join(found) or 'as if never interrupted'}",
                flush=True,
            )
            shutil.rmtree(workspace.root)
    print(
        f"{done} kills over runs of {given.customers} customers ({given.targets}, quick): {bad} companies with a problem"
    )
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()

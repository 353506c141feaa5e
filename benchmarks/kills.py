"""Kill a demo company's runs at random moments, repeat them, and compare with a company that was never interrupted.

A company is trained and scored (`run`, two targets), run again on that day for a third (`add`), scored a month later (`score`) and
backfilled for two months (`backfill`). Each of these is killed (kill -9), its repeats are killed again, several times in a row; the repeat after the last is let
through. Moments are drawn evenly over the processor seconds an uninterrupted one takes (for repeats, which have less to do, over a share of
them), so that what else the machine does moves none. A third of the kills ends the command alone (its kernels live on), a third
the command and its kernels, as a power cut does, and a third one kernel alone, as a full memory does: then the command itself must end with one message.

After the last repeat: scored tables equal byte for byte; the ledger equal but for run and time; the same champions, each content
registered once, each version with its model on disk, each training with its notebook in MLflow; no MLflow run open, no lock held, nothing temporary, no process at work. A repeat that ends before its
moment counts as no kill. It ends after so many kills or minutes, whichever comes first.
Usage: python benchmarks/kills.py [--kills N] [--in-a-row N] [--minutes N] [--at-once N] [--seed N] [--customers N] [--base FOLDER] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import duckdb
import psutil
from results import machine, table, write_section

from tenure.core.errors import LockedError
from tenure.core.lock import sole_writer
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.models.registry.registry import Registry

DAY = ["--as-of", "2025-12-01", "--targets"]
COMMANDS = {
    "run": ["run", "demo", "--quick", *DAY, "churn,lapse"],
    "add": ["run", "demo", "--quick", *DAY, "upsell"],
    "score": ["score", "demo", "--as-of", "2026-01-01"],
    "backfill": ["backfill", "demo", "--quick", "--from", "2025-11-01", "--to", "2025-12-01", "--targets", "lapse"],
}
WAYS = ("the command", "the command and its kernels", "a kernel")
LEDGER = """SELECT CAST(COLUMNS(* EXCLUDE (run_id, scored_at)) AS VARCHAR)
FROM read_parquet('{}/source=demo/**/*.parquet', hive_partitioning = true) ORDER BY ALL"""
# The repeat of a killed one has less to do.
SHARES_OF_REPEATS = (0.2, 0.3, 0.4, 0.7)
TEMPORARY = (
    "**/.*.new",
    "**/.*.old",
    "**/.*.building",
    "**/.*-journal",
    "data/.scratch-*",
    "**/.spill-*",
    "**/.begun*",
    "data/snapshots/**/tenure-*",
)


class Failed(Exception):
    """A command that was not killed did not end well, or a killed kernel was not reported."""


@dataclass(frozen=True)
class Kill:
    """``moment`` in processor seconds, then a ``pause``; ``which`` of the kernels, from 0 to 1, where one is killed alone."""

    moment: float
    way: str
    pause: float
    which: float


def start(workspace: Workspace, act: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tenure", *COMMANDS[act], "--workspace", str(workspace.root)]
    # Into a file: kernels that live on would hold a pipe open.
    with (workspace.root / "told.txt").open("wb") as told:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)


def told(workspace: Workspace) -> str:
    return (workspace.root / "told.txt").read_text(encoding="utf-8", errors="replace").strip()


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Give a command's process and the kernels it started."""
    with suppress(psutil.Error):
        own = psutil.Process(process.pid)
        return [own, *own.children(recursive=True)]
    return []


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Count what a command and its kernels, those at work and those that ended, have used so far."""
    used = 0.0
    for member in family(process):
        with suppress(psutil.Error):
            used += sum(member.cpu_times()[:4])
    return used


def let_through(workspace: Workspace, act: str) -> float:
    """Run a command to its end; return the processor seconds it took."""
    process, seconds = start(workspace, act), 0.0
    end = time.monotonic() + 1800
    while process.poll() is None:
        seconds = max(seconds, processor_seconds(process))
        if time.monotonic() > end:
            process.kill()
            raise Failed("not done in half an hour")
        time.sleep(0.5)
    if process.returncode:
        raise Failed(f"exit {process.returncode}: {told(workspace)[-600:]}")
    return seconds


def was_killed(workspace: Workspace, act: str, kill: Kill) -> str:
    """Start a command and kill it at its moment; tell in which way, or nothing where it had ended before."""
    process = start(workspace, act)
    while process.poll() is None and processor_seconds(process) < kill.moment:
        time.sleep(0.25)
    time.sleep(kill.pause)
    own, *kernels = family(process) or [None]
    if process.poll() is not None or own is None:
        process.wait()
        if process.returncode:
            raise Failed(f"exit {process.returncode}: {told(workspace)[-600:]}")
        return ""
    if kill.way == WAYS[2] and kernels:
        with suppress(psutil.Error):
            kernels[int(kill.which * len(kernels))].kill()
        process.wait(timeout=600)
        # The kernel may have done its work already, and died of nothing.
        if process.returncode not in (0, 1) or "Traceback" in told(workspace):
            raise Failed(f"a killed kernel: exit {process.returncode}: {told(workspace)[-600:]}")
        return WAYS[2]
    process.kill()
    for member in kernels if kill.way == WAYS[1] else []:
        with suppress(psutil.Error):
            member.kill()
    process.wait()
    return WAYS[1] if kernels and kill.way == WAYS[1] else WAYS[0]


def champions(workspace: Workspace) -> dict[str, str | None]:
    registry = Registry(workspace)
    return {name: registry.champion(name) for name in registry.model_names()}


def orphans(workspace: Workspace) -> list[str]:
    """Name the processes, kernels mostly, that still work on a workspace."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.cwd() == str(workspace.root):
                found.append(f"process {process.pid} is still at work")
    return found


def scored(workspace: Workspace) -> dict[str, bytes]:
    """Read every scored table, of runs and of backfills."""
    reports = workspace.root / "reports" / "demo"
    found = [path for ending in ("csv", "parquet") for path in reports.rglob(f"*.{ending}")]
    kept = (path for path in found if not any(part.startswith(".") for part in path.relative_to(reports).parts))
    return {str(path.relative_to(reports)): path.read_bytes() for path in kept}


def ledger(workspace: Workspace) -> list[tuple]:
    return duckdb.sql(LEDGER.format(workspace.scores)).fetchall()


@dataclass(frozen=True)
class Whole:
    """What a company comes to that was never interrupted."""

    champions: dict[str, str | None]
    scored: dict[str, bytes]
    ledger: list[tuple]
    notebooks: set[str]

    @classmethod
    def of(cls, workspace: Workspace) -> Whole:
        attached = {path.name for path in workspace.mlruns.rglob("*.ipynb")}
        return cls(champions(workspace), scored(workspace), ledger(workspace), attached)


def problems(workspace: Workspace, expected: Whole) -> list[str]:
    found, own = orphans(workspace), Whole.of(workspace)
    if own.champions != expected.champions:
        found.append(f"champions differ: {own.champions}, expected {expected.champions}")
    for name in sorted(own.scored.keys() | expected.scored.keys()):
        if own.scored.get(name) != expected.scored.get(name):
            found.append(f"{name} differs")
    if own.ledger != expected.ledger:
        found.append(f"the ledger differs: {len(own.ledger)} rows, expected {len(expected.ledger)}")
    if own.notebooks != expected.notebooks:
        found.append(f"notebooks in MLflow: {sorted(own.notebooks)}, expected {sorted(expected.notebooks)}")
    registry = Registry(workspace)
    for name in registry.model_names():
        versions = registry.versions(name)
        if len({row.fingerprint for row in versions}) < len(versions):
            found.append(f"{name}: a content registered twice")
        for row in versions:
            try:
                registry.load(name, row.version)
            except Exception as error:
                found.append(f"{name} {row.version} does not load: {error}")
    if registry.end_interrupted("demo"):
        found.append("an MLflow run was left open")
    left = {path for pattern in TEMPORARY for path in workspace.root.glob(pattern)}
    found += [f"left behind: {path.relative_to(workspace.root)}" for path in sorted(left)]
    try:
        with sole_writer(workspace, "demo", "benchmark") as names_a_dead_one:
            found += ["the lock names a dead holder"] if names_a_dead_one else []
    except LockedError:
        found.append("the lock is held")
    return found


@dataclass(frozen=True)
class Lived:
    """What one company went through: kills as (command, way), told in ``line``; what was found wrong at its end."""

    number: int
    kills: list[tuple[str, str]]
    line: str
    wrong: list[str]


def one_company(
    number: int, base: Path, seconds: dict[str, float], expected: Whole, given: argparse.Namespace
) -> Lived:
    """Kill and repeat each command of a fresh copy of the company; the same seed and number, the same moments."""
    drawn = random.Random(f"{given.seed}-{number}")
    kills, lines = [], []
    # A folder of its own: MLflow keeps a store open by its address.
    with tempfile.TemporaryDirectory(prefix=f"company-{number}-", ignore_cleanup_errors=True) as scratch:
        workspace = Workspace(Path(scratch) / "killed")
        shutil.copytree(base / "company", workspace.root)
        try:
            for act in COMMANDS:
                times = given.in_a_row if act == "run" else max(1, given.in_a_row // 4)
                moments = one_act(workspace, act, seconds[act], times, drawn)
                kills += [(act, way) for _, way in moments]
                lines.append(f"{act} {', '.join(f'{moment:.1f} {way}' for moment, way in moments) or 'let through'}")
                let_through(workspace, act)
            wrong = problems(workspace, expected)
        except (Failed, subprocess.TimeoutExpired) as failure:
            wrong = [str(failure)]
        if wrong and given.keep:
            shutil.copytree(workspace.root, given.keep / f"seed-{given.seed}-company-{number}", dirs_exist_ok=True)
    return Lived(number, kills, "; ".join(lines), wrong)


def one_act(
    workspace: Workspace, act: str, seconds: float, times: int, drawn: random.Random
) -> list[tuple[float, str]]:
    """Kill a command and its repeats, so many times or until one has ended before. => moment, way"""
    done = []
    for place in range(times):
        share = SHARES_OF_REPEATS[place % len(SHARES_OF_REPEATS) - 1] if place else 1
        kill = Kill(drawn.uniform(0, share * seconds), drawn.choice(WAYS), drawn.uniform(0, 0.4), drawn.random())
        way = was_killed(workspace, act, kill)
        if not way:
            break
        done.append((kill.moment, way))
    return done


def never_interrupted(base: Path, customers: int) -> tuple[dict[str, float], Whole]:
    """Make the company and run it to its end, unless that was done in this folder. => seconds of the processor by command, what it came to"""
    company, whole, took = Workspace(base / "company"), Workspace(base / "whole"), base / "seconds.json"
    if not took.is_file():
        generate_demo(company.raw("demo"), company.truth("demo"), customers=customers)
        shutil.copytree(company.root, whole.root)
        took.write_text(json.dumps({act: let_through(whole, act) for act in COMMANDS}), encoding="utf-8")
    return json.loads(took.read_text(encoding="utf-8")), Whole.of(whole)


def soak(base: Path, given: argparse.Namespace) -> str:
    """Try company after company, some side by side. => what was done and found"""
    seconds, expected = never_interrupted(base, given.customers)
    print(f"never interrupted: {seconds}; {len(expected.scored)} tables, {expected.champions}", flush=True)
    end, lived, begun = time.monotonic() + 60 * given.minutes, list[Lived](), 0
    with ProcessPoolExecutor(given.at_once, mp_context=get_context("spawn")) as pool:
        at_work: set[Future[Lived]] = set()

        def is_to_go_on() -> bool:
            return sum(len(one.kills) for one in lived) < given.kills and time.monotonic() < end

        while at_work or is_to_go_on():
            while len(at_work) < given.at_once and is_to_go_on():
                begun += 1
                at_work.add(pool.submit(one_company, begun, base, seconds, expected, given))
            done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            for one in (each.result() for each in done):
                lived.append(one)
                print(f"{one.number:>3}  {one.line}: {'; '.join(one.wrong) or 'as if never interrupted'}", flush=True)
    return told_of(lived, seconds, given)


def told_of(lived: Sequence[Lived], seconds: dict[str, float], given: argparse.Namespace) -> str:
    kills = Counter(kill for one in lived for kill in one.kills)
    rows = [(act, *(str(kills[act, way]) for way in WAYS)) for act in COMMANDS]
    wrong = "\n".join(f"- company {one.number}: {problem}" for one in lived for problem in one.wrong)
    took = ", ".join(f"{act} {used:.0f}" for act, used in seconds.items())
    return (
        f"{kills.total()} kills over {len(lived)} companies of {given.customers:,} customers (quick; seed {given.seed}); "
        f"uninterrupted, in seconds of the processor: {took}. {sum(bool(one.wrong) for one in lived)} companies with a problem.\n\n"
        f"{table(('killed', *WAYS), rows)}\n\n{wrong or 'No company differed in anything from one never interrupted.'}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--in-a-row", type=int, default=12, help="kills of one company's run and its repeats")
    arguments.add_argument("--minutes", type=float, default=120)
    arguments.add_argument("--at-once", type=int, default=1, help="companies side by side")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--customers", type=int, default=1200)
    arguments.add_argument(
        "--base", type=Path, help="folder of the company never interrupted: made where it is not there, used again"
    )
    arguments.add_argument("--keep", type=Path, help="folder for the companies that differed")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        told = soak(given.base or Path(scratch), given)
    text = f"{str(__doc__).split(chr(10) + 'Usage')[0]}\n\n{told}\n\n{machine('duckdb', 'mlflow', 'lightgbm')}"
    write_section("Kills", text)
    print(told)
    sys.exit(" 0 companies with a problem" not in told)


if __name__ == "__main__":
    main()

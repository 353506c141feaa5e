"""Kill a demo company's runs at random moments, repeat them, and compare with a company that was never interrupted.

A company is trained and scored (`run`, three targets), scored a month later (`score`) and backfilled for two months
(`backfill`). Each of these is killed (kill -9), its repeats are killed again, several times in a row; the repeat after the last is let
through. Moments are drawn evenly over the processor seconds an uninterrupted one takes (for repeats, which have less to do, over a share of
them), so that what else the machine does moves none. A third of the kills ends the command alone (its kernels live on), a third
the command and its kernels, as a power cut does, and a third one kernel alone, as a full memory does: then the command itself must end with one message.

After the last repeat: scored tables equal byte for byte; the ledger equal but for run and time; the same champions, each content
registered once, each version with its model on disk; no MLflow run open, no lock held, nothing temporary, no process at work. A repeat that ends before its
moment counts as no kill. It ends after so many kills or minutes, whichever comes first.
Usage: python benchmarks/kills.py [--kills N] [--in-a-row N] [--minutes N] [--seed N] [--customers N] [--base FOLDER] [--keep FOLDER]
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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil
from results import machine, table, write_section

from tenure.demo import generate_demo
from tenure.errors import LockedError
from tenure.lock import sole_writer
from tenure.models.registry import Registry
from tenure.workspace import Workspace

TARGETS = "churn,lapse,upsell"
COMMANDS = {
    "run": ["run", "demo", "--quick", "--as-of", "2025-12-01", "--targets", TARGETS],
    "score": ["score", "demo", "--as-of", "2026-01-01"],
    "backfill": ["backfill", "demo", "--quick", "--from", "2025-11-01", "--to", "2025-12-01", "--targets", "lapse"],
}
WAYS = ("the command", "the command and its kernels", "a kernel")
LEDGER = """SELECT * EXCLUDE (run_id, scored_at) FROM read_parquet('{}/source=demo/**/*.parquet', hive_partitioning = true)
ORDER BY target, as_of, run_kind, customer_id"""
# The repeat of a killed one has less to do, and one in four comes far.
SHARES_OF_REPEATS = (0.15, 0.15, 0.15, 0.6)
TEMPORARY = (
    "**/.*.new",
    "**/.*.old",
    "**/.*.building",
    "**/.*-journal",
    "data/.scratch-*",
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


def at_work(workspace: Workspace) -> list[str]:
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

    @classmethod
    def of(cls, workspace: Workspace) -> Whole:
        return cls(champions(workspace), scored(workspace), ledger(workspace))


def problems(workspace: Workspace, expected: Whole) -> list[str]:
    found, own = at_work(workspace), Whole.of(workspace)
    if own.champions != expected.champions:
        found.append(f"champions differ: {own.champions}, expected {expected.champions}")
    for name in sorted(own.scored.keys() | expected.scored.keys()):
        if own.scored.get(name) != expected.scored.get(name):
            found.append(f"{name} differs")
    if own.ledger != expected.ledger:
        found.append(f"the ledger differs: {len(own.ledger)} rows, expected {len(expected.ledger)}")
    registry = Registry(workspace)
    for name in registry.model_names():
        versions = registry.versions(name)
        if len({row["tags"]["tenure.fingerprint"] for row in versions}) < len(versions):
            found.append(f"{name}: a content registered twice")
        for row in versions:
            try:
                registry.load(name, row["version"])
            except Exception as error:
                found.append(f"{name} {row['version']} does not load: {error}")
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


class Soak:
    """Company after company, and what was counted."""

    def __init__(self, scratch: Path, given: argparse.Namespace) -> None:
        self.given, self.drawn = given, random.Random(given.seed)
        self.kills: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self.companies = 0
        base = given.base or scratch
        self.company, whole, self.killed = (
            Workspace(base / "company"),
            Workspace(base / "whole"),
            Workspace(scratch / "killed"),
        )
        took = base / "seconds.json"
        if not took.is_file():
            generate_demo(self.company.raw("demo"), self.company.truth("demo"), customers=given.customers)
            shutil.copytree(self.company.root, whole.root)
            took.write_text(json.dumps({act: let_through(whole, act) for act in COMMANDS}), encoding="utf-8")
        self.seconds: dict[str, float] = json.loads(took.read_text(encoding="utf-8"))
        self.expected = Whole.of(whole)
        print(
            f"never interrupted, seconds of the processor: {self.seconds}; {len(self.expected.scored)} tables, {self.expected.champions}",
            flush=True,
        )

    @property
    def done(self) -> int:
        return self.kills.total()

    def one_company(self) -> None:
        shutil.copytree(self.company.root, self.killed.root)
        self.companies += 1
        lines = []
        try:
            for act in COMMANDS:
                lines.append(f"{act} {', '.join(self.one_act(act)) or 'let through'}")
                let_through(self.killed, act)
            found = problems(self.killed, self.expected)
        except (Failed, subprocess.TimeoutExpired) as failure:
            found = [str(failure)]
        self.wrong += [f"company {self.companies} (seed {self.given.seed}): {problem}" for problem in found]
        print(f"{self.done:>4}  {'; '.join(lines)}: {'; '.join(found) or 'as if never interrupted'}", flush=True)
        if found and self.given.keep:
            shutil.copytree(self.killed.root, self.given.keep / f"company-{self.companies}")
        shutil.rmtree(self.killed.root)

    def one_act(self, act: str) -> list[str]:
        """Kill a command and its repeats; tell when each was killed."""
        moments = []
        for place in range(self.given.in_a_row if act == "run" else max(1, self.given.in_a_row // 4)):
            share = SHARES_OF_REPEATS[place % 4 - 1] if place else 1
            moment = self.drawn.uniform(0, share * self.seconds[act])
            kill = Kill(moment, self.drawn.choice(WAYS), self.drawn.uniform(0, 0.4), self.drawn.random())
            way = was_killed(self.killed, act, kill)
            if not way:
                break
            self.kills[act, way] += 1
            moments.append(f"{kill.moment:.1f} {way}")
        return moments

    def summary(self) -> str:
        rows = [(act, *(str(self.kills[act, way]) for way in WAYS)) for act in COMMANDS]
        found = (
            "\n".join(f"- {line}" for line in self.wrong)
            or "No company differed in anything from one never interrupted."
        )
        took = ", ".join(f"{act} {seconds:.0f}" for act, seconds in self.seconds.items())
        return (
            f"{self.done} kills over {self.companies} companies of {self.given.customers:,} customers ({TARGETS}, quick; seed {self.given.seed}); "
            f"uninterrupted, in seconds of the processor: {took}. {len({line.split(':')[0] for line in self.wrong})} companies with a problem.\n\n"
            f"{table(('killed', *WAYS), rows)}\n\n{found}"
        )


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kills", type=int, default=200)
    arguments.add_argument("--in-a-row", type=int, default=16, help="kills of one company's run and its repeats")
    arguments.add_argument("--minutes", type=float, default=120)
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--customers", type=int, default=1200)
    arguments.add_argument(
        "--base", type=Path, help="folder of the company never interrupted: made where it is not there, used again"
    )
    arguments.add_argument("--keep", type=Path, help="folder for the companies that differed")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        soak, end = Soak(Path(scratch), given), time.monotonic() + 60 * given.minutes
        while soak.done < given.kills and time.monotonic() < end:
            soak.one_company()
    text = (
        f"{str(__doc__).split(chr(10) + 'Usage')[0]}\n\n{soak.summary()}\n\n{machine('duckdb', 'mlflow', 'lightgbm')}"
    )
    write_section("Kills", text)
    print(soak.summary())
    sys.exit(bool(soak.wrong))


if __name__ == "__main__":
    main()

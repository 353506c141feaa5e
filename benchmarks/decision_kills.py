"""Kill a shop's decisions, approvals and measurements at random moments, repeat them, and compare with ones never interrupted.

The shop was scored on two days, and decided on, on the first. A trial takes a fresh copy of it as it is before `decide`,
`decisions approve --all` or `measure` of the second day, kills that command (kill -9 to its process group; in half of the
trials to its kernels as well, else they live on) and repeats it to its end. Half of the moments lie evenly over the
processor seconds of one never interrupted, half in the time in which it writes.

At once after the kill every file of the ledger, and each that leaves the house, is as it was before or as it will be
in the end, or absent. After the repeat they all are as if never interrupted, but for clock times; nothing temporary is left.
One that had ended before its moment counts as no kill.
Usage: python benchmarks/decision_kills.py [--kills N] [--minutes N] [--seed N] [--acts decide,approve,measure] [--base FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pandas as pd
import psutil
import pyarrow.parquet as pq
from kills import TEMPORARY, Failed, family, orphans, processor_seconds, told
from results import machine, table, write_section

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.steps.run_record import RunRecord, outputs_of

FIRST, SECOND = "2025-05-01", "2025-09-01"
USED = ("customers", "order_lines", "payments", "contacts")
ACTS = {
    "decide": ["decide", "shop", "--as-of", SECOND],
    "approve": ["decisions", "approve", "shop", "--all", "--as-of", SECOND],
    "measure": ["measure", "shop", "--as-of", SECOND],
}
BEFORE_THEM = (
    ["run", "shop", "--quick", "--targets", "lapse", "--as-of", FIRST],
    ["score", "shop", "--as-of", SECOND],
)
MAPPING = 'name = "shop"\ncurrency = "EUR"\n'
POLICY = """
[decisions]
hold_out = 0.2
explore = 0.05
explore_total = 0.1
budget = 60.0
at_most = { 7 = 2 }

[channels.email]
cost = 0.02

[channels.phone]
cost = 1.0
per_day = 40

[actions.keep]
says = "Ten percent off"
moves = "lapse"
when = "lapse_decile <= 6"
channels = ["email"]
effect = 0.2

[actions.call]
says = "A call"
moves = "lapse"
when = "lapse_decile <= 4"
channels = ["phone"]
effect = 0.4
tier = "approve"
expires_after = 60

[actions.failed]
says = "Your payment failed"
on = { table = "payments", expression = "count(*) filter (where status = 'failed') > 0", days = 30 }
expires_after = 30
service = true
channels = ["email"]
"""
# The clock is in these; of when something may be sent, the day is compared.
CLOCK, CLOCK_BUT_FOR_THE_DAY = ("decided_at", "at"), ("send_from", "send_until")
OUT = ("actions/*.csv", "audiences/*.csv", "queue.csv", "campaigns.json")
PHASES = ("before the writing", "during it", "after it", "had ended")


def start(workspace: Workspace, command: list[str]) -> subprocess.Popen[bytes]:
    whole = [sys.executable, "-m", "tenure", *command, "--workspace", str(workspace.root)]
    with (workspace.root / "told.txt").open("wb") as said:
        return subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True)


def let_through(workspace: Workspace, command: list[str]) -> None:
    process = start(workspace, command)
    if process.wait(timeout=1800):
        raise Failed(f"exit {process.returncode}: {told(workspace)[-600:]}")


def names(workspace: Workspace) -> set[tuple[Path, int]]:
    """Name every file of the ledger, half-written ones included, with when it was written: the first change begins the writing."""
    found = set()
    for path in workspace.decisions_of("shop").rglob("*"):
        with suppress(FileNotFoundError):
            found.add((path, path.stat().st_mtime_ns))
    return found


def digest(path: Path) -> str:
    """Digest a whole file but for its clock times; what cannot be read says so."""
    try:
        if path.suffix == ".json":
            return sha256(json.dumps(json.loads(path.read_bytes()), sort_keys=True).encode()).hexdigest()
        if path.suffix == ".csv":
            rows, own = pd.read_csv(path, dtype=str, keep_default_na=False), ""
        else:
            stored = pq.ParquetFile(path).read()
            made = {name: text for name, text in (stored.schema.metadata or {}).items() if name != b"pandas"}
            rows, own = stored.to_pandas(), repr(sorted(made.items()))
    except FileNotFoundError:
        return ""
    except Exception as error:
        return f"{path.name} is half-written: {type(error).__name__} {error}"
    rows = rows.drop(columns=[name for name in CLOCK if name in rows])
    for name in CLOCK_BUT_FOR_THE_DAY:
        if name in rows:
            rows[name] = rows[name].astype(str).str[:10]
    lines = [repr(row) for row in rows.itertuples(index=False)]
    lines = sorted(lines) if path.parent.name == "arrivals" else lines  # their order says nothing
    return sha256("\n".join([own, *rows.columns, *lines]).encode()).hexdigest()


def left(workspace: Workspace) -> dict[str, str]:
    """Digest all that a command leaves: the ledger with its events, arrivals, hold-out and effects, and what leaves the house."""
    ledger, folder = workspace.decisions_of("shop"), workspace.reports("shop", SECOND)
    found = [path for path in ledger.rglob("*") if path.suffix in (".parquet", ".json")]
    found += [path for pattern in OUT for path in folder.glob(pattern)]
    digests = {str(path.relative_to(workspace.root)): digest(path) for path in found}
    return {name: text for name, text in digests.items() if text}


@dataclass(frozen=True)
class Whole:
    """What a command comes to that is never interrupted; its processor seconds, in all and from its first writing on."""

    before: dict[str, str]
    after: dict[str, str]
    processor: float
    writing: float

    @property
    def changed(self) -> set[str]:
        return {name for name in self.after if self.after[name] != self.before.get(name)}

    def phase(self, found: dict[str, str]) -> str:
        done = sum(found.get(name) == self.after[name] for name in self.changed)
        return PHASES[0] if not done else PHASES[2] if done == len(self.changed) else PHASES[1]


def never_interrupted(workspace: Workspace, act: str) -> Whole:
    """Run a command to its end, and watch it."""
    before, known, used = left(workspace), names(workspace), 0.0
    began: float | None = None
    process = start(workspace, ACTS[act])
    while process.poll() is None:
        used = max(used, processor_seconds(process))
        if began is None and names(workspace) != known:
            began = used
        time.sleep(0.02)
    if process.returncode:
        raise Failed(f"{act}: exit {process.returncode}: {told(workspace)[-600:]}")
    return Whole(before, left(workspace), used, used - (used if began is None else began))


def make(base: Path) -> dict[str, Whole]:
    """Make the shop as it is before each command, in folders of these names, and what each comes to."""
    ready = Workspace(base / "ready")
    if not ready.root.is_dir():
        making = Workspace(base / "making")
        shutil.rmtree(making.root, ignore_errors=True)
        generate_demo(making.raw("shop"), making.truth("shop"), customers=700, months=21)
        for path in making.raw("shop").glob("*.parquet"):
            if path.stem not in USED:
                path.unlink()
        (making.raw("shop") / "source.toml").write_text(MAPPING, encoding="utf-8")
        for command in BEFORE_THEM:
            let_through(making, command)
        (making.raw("shop") / "source.toml").write_text(MAPPING + POLICY, encoding="utf-8")
        let_through(making, ["decide", "shop", "--as-of", FIRST])
        making.root.rename(ready.root)
    found, now = {}, ready.root
    for act in ACTS:
        shutil.rmtree(base / act, ignore_errors=True)
        shutil.copytree(now, base / act)
        now = base / f"after-{act}"
        shutil.rmtree(now, ignore_errors=True)
        shutil.copytree(base / act, now)
        found[act] = never_interrupted(Workspace(now), act)
        changed = [name.rpartition("source=shop/")[2] for name in sorted(found[act].changed)]
        print(f"{act}: {found[act].processor:.1f} s of the processor, {found[act].writing:.1f} s of them from the first writing on; {changed}", flush=True)  # fmt: skip
    return found


def killed(workspace: Workspace, act: str, whole: Whole, drawn: random.Random) -> bool:
    """Start a command and kill it at a moment drawn; False where it had ended before."""
    is_aimed, with_kernels, share = drawn.random() < 0.5, drawn.random() < 0.5, drawn.random()
    known, process = names(workspace), start(workspace, ACTS[act])
    moment = None if is_aimed else share * whole.processor
    while process.poll() is None:
        if moment is None and names(workspace) != known:
            moment = processor_seconds(process) + share * whole.writing
        if moment is not None and processor_seconds(process) >= moment:
            break
        time.sleep(0.005 if moment is None else 0.02)
    _, *kernels = family(process) or [None]
    if process.poll() is not None:
        return False
    os.killpg(process.pid, signal.SIGKILL)
    for kernel in kernels if with_kernels else []:
        with suppress(psutil.Error):
            kernel.kill()
    process.wait()
    return True


def half_written(found: dict[str, str], whole: Whole) -> list[str]:
    """Name each file that is neither as it was before nor as it will be."""
    return [
        f"at once: {name} is neither as before nor as after ({text[:90]})"
        for name, text in found.items()
        if text not in (whole.before.get(name), whole.after.get(name))
    ]


def problems(workspace: Workspace, whole: Whole) -> list[str]:
    found, wrong = left(workspace), []
    for name in sorted(found.keys() | whole.after.keys()):
        if found.get(name) != whole.after.get(name):
            wrong.append(f"after the repeat: {name} {'differs' if name in found else 'is not there'}")
    record = RunRecord.open(workspace.reports("shop", SECOND))
    if not record.is_sealed or record.document["outputs"] != outputs_of(record.folder):
        wrong.append("run.json does not say what its folder holds")
    temporary = {path for pattern in TEMPORARY for path in workspace.root.glob(pattern)}
    wrong += [f"left behind: {path.relative_to(workspace.root)}" for path in sorted(temporary)]
    return wrong + orphans(workspace)


def trial(number: int, act: str, base: Path, whole: Whole, seed: int) -> tuple[str, list[str]]:
    """Kill and repeat a command on a fresh copy. => when it was killed, what is wrong"""
    drawn = random.Random(f"{seed}-{number}")
    with tempfile.TemporaryDirectory(prefix=f"shop-{number}-", ignore_cleanup_errors=True) as scratch:
        workspace = Workspace(Path(scratch).resolve() / "shop")
        shutil.copytree(base / act, workspace.root)
        if not killed(workspace, act, whole, drawn):
            return PHASES[3], problems(workspace, whole)
        found = left(workspace)
        wrong = half_written(found, whole)
        try:
            let_through(workspace, ACTS[act])
            wrong += problems(workspace, whole)
        except (Failed, subprocess.TimeoutExpired) as failure:
            wrong.append(f"the repeat: {failure}")
        return whole.phase(found), wrong


def soak(base: Path, given: argparse.Namespace) -> tuple[str, int]:
    """Try in turn each command. => what was done and found, how many differed"""
    wholes, end = make(base), time.monotonic() + 60 * given.minutes
    acts, phases, identical, wrong = given.acts.split(","), Counter[tuple[str, str]](), Counter[str](), list[str]()
    number = differed = 0
    while phases.total() - ended(phases) < given.kills and time.monotonic() < end:
        number, act = number + 1, acts[number % len(acts)]
        phase, found = trial(number, act, base, wholes[act], given.seed)
        phases[act, phase] += 1
        identical[act] += phase != PHASES[3] and not found
        differed += bool(found)
        wrong += [f"- trial {number}, {act}, killed {phase}: {problem}" for problem in found]
        print(f"{number:>3}  {act:<8} {phase:<18} {'; '.join(found) or 'as if never interrupted'}", flush=True)
    kills = phases.total() - ended(phases)
    rows = [
        (act, *(str(phases[act, phase]) for phase in PHASES), f"{identical[act]} of {sum(phases[act, p] for p in PHASES[:3])}")
        for act in acts
    ]  # fmt: skip
    text = (
        f"{identical.total()} of {kills} identical (seed {given.seed}).\n\n"
        f"{table(('command', *PHASES, 'identical'), rows)}\n\n{chr(10).join(wrong) or 'No file was half-written.'}"
    )
    return text, differed


def ended(phases: Counter[tuple[str, str]]) -> int:
    """Count the trials that ended before their moment: they are no kill."""
    return sum(count for (_, phase), count in phases.items() if phase == PHASES[3])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=180)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--acts", default=",".join(ACTS))
    parser.add_argument("--base", type=Path, help="folder of the shop: made where it is not there, used again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        text, differed = soak((given.base or Path(scratch)).resolve(), given)
    print(text)
    write_section("Decisions killed", f"{str(__doc__).split(chr(10) + 'Usage')[0]}\n\n{text}\n\n{machine('duckdb')}")
    return int(differed > 0)


if __name__ == "__main__":
    sys.exit(main())

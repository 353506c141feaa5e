"""Whole runs, as a user starts them: seconds and memory of each step; what a repeat, a month more, a new day and a backfill cost beside it.

Each run is the command itself in a fresh workspace. Memory is the most that the run and its kernels held together (PSS, so that
what forked kernels share counts once). A backfill is compared with as many whole runs of their own.
The large shop is drawn: each customer buys at a pace of their own until they leave, a dozen lines on average.
Usage: python benchmarks/runs.py [--parts PART ...] [--customers N] [--days N] [--large N]; parts: runs, large, backfill (all unless named), each a section of
RESULTS.md. Public data from TENURE_TEST_DATA (default ../shared/data).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import psutil
from results import machine, table, write_section

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.sources.fetch import fetch_source

SECTIONS = {"runs": "Whole runs", "large": "Whole runs: a large shop", "backfill": "Whole runs: past days"}
HEAD = ("command", "seconds", "times the first of its table", "CPU seconds", "GiB at most", "longest steps (s)")
MONTHS = 24
SHOP = "online_retail"
# Looking costs the watched something: more often would be a load of its own.
WATCHED_EVERY = 1.0
LARGE = """
COPY (SELECT printf('c%07d', i) AS customer_id, TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * (24 * day + hash(n, i) % 24) AS occurred_at,
      printf('o%d-%d', i, n) AS order_id, printf('p%d', hash(i + n) % 50) AS product_id, 1 AS quantity, 5 + hash(i * n) % 60 AS amount
      FROM (SELECT i, n, start + n * gap + hash(i * 31 + n) % gap AS day, least(700, start + 60 + hash(i * 13) % 900) AS leaves
            FROM (SELECT i, 12 + hash(i) % 60 AS gap, hash(i * 7) % 400 AS start FROM range({customers}) c(i)), range(50) l(n))
      WHERE day < leaves) TO '{path}' (FORMAT parquet)"""
LARGE_DAY = "2025-12-01"


@dataclass(frozen=True)
class Measured:
    """One command: seconds of the clock and of the processor, GiB at most, seconds of each step it executed."""

    seconds: float
    processor: float
    gibibytes: float
    steps: dict[str, float]

    def row(self, what: str, beside: float) -> tuple[str, ...]:
        longest = sorted(self.steps.items(), key=lambda step: -step[1])[:4]
        told = ", ".join(f"{name} {seconds:.1f}" for name, seconds in longest) or "nothing executed"
        return (
            what,
            f"{self.seconds:.1f}",
            f"{self.seconds / beside:.2f}",
            f"{self.processor:.0f}",
            f"{self.gibibytes:.2f}",
            told,
        )


def tenure(workspace: Workspace, *arguments: str) -> Measured:
    command = [sys.executable, "-m", "tenure", *arguments, "--workspace", str(workspace.root)]
    began, started = time.time(), time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most, processor = 0, dict[int, float]()
    while process.poll() is None:
        most = max(most, look(psutil.Process(process.pid), processor))
        time.sleep(WATCHED_EVERY)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {process.stderr.read().decode() if process.stderr else ''}")
    return Measured(seconds, sum(processor.values()), most / 2**30, steps(workspace, arguments, began))


def look(process: psutil.Process, processor: dict[int, float]) -> int:
    """Note the processor seconds of a process and all below it; return the bytes they hold, what they share counted once."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            used = member.cpu_times()
            processor[member.pid] = used.user + used.system
            total += member.memory_full_info().pss
        except (psutil.Error, OSError):
            continue
    return total


def steps(workspace: Workspace, arguments: tuple[str, ...], began: float) -> dict[str, float]:
    if arguments[0] == "backfill":
        return {}
    last = max(workspace.reports_of(arguments[1]).glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    if last.stat().st_mtime < began:
        return {}
    return {step["name"]: step["seconds"] for step in json.loads(last.read_text(encoding="utf-8"))["timings"]}


def demo(workspace: Workspace, customers: int, months: int = MONTHS) -> None:
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=customers, months=months)


def large(scratch: Path, customers: int) -> list[tuple[str, ...]]:
    workspace = Workspace(scratch / "large")
    workspace.raw("large").mkdir(parents=True)
    path = workspace.raw("large") / "order_lines.parquet"
    duckdb.execute(LARGE.format(customers=customers, path=path))
    lines = duckdb.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
    run = tenure(workspace, "run", "large", "--as-of", LARGE_DAY)
    score = tenure(workspace, "score", "large", "--as-of", "2025-12-02")
    return [
        run.row(f"run, {customers:,} customers, {lines:,} order lines", run.seconds),
        score.row("score, a day later", run.seconds),
    ]


def first_of_months(last: date, count: int) -> list[date]:
    """The first days of so many months, the last one last."""
    months = [last.year * 12 + last.month - 1 - back for back in range(count)]
    return [date(month // 12, month % 12 + 1, 1) for month in reversed(months)]


def runs(scratch: Path, customers: int) -> list[tuple[str, ...]]:
    grown, shop = Workspace(scratch / "grown"), Workspace(scratch / "shop")
    demo(grown, customers, MONTHS - 1)
    first = tenure(grown, "run", "demo")
    rows = [first.row(f"run demo, {customers:,} customers, {MONTHS - 1} months", first.seconds)]
    rows.append(tenure(grown, "run", "demo").row("the same again", first.seconds))
    demo(grown, customers)
    rows.append(tenure(grown, "run", "demo").row("run demo, a month later in the same workspace", first.seconds))
    demo(grown, customers, MONTHS + 1)
    rows.append(tenure(grown, "score", "demo", "--as-of", "2026-01-02").row("score demo, the day after", first.seconds))
    fetch_source(shop, SHOP, Path(os.environ.get("TENURE_TEST_DATA", "../shared/data")) / SHOP)
    fresh = tenure(shop, "run", SHOP)
    rows.append(fresh.row(f"run {SHOP}", first.seconds))
    return rows


def backfills(scratch: Path, customers: int, days: int) -> list[list[tuple[str, ...]]]:
    """Backfills of so many days, a month and a day apart, each beside runs of their own of its first and last day, scaled."""
    last = date(2026, 1, 1)
    spans = {
        "month": first_of_months(last, days),
        "day": [last - timedelta(days=back) for back in reversed(range(days))],
    }
    alone = dict[date, Measured]()
    for asked in spans.values():
        for day in {asked[0], asked[-1]} - set(alone):
            workspace = Workspace(scratch / f"alone-{day}")
            demo(workspace, customers)
            alone[day] = tenure(workspace, "run", "demo", "--as-of", str(day))
    return [backfill(scratch, customers, unit, asked, alone) for unit, asked in spans.items()]


def backfill(
    scratch: Path, customers: int, unit: str, asked: list[date], alone: dict[date, Measured]
) -> list[tuple[str, ...]]:
    workspace = Workspace(scratch / f"backfill-{unit}")
    demo(workspace, customers)
    span = ("--from", str(asked[0]), "--to", str(asked[-1]), "--every", f"1{unit}")
    filled = tenure(workspace, "backfill", "demo", *span)
    singles = [single for day, single in alone.items() if day in asked]
    scale = len(asked) / len(singles)
    whole = scale * sum(single.seconds for single in singles)
    return [
        (*filled.row(f"backfill demo, {len(asked)} days a {unit} apart", whole)[:-1], ""),
        (
            f"{len(asked)} runs of their own ({len(singles)} run, scaled)", f"{whole:.1f}", "1.00",
            f"{scale * sum(s.processor for s in singles):.0f}", f"{max(s.gibibytes for s in singles):.2f}", "",
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--large", type=int, default=1_000_000)
    asked = parser.parse_args()
    if min(asked.customers, asked.days, asked.large) < 1:
        parser.error("--customers, --days and --large count from 1")
    about = (__doc__ or "").split("Usage")[0].strip()
    for part in asked.parts:
        with TemporaryDirectory() as folder:
            if part == "runs":
                tables = [table(HEAD, runs(Path(folder), asked.customers))]
            elif part == "large":
                tables = [table(HEAD, large(Path(folder), asked.large))]
            else:
                head = (*HEAD[:2], "times runs of their own", *HEAD[3:])
                tables = [table(head, rows) for rows in backfills(Path(folder), asked.customers, asked.days)]
        shown = "\n\n".join(tables)
        said = f"{about}\n\n{shown}\n\nOne round. {machine('duckdb', 'lightgbm', 'mlflow', 'papermill')}"
        print(said, flush=True)
        write_section(SECTIONS[part], said)


if __name__ == "__main__":
    main()

"""60 features at six cutoffs from generated order lines: Tenure against pandas, streaming Polars, Featuretools and getML FastProp.

Facts are drawn at random over two years, 100 a customer, and lie in no order; one in twenty is known up to ten days late.
Each way runs in a process of its own on the same Parquet file, one after the other, several times (medians); times include
reading the file and writing the features, not the imports. Tenure also finds out who is asked and writes one sorted file per
cutoff. Values are compared cell by cell. Where others
use the machine, seconds of the processor (CPU) say more than those of the clock (getML's engine is a process of its own, not
counted). Featuretools and getML get a share of customers, and facts that are known at once (they
know no second date); ratios are per row of the result, against Tenure on that same share and on all. Neither bears pandas 3: install them
apart (pip install --target FOLDER featuretools getml polars) and name the folder.
Usage: python benchmarks/features.py [--events N] [--runs N] [--share-events N] [--direct] [--growth] [--most-events N] [--peers FOLDER]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from feature_ways import FEATURES, WINDOWS
from results import machine, table, write_section

EVENTS_PER_CUSTOMER = 100
PEERS = ("polars", "featuretools", "getml")
ONCE = ("tenure_direct",)  # slow, and no rival
# Tenure is told to keep to this; the engine keeps to half.
MEMORY = "3GiB"


def generate(folder: Path, events: int, *, late: bool = True) -> Path:
    """Write so many order lines as a staged table; the same seed, the same facts."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "order_lines.parquet"
    drawn = ", ".join(f"hash(range * {2 * n + 3} + {n}) AS h{n}" for n in range(6))
    lag = "CASE WHEN h5 % 20 = 0 THEN 1 + (h5 // 20) % 10 ELSE 0 END" if late else "0"
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET memory_limit = '2GB'")
        connection.execute(
            f"""COPY (SELECT 'c' || lpad(CAST(h1 % {events // EVENTS_PER_CUSTOMER} AS VARCHAR), 8, '0') AS customer_id, occurred_at,
            occurred_at + to_days(CAST({lag} AS INTEGER)) AS known_at, 'o' || (range // 3) AS order_id,
            'p' || lpad(CAST(CAST(floor(2000 * pow((h2 % 1000003) / 1000003.0, 3)) AS INTEGER) AS VARCHAR), 4, '0') AS product_id,
            CAST(CASE WHEN h3 % 25 = 0 THEN -1 ELSE 1 + h3 % 3 END AS DECIMAL(18, 4)) AS quantity,
            CAST((CASE WHEN h3 % 25 = 0 THEN -1 ELSE 1 END) * (1 + h4 % 20000) / 100.0 AS DECIMAL(18, 4)) AS amount,
            CAST(CASE WHEN h4 % 4 = 0 THEN (h4 % 500) / 100.0 END AS DECIMAL(18, 4)) AS discount,
            ['web', 'shop', 'app', 'phone'][CAST(1 + (h5 >> 7) % 4 AS INTEGER)] AS channel
            FROM (SELECT *, TIMESTAMP '2023-01-01' + to_seconds(CAST(h0 % (730 * 86400) AS BIGINT)) AS occurred_at
            FROM (SELECT range, {drawn} FROM range({events})))) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
        )
    return path


def timed(way: str, facts: Path, out: Path, peers: str) -> dict:
    """Run one way in its own process. => seconds, peak (GiB); or failed: why"""
    source = Path(__file__).parents[1] / "src"
    paths = [peers] if way in PEERS and peers else [str(source)]
    environment = (
        {"TENURE_MEMORY": MEMORY} | os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    )
    command = [sys.executable, str(Path(__file__).with_name("feature_ways.py")), way, str(facts), str(out)]
    subprocess.run(["rm", "-rf", str(out)], check=True)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": "not done in half an hour"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1][:160]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def medians(ways: dict[str, Path], facts: Path, peers: str, runs: int) -> dict[str, dict]:
    """Run the ways in turn, so many rounds: what else loads the machine falls on all of them. => way: median seconds and CPU seconds, peak GiB"""
    found: dict[str, list[dict]] = {way: [] for way in ways}
    for number in range(runs):
        for way, out in ways.items():
            if number == 0 or (way not in ONCE and "failed" not in found[way][-1]):
                found[way].append(timed(way, facts, out, peers))
                print(f"  {number + 1}. {way:<14} {found[way][-1]}", flush=True)
    return {way: _median(done) for way, done in found.items()}


def _median(runs: list[dict]) -> dict:
    if "failed" in runs[-1]:
        return runs[-1]
    middle = {what: statistics.median(run[what] for run in runs) for what in ("seconds", "cpu")}
    return middle | {"peak": max(run["peak"] for run in runs)}


def differing(found: Path, expected: Path) -> int:
    """Count cells that differ beyond 1e-6 of their value, over all customers and cutoffs of the expected table.

    No row, an empty window and a sum of nothing are told apart by some ways only: unknown and zero count as equal.
    """
    names = [f"{name}_{window}d" for window in WINDOWS for name in FEATURES]
    wrong = " + ".join(
        f"count(*) FILTER (abs(coalesce(e.{n}, 0) - coalesce(CASE WHEN isnan(CAST(f.{n} AS DOUBLE)) THEN 0 ELSE CAST(f.{n} AS DOUBLE) END, 0)) "
        f"> 1e-6 * greatest(1, abs(coalesce(e.{n}, 0))))"
        for n in names
    )
    query = (
        f"SELECT {wrong} FROM '{expected}/*.parquet' e LEFT JOIN '{found}' f "
        "ON f.customer_id = e.customer_id AND CAST(f.cutoff AS DATE) = e.cutoff"
    )
    return int(duckdb.sql(query).fetchall()[0][0])


def rows_of(path: Path) -> int:
    return int(duckdb.sql(f"SELECT count(*) FROM '{path}/*.parquet'").fetchall()[0][0])


def compare(folder: Path, events: int, ways: tuple[str, ...], asked: argparse.Namespace, *, late: bool) -> list[tuple]:
    """Time the ways on the same facts, Tenure first. => way, seconds, GiB, rows a second, Tenure's times as fast, cells that differ"""
    facts = generate(folder / f"{events}-{late}", events, late=late)
    print(f"{events:,} events", flush=True)
    outs = {way: folder / (way if way.startswith("tenure") else f"{way}.parquet") for way in ("tenure", *ways)}
    took = medians(outs, facts, asked.peers, asked.runs)
    own = took.pop("tenure")
    if "failed" in own:
        raise SystemExit(f"Tenure failed: {own['failed']}")
    rows = rows_of(folder / "tenure")
    lines = [
        (
            "Tenure",
            f"{own['seconds']:.1f}",
            f"{own['peak']:.2f}",
            f"{own['cpu']:.1f}",
            f"{rows / own['seconds']:,.0f}",
            "1",
            "1",
            "-",
        )
    ]
    for way, found in took.items():
        out = outs[way]
        if "failed" in found:
            lines.append((way, f"did not run: {found['failed']}", *"------"))
            continue
        if way in ("reading", "getml"):
            cells = "not compared" if way == "getml" else "-"
        else:
            cells = f"{differing(out / '*.parquet' if way == 'tenure_direct' else out, folder / 'tenure'):,}"
        ratios = [f"{found[what] / own[what]:.2f}" for what in ("seconds", "cpu")]
        if way == "getml":
            found["cpu"], found["peak"], ratios[1] = float("nan"), float("nan"), "-"
        lines.append(
            (
                way,
                f"{found['seconds']:.1f}",
                f"{found['peak']:.2f}",
                f"{found['cpu']:.1f}",
                f"{rows / found['seconds']:,.0f}",
                *ratios,
                cells,
            )
        )
    facts.unlink()
    return lines


def growth(folder: Path, sizes: tuple[int, ...], asked: argparse.Namespace) -> list[tuple]:
    lines, first = [], None
    for events in sizes:
        facts = generate(folder / f"growth-{events}", events)
        found = medians({"tenure": folder / "grown"}, facts, asked.peers, asked.runs)["tenure"]
        facts.unlink()
        if "failed" in found:
            lines.append((f"{events:,}", f"did not run: {found['failed']}", *"----"))
            continue
        first = first or (events, found["seconds"])
        each = found["seconds"] / events
        lines.append(
            (
                f"{events:,}", f"{found['seconds']:.1f}", f"{found['peak']:.2f}",
                f"{found['cpu']:.1f}", f"{found['seconds'] / first[1]:.2f} times for {events / first[0]:.0f} times the data", f"{each * 1e6:.2f}",
            )
        )  # fmt: skip
    return lines


def peer_versions(folder: str) -> str:
    """Name the peers found in the folder, or in the environment, with their versions."""
    found = distributions(path=[folder]) if folder else distributions()
    return ", ".join(sorted(f"{peer.name} {peer.version}" for peer in found if peer.name in PEERS)) or "none installed"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--share-events", type=int, default=2_000_000, help="for Featuretools and getML")
    parser.add_argument(
        "--most-events", type=int, default=0, help="with --growth, also so many: 100000000 takes minutes"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--direct", action="store_true", help="also without buckets: many times as long")
    parser.add_argument("--growth", action="store_true", help="instead: Tenure at 1, 2, 4 and 8 eighths of the events")
    parser.add_argument("--peers", default="", help="folder in which Polars, Featuretools and getML are installed")
    asked = parser.parse_args()
    head = (
        "way",
        "seconds",
        "GiB at most",
        "CPU seconds",
        "rows a second",
        "times Tenure's seconds",
        "times its CPU seconds",
        "cells that differ",
    )
    protocol = str(__doc__).split("\nUsage")[0]
    with TemporaryDirectory() as name:
        folder = Path(name)
        if not asked.growth:
            ways = ("reading", *(("tenure_direct",) if asked.direct else ()), "pandas", "polars")
            lines = compare(folder, asked.events, ways, asked, late=True)
            text = f"{protocol}\n\n{asked.events:,} events, {asked.events // EVENTS_PER_CUSTOMER:,} customers:\n\n{table(head, lines)}"
            lines = compare(folder, asked.share_events, ("featuretools", "getml"), asked, late=False)
            text += f"\n\n{asked.share_events:,} events, each known at once:\n\n{table(head, lines)}"
            name = "Features"
        else:
            sizes = tuple(asked.events // 8 * times for times in (1, 2, 4, 8)) + tuple(
                filter(None, [asked.most_events])
            )
            head = ("events", "seconds", "GiB at most", "CPU seconds", "growth", "microseconds an event")
            text = f"Tenure alone, as above.\n\n{table(head, growth(folder, sizes, asked))}"
            name = "Features: growth"
    text += f"\n\n{asked.runs} round(s), TENURE_MEMORY={os.environ.get('TENURE_MEMORY', MEMORY)}. "
    text += f"{machine('duckdb', 'numpy', 'pandas')} Peers: {peer_versions(asked.peers)}."
    write_section(name, text)
    print(text)


if __name__ == "__main__":
    main()

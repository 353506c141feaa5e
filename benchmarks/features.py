"""60 features at six cutoffs from generated order lines: Tenure against pandas, streaming Polars, Featuretools and getML FastProp.

Facts are drawn at random over two years, 100 a customer, and lie in no order; one in twenty is known up to ten days late.
Each way runs in a process of its own on the same Parquet file, one after the other, several times (medians); times include
reading the file and writing the features, not the imports. Tenure also finds out who is asked and writes one sorted file per
cutoff. Values are compared cell by cell. Featuretools and getML get a share of customers, and facts that are known at once (they
know no second date); ratios are per row of the result, against Tenure on that same share and on all. Neither bears pandas 3: install them
apart (pip install --target FOLDER featuretools getml polars) and name the folder.
Usage: python benchmarks/features.py [--events N] [--runs N] [--share-events N] [--growth] [--most-events N] [--peers FOLDER]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from feature_ways import FEATURES, WINDOWS
from results import machine, table, write_section

EVENTS_PER_CUSTOMER = 100
PEERS = ("polars", "featuretools", "getml")
FASTEST_RIVALS = ("pandas", "polars")


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
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(Path(__file__).with_name("feature_ways.py")), way, str(facts), str(out)]
    subprocess.run(["rm", "-rf", str(out)], check=True)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": "not done in half an hour"}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["killed"])[-1][:160]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def median(way: str, facts: Path, out: Path, peers: str, runs: int) -> dict:
    found = [timed(way, facts, out, peers) for _ in range(runs)]
    if any("failed" in run for run in found):
        return next(run for run in found if "failed" in run)
    seconds = statistics.median(run["seconds"] for run in found)
    print(f"  {way:<14} {seconds:8.1f} s {max(run['peak'] for run in found):6.2f} GiB", flush=True)
    return {"seconds": seconds, "peak": max(run["peak"] for run in found)}


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
    own = median("tenure", facts, folder / "tenure", asked.peers, asked.runs)
    if "failed" in own:
        raise SystemExit(f"Tenure failed: {own['failed']}")
    rows = rows_of(folder / "tenure")
    lines = [("Tenure", f"{own['seconds']:.1f}", f"{own['peak']:.2f}", f"{rows / own['seconds']:,.0f}", "1", "-")]
    for way in ways:
        out = folder / f"{way}.parquet" if way != "tenure_direct" else folder / way
        found = median(way, facts, out, asked.peers, asked.runs)
        if "failed" in found:
            lines.append((way, f"did not run: {found['failed']}", "-", "-", "-", "-"))
            continue
        if way in ("reading", "getml"):
            cells = "not compared" if way == "getml" else "-"
        else:
            cells = f"{differing(out / '*.parquet' if way == 'tenure_direct' else out, folder / 'tenure'):,}"
        ratio = f"{found['seconds'] / own['seconds']:.2f}"
        lines.append(
            (way, f"{found['seconds']:.1f}", f"{found['peak']:.2f}", f"{rows / found['seconds']:,.0f}", ratio, cells)
        )
    facts.unlink()
    return lines


def growth(folder: Path, sizes: tuple[int, ...], asked: argparse.Namespace) -> list[tuple]:
    lines, first = [], None
    for events in sizes:
        facts = generate(folder / f"growth-{events}", events)
        found = median("tenure", facts, folder / "grown", asked.peers, asked.runs)
        facts.unlink()
        if "failed" in found:
            lines.append((f"{events:,}", f"did not run: {found['failed']}", "-", "-", "-"))
            continue
        first = first or (events, found["seconds"])
        each = found["seconds"] / events
        lines.append(
            (
                f"{events:,}", f"{found['seconds']:.1f}", f"{found['peak']:.2f}",
                f"{found['seconds'] / first[1]:.2f} times for {events / first[0]:.0f} times the data", f"{each * 1e6:.2f}",
            )
        )  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--share-events", type=int, default=2_000_000, help="for Featuretools and getML")
    parser.add_argument(
        "--most-events", type=int, default=0, help="also so many, Tenure alone: 100000000 takes minutes"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="also at 1, 2, 4 and 8 times an eighth of the events")
    parser.add_argument("--peers", default="", help="folder in which Polars, Featuretools and getML are installed")
    asked = parser.parse_args()
    head = ("way", "seconds", "GiB at most", "rows a second", "times as long as Tenure", "cells that differ")
    text = [str(__doc__).split("\nUsage")[0].split("\n", 2)[2]]
    with TemporaryDirectory() as name:
        folder = Path(name)
        lines = compare(folder, asked.events, ("reading", "tenure_direct", *FASTEST_RIVALS), asked, late=True)
        text.append(
            f"{asked.events:,} events, {asked.events // EVENTS_PER_CUSTOMER:,} customers:\n\n{table(head, lines)}"
        )
        if asked.share_events:
            lines = compare(folder, asked.share_events, ("featuretools", "getml"), asked, late=False)
            text.append(f"{asked.share_events:,} events, each known at once:\n\n{table(head, lines)}")
        sizes = tuple(asked.events // 8 * times for times in (1, 2, 4, 8)) if asked.growth else ()
        sizes += (asked.most_events,) if asked.most_events else ()
        if sizes:
            grown = growth(folder, sizes, asked)
            text.append(table(("events", "seconds", "GiB at most", "growth", "microseconds an event"), grown))
    text.append(f"{asked.runs} runs each. {machine('duckdb', 'numpy', 'pandas')}")
    write_section("Features", "\n\n".join(text))
    print("\n\n".join(text))


if __name__ == "__main__":
    main()

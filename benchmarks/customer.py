"""One customer's page: seconds on many customers, against the two seconds (5,000) and five (a million) it may take.

    python benchmarks/customer.py [--customers 5000 1000000]

Facts, snapshot, scores and ledger of a shop are generated straight into a temporary workspace: a million customers need no
training for this. Measured in one process after the imports, the median of five customers; the first is printed too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from tenure.steps.customer import describe_customer, write_customer
from tenure.steps.opening import Session, open_run

LINES_EACH = 12
DAYS = 700
ORDERS = """
COPY (SELECT printf('c%07d', i) AS customer_id, TIMESTAMP '2024-01-01' + INTERVAL 1 MINUTE * (hash(i * 31 + n) % ({days} * 1440)) AS occurred_at,
      printf('o%d-%d', i, n) AS order_id, printf('p%d', hash(i + n) % 50) AS product_id, 1 AS quantity, 5 + hash(i * n) % 60 AS amount
      FROM range({customers}) c(i), range({lines}) l(n)) TO '{path}' (FORMAT parquet)"""
SCORED = """
COPY (SELECT printf('c%07d', i) AS customer_id, '{as_of}' AS as_of, 0.2 AS lapse_propensity, 5 AS lapse_decile, 'run' AS phase
      FROM range({customers}) c(i)) TO '{path}' (FORMAT parquet)"""
LEDGER = """
COPY (SELECT printf('c%07d', i) AS customer_id, 0.2 AS propensity, 5 AS decile, 0.0 AS heuristic_score, '1' AS model_version, 'r' AS run_id,
      'scheduled' AS run_kind, TIMESTAMP '{as_of}' AS scored_at, false AS is_hindsight
      FROM range({customers}) c(i)) TO '{path}' (FORMAT parquet)"""
LEDGER_DAYS = ("2025-06-01", "2025-07-01", "2025-08-01", "2025-09-01", "2025-10-01", "2025-11-01")


def generate(root: Path, customers: int) -> Session:
    """Write a shop, and open it with its scores and six days of the ledger."""
    raw = root / "data" / "raw" / "shop"
    raw.mkdir(parents=True)
    duckdb.execute(ORDERS.format(customers=customers, lines=LINES_EACH, days=DAYS, path=raw / "order_lines.parquet"))
    run = open_run("shop", workspace=str(root))
    run.output.mkdir(parents=True)
    duckdb.execute(SCORED.format(customers=customers, as_of=run.as_of, path=run.output / "scored_customers.parquet"))
    for day in LEDGER_DAYS:
        folder = root / "data" / "scores" / "source=shop" / "target=lapse" / f"as_of={day}"
        folder.mkdir(parents=True)
        duckdb.execute(LEDGER.format(customers=customers, as_of=day, path=folder / "scheduled-0.parquet"))
    return run


def seconds_each(root: Path, customers: int) -> list[float]:
    """Time opening the source, gathering and writing the page, each time anew."""
    taken = []
    for number in (1, customers // 3, customers // 2, customers - 2, 7):
        started = time.perf_counter()
        run = open_run("shop", workspace=str(root))
        write_customer(run, describe_customer(run, f"c{number:07d}"))
        taken.append(time.perf_counter() - started)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, nargs="+", default=[5_000, 1_000_000])
    for customers in parser.parse_args().customers:
        with TemporaryDirectory() as folder:
            generate(Path(folder), customers)
            taken = seconds_each(Path(folder), customers)
            print(
                f"{customers:>9,} customers, {customers * LINES_EACH:>10,} order lines: "
                f"first {taken[0]:.2f} s, median {statistics.median(taken):.2f} s"
            )


if __name__ == "__main__":
    main()

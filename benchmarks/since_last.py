"""Decide on what has arrived: 1,000 failed payments in a new file, among a million customers, from the raw files to the channels.

The company is simulated: payments and orders of two months, scores drawn at random, every customer decided on that
morning. Then a file with the new payments is put beside the others, and ``tenure decide --since last`` is run as a
schedule runs it: it stages, finds whom something has happened to, decides for them alone and writes the channels' files.
A second run, on the same files, must send nothing.
Usage: python benchmarks/since_last.py [--customers N] [--new N]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from results import machine, table, write_section

from tenure.core.workspace import Workspace
from tenure.decisions.ledger import read_decisions, sent
from tenure.scoring.score import STORED_AS

DAY = pd.Timestamp.today().normalize()  # facts age by the clock, so it is the morning of the day it is run on
TOML = """name = "company"
currency = "EUR"
[customers]
from = "customers.parquet"
attributes = { consent_email = "consent_email" }
[payments]
from = "payments*.parquet"
[order_lines]
from = "order_lines.parquet"
[decisions]
budget = 5000
at_most = { 7 = 2 }
[channels.email]
cost = 0.02
[actions.win_back]
says = "Ten percent off the next order"
moves = "lapse"
when = "lapse_decile <= 3"
channels = ["email"]
rest_days = 30
[actions.failed_payment]
says = "Your payment failed: please check your card"
on = { table = "payments", expression = "count(*) filter (where status = 'failed') > 0", days = 1 }
service = true
channels = ["email"]
[actions.tempt]
says = "Something else for you"
on = { table = "payments", expression = "count(*) filter (where status = 'succeeded') > 0", days = 1 }
worth = 1.0
channels = ["email"]
"""


def drawn(random: np.random.Generator, ids: np.ndarray, count: int, first: pd.Timestamp, days: float) -> pd.DataFrame:
    seconds = (random.random(count) * days * 86400).astype("int64")
    return pd.DataFrame(
        {"customer_id": random.choice(ids, count), "occurred_at": first + pd.to_timedelta(seconds, unit="s")}
    )


def found(workspace: Workspace, customers: int, new: int) -> None:
    """Write the raw files and the morning's scores."""
    random = np.random.default_rng(1)
    raw, begin = workspace.raw("company"), DAY - pd.Timedelta(days=60)
    raw.mkdir(parents=True)
    ids = np.array([f"c{number:07d}" for number in range(customers)])
    pd.DataFrame({"customer_id": ids, "occurred_at": begin, "consent_email": random.random(customers) < 0.8}).to_parquet(raw / "customers.parquet")  # fmt: skip
    payments = drawn(random, ids, 2 * customers, begin, 60).assign(amount=20.0)
    payments["payment_id"] = [f"p{number}" for number in range(len(payments))]
    payments["status"] = np.where(random.random(len(payments)) < 0.05, "failed", "succeeded")
    payments.to_parquet(raw / "payments-1.parquet")
    orders = drawn(random, ids, 3 * customers, begin, 60).assign(amount=12.5, quantity=1)
    orders.assign(order_id=[f"o{number}" for number in range(len(orders))]).to_parquet(raw / "order_lines.parquet")
    (raw / "source.toml").write_text(TOML, encoding="utf-8")
    scored = pd.DataFrame({"customer_id": ids, "lapse_propensity": random.beta(1, 4, customers), "consent_email": random.random(customers) < 0.8})  # fmt: skip
    scored["lapse_decile"] = np.ceil(scored["lapse_propensity"].rank(ascending=False, pct=True) * 10).astype(int)
    scored["lapse_at_stake"] = random.gamma(2, 60, customers)
    scored = scored.assign(**{f"lapse_reason_{number}": "it was drawn" for number in (1, 2, 3)})
    folder = workspace.reports("company", DAY.date())
    folder.mkdir(parents=True)
    about = {"format_version": 1, "targets": {"lapse": {"model_version": "1"}}}
    own = pa.Table.from_pandas(scored, preserve_index=False).replace_schema_metadata({STORED_AS: json.dumps(about)})
    pq.write_table(own, folder / "scored_customers.parquet")


def deliver(workspace: Workspace, customers: int, new: int) -> None:
    random = np.random.default_rng(2)
    ids = np.array([f"c{number:07d}" for number in random.choice(customers, new, replace=False)])
    late = pd.DataFrame(
        {"customer_id": ids, "occurred_at": DAY - pd.Timedelta(hours=2), "amount": 20.0, "status": "failed"}
    )
    late["payment_id"] = [f"late{number}" for number in range(new)]
    late.to_parquet(workspace.raw("company") / "payments-2.parquet")


def timed(workspace: Workspace, *more: str) -> tuple[float, float, float]:
    """Run the command. => seconds on the wall, of the processors, and the most memory of all its processes (GiB)"""
    command = [sys.executable, "-m", "tenure", "decide", "company", "--as-of", str(DAY.date()), *more]
    began, used, most = time.monotonic(), {}, 0
    with tempfile.TemporaryFile("w+") as said:
        run = psutil.Popen([*command, "--workspace", str(workspace.root)], stdout=said, stderr=said)
        while run.poll() is None:
            resident = 0
            with suppress(psutil.Error):
                for process in (run, *run.children(recursive=True)):
                    spent = process.cpu_times()
                    used[process.pid] = spent.user + spent.system
                    resident += process.memory_info().rss
            most = max(most, resident)
            time.sleep(0.2)
        if run.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{said.read()}")
    return time.monotonic() - began, sum(used.values()), most / 2**30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=1_000)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        workspace = Workspace(Path(scratch))
        found(workspace, given.customers, given.new)
        for name, more in (("all customers, the morning", ()), ("since last, the new file", ("--since", "last")), ("since last, once more", ("--since", "last"))):  # fmt: skip
            if name == "since last, the new file":
                deliver(workspace, given.customers, given.new)
            before = len(sent(read_decisions(workspace, "company", "scheduled")))
            wall, used, memory = timed(workspace, *more)
            count = len(sent(read_decisions(workspace, "company", "scheduled"))) - before
            rows.append((name, f"{count:,}", f"{wall:.1f} s", f"{used:.1f} s", f"{memory:.2f} GiB"))
            print(*rows[-1], sep="  ", flush=True)
    head = ("what", "sent", "wall", "processors", "most memory")
    text = (
        f"{given.customers:,} customers, {given.new:,} new facts. {machine('duckdb', 'pandas')}\n\n{table(head, rows)}"
    )
    write_section("Deciding on what has arrived", text)


if __name__ == "__main__":
    main()

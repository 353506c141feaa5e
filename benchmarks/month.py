"""A month of the demo company's daily runs, with what happens to scheduled runs in a month; ends with a review that should tell it.

The company is simulated once; each morning its raw files hold what was known by then. Every run is the command a scheduler
would start. Prints each morning's exit code and last line; FOLDER then holds the workspace, and the page to be looked at.

What happens: order lines arrive late for six days, then all at once (3 to 9 December); one of their columns has another name (11), which the
mapping knows a day later; the MLflow server does not answer (14); nothing is started (15); usage is counted three times from 16 on; a retraining,
and by hand a promotion (22); a rollback (26); a promotion again (29).
Usage: python benchmarks/month.py [--customers N] [--keep FOLDER] [--until DATE]
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from results import machine, table, write_section

from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.scoring.review.failures import read_failures

FIRST_RUN, SECOND_MORNING = date(2025, 8, 15), date(2025, 11, 1)
FIRST, LAST = date(2025, 12, 1), date(2026, 1, 1)
LATE_FROM, LATE_UNTIL = date(2025, 12, 3), date(2025, 12, 9)  # nothing arrives of what is vital, then all at once
RENAMED, MAPPED = date(2025, 12, 11), date(2025, 12, 12)  # a column has another name; a day later the mapping knows
OUTAGE = date(2025, 12, 14)  # the MLflow server does not answer
ASLEEP = date(2025, 12, 15)  # the scheduler's machine is off
DRIFT = date(2025, 12, 16)  # cups are counted three times
RETRAINED = date(2025, 12, 22)
ROLLED_BACK = date(2025, 12, 26)
PROMOTED_AGAIN = date(2025, 12, 29)
TARGETS = "churn,lapse"
NOBODY = "http://127.0.0.1:9"
MAPPING = """
[order_lines]
from        = "order_lines.parquet"
customer_id = "customer_id"
occurred_at = "occurred_at"
known_at    = "known_at"
order_id    = "order_id"
product_id  = "product_id"
quantity    = "quantity"
amount      = "amount"
discount    = "rebate"
channel     = "channel"
brand       = "brand"
"""


def deliver(company: dict[str, pd.DataFrame], raw: Path, today: date) -> None:
    """Write the raw files of one morning: what was known before midnight, as that day's delivery has it."""
    raw.mkdir(parents=True, exist_ok=True)
    for name, every in company.items():
        arrived = today if not (name == "order_lines" and LATE_FROM <= today < LATE_UNTIL) else LATE_FROM
        facts = every[every["known_at"] < pd.Timestamp(arrived)] if "known_at" in every else every
        if name == "usage":
            counted_thrice = facts["occurred_at"] >= pd.Timestamp(DRIFT)
            facts = facts.assign(quantity=facts["quantity"].where(~counted_thrice, 3 * facts["quantity"]))
        if name == "order_lines" and today >= RENAMED:
            facts = facts.rename(columns={"discount": "rebate"})
        facts.to_parquet(raw / f"{name}.parquet", index=False)
    if today >= MAPPED:
        bundled = (files("tenure.sources") / "bundled" / "demo.toml").read_text(encoding="utf-8")
        (raw / "source.toml").write_text(bundled + MAPPING, encoding="utf-8")


def tenure(*arguments: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tenure", *arguments, "--workspace", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@dataclass(frozen=True)
class Command:
    """What was started on one day, how it ended, and what it said last."""

    day: date
    what: str
    exit_code: str
    said: str


def ended(day: date, done: subprocess.CompletedProcess[str]) -> Command:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return Command(day, f"{done.args[3]} {done.args[4]}", str(done.returncode), lines[-1].strip() if lines else "")


def morning(day: date, root: Path) -> Iterator[Command]:
    """Do what is done on one day: by hand before, then what the scheduler starts."""
    if day == ROLLED_BACK:
        yield ended(day, tenure("rollback", "demo-churn", "--why", "the shop team doubts its list", root=root))
    if day == PROMOTED_AGAIN:
        yield ended(day, tenure("promote", "demo-churn", "2", "--why", "the list was checked", root=root))
    if day == ASLEEP:
        yield Command(day, "nothing ran", "", "")
    elif day in (FIRST_RUN, RETRAINED):
        yield ended(day, tenure("run", "demo", "--as-of", str(day), "--targets", TARGETS, root=root))
        if day == RETRAINED:
            yield ended(
                day, tenure("promote", "demo-churn", "2", "--why", "trained on what usage means now", root=root)
            )
    else:
        where = {"MLFLOW_TRACKING_URI": NOBODY} if day == OUTAGE else {}
        yield ended(day, tenure("score", "demo", "--as-of", str(day), "--targets", TARGETS, root=root, **where))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1200)
    parser.add_argument("--keep", type=Path, help="folder for the workspace; default: a temporary one")
    parser.add_argument("--until", type=date.fromisoformat, default=LAST)
    given = parser.parse_args()
    days = [FIRST + timedelta(days=n) for n in range((given.until - FIRST).days + 1)]
    with TemporaryDirectory() as scratch:
        full, workspace = Workspace(Path(scratch) / "full"), Workspace(given.keep or Path(scratch) / "month")
        generate_demo(full.raw("demo"), full.truth("demo"), customers=given.customers)
        company = {path.stem: pd.read_parquet(path) for path in full.raw("demo").glob("*.parquet")}
        commands: list[Command] = []
        for day in (FIRST_RUN, SECOND_MORNING, *days):
            deliver(company, workspace.raw("demo"), day)
            for command in morning(day, workspace.root):
                print(*astuple(command), sep="  ", flush=True)
                commands.append(command)
        page = workspace.reports("demo", days[-1]) / "review.html"
        told = f"{len(commands)} commands, {len(read_failures(workspace, 'demo'))} of the scheduled ones failed."
        print(f"{told} Look at {page}")
        said = [c.said.replace(str(workspace.root), "FOLDER").replace("|", "\\|") for c in commands]
        rows = [(str(c.day), c.what, c.exit_code, last) for c, last in zip(commands, said, strict=True)]
        protocol = str(__doc__).split("\nUsage")[0]
        listed = table(("day", "command", "exit", "last line"), rows)
        text = f"{protocol}\n\n{given.customers:,} customers. {told}\n\n{listed}\n\n{machine('mlflow', 'lightgbm')}"
        write_section("A month of mornings", text)


if __name__ == "__main__":
    main()

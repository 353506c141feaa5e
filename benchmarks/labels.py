"""Who is asked, and each label, of the bundled sources: Tenure beside a calculation that shares no code with it.

Tenure stages a source and builds its snapshots by its public names; then this script calculates eligibility and labels anew
from the staged tables, in plain pandas (churn: by the oracle of tests/targets, day by day), and counts the customers that
differ, cutoff by cutoff.

Usage: python benchmarks/labels.py [--workspace DIR] [--targets churn,lapse] [SOURCE ...]   (data: TENURE_TEST_DATA)
"""

import argparse
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import gettempdir

import pandas as pd

import tenure
from tenure.core.workspace import Workspace
from tenure.sources.fetch import fetch_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "targets"))
from churn_oracle import answers
from states_oracle import Event, Rules, follow_all, state_on

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SOURCES = ("demo", "365_learning", "complete_journey", "cdnow", "online_retail")
# Both sources with subscriptions deliver renewals.
RENEWALS_DELIVERED = {"demo": True, "365_learning": True}


@dataclass
class Staged:
    """The staged tables of a source, and its subscriptions as followed by the oracle, each day once."""

    folder: Path
    as_of: date
    rules: Rules
    followed: dict[date, dict]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def subscriptions(self, until: date) -> dict:
        """Follow the subscriptions by what was known before a day."""
        if until not in self.followed:
            self.followed[until] = follow_all(events_of(self.table("subscription_events")), until, self.rules)
        return self.followed[until]


def events_of(rows: pd.DataFrame) -> list[Event]:
    """Turn staged rows into the oracle's events."""
    columns = ("customer_id", "subscription_id", "event", "occurred_at", "known_at", "term_days", "monthly_price")
    lists = [rows[name].tolist() if name in rows else [None] * len(rows) for name in columns]
    return [
        Event(
            customer,
            subscription if isinstance(subscription, str) else None,
            event,
            occurred.to_pydatetime(),
            known.to_pydatetime(),
            None if term is None or math.isnan(term) else int(term),
            None if price is None or math.isnan(price) else float(price),
        )
        for customer, subscription, event, occurred, known, term, price in zip(*lists, strict=True)
    ]


def between(rows: pd.DataFrame, start: date, end: date, known_before: date) -> pd.DataFrame:
    """Keep the facts that occurred in [start, end) and were known before a day."""
    occurred, known = rows["occurred_at"], rows["known_at"]
    return rows[
        (occurred >= pd.Timestamp(start)) & (occurred < pd.Timestamp(end)) & (known < pd.Timestamp(known_before))
    ]


def window(cutoff: date, numbers: dict) -> tuple[date, date]:
    start = cutoff + pd.Timedelta(days=numbers["lead_days"])
    return start, start + pd.Timedelta(days=numbers["horizon_days"])


def lapse(staged: Staged, cutoff: date, numbers: dict) -> pd.Series:
    """Label who ordered in the eligible days: 1 = no order in the window. => label by customer_id"""
    lines = staged.table("order_lines")
    bought = lines[(lines["quantity"] > 0) & lines["order_id"].notna()]
    since = cutoff - pd.Timedelta(days=numbers["eligible_days"])
    asked = between(bought, since, cutoff, cutoff)["customer_id"].unique()
    again = between(bought, *window(cutoff, numbers), staged.as_of)["customer_id"].unique()
    return pd.Series(1 - pd.Index(asked).isin(again).astype(int), index=asked)


def churn(staged: Staged, cutoff: date, numbers: dict) -> pd.Series:
    """Label by the oracle. => label by customer_id"""
    found = answers(
        staged.subscriptions(cutoff), staged.subscriptions(staged.as_of), cutoff, staged.as_of, numbers["grace_days"],
        horizon_days=numbers["horizon_days"], lead_days=numbers["lead_days"],
    )  # fmt: skip
    cases = Counter(one.case for one in found.values())
    print("    " + ", ".join(f"{count} {case}" for case, count in sorted(cases.items())))
    return pd.Series({customer: one.churned for customer, one in found.items() if one.asked}, dtype="float64")


def convert(staged: Staged, cutoff: date, numbers: dict) -> pd.Series:
    """Label who registered in the eligible days and never paid: 1 = pays on a day of the window. => label by customer_id"""
    since = cutoff - pd.Timedelta(days=numbers["eligible_days"])
    registered = between(staged.table("customers"), since, cutoff, cutoff)["customer_id"].unique()
    before, after = staged.subscriptions(cutoff), staged.subscriptions(staged.as_of)
    asked = [one for one in registered if not any("paid" in sub.states for sub in before.get(one, ()))]
    days = pd.date_range(*window(cutoff, numbers), inclusive="left").date
    pays = [int(any(state_on(after.get(one, ()), day) == "paying" for day in days)) for one in asked]
    return pd.Series(pays, index=asked, dtype="float64")


def upsell(staged: Staged, cutoff: date, numbers: dict) -> pd.Series:
    """Label who pays for a subscription that is not on the top plan: 1 = a higher plan or an add-on in the window."""
    events = staged.table("subscription_events")
    events["changes"] = events["event"].isin(["upgraded", "downgraded"])  # within an instant the change of plan is last
    named = events[events["plan"].notna() & ~events["event"].isin(["ended", "addon_bought", "trial_started"])]
    known = between(named, date(1, 1, 1), cutoff, cutoff).sort_values(["occurred_at", "changes"], kind="stable")
    plans = (
        known.assign(subscription_id=known["subscription_id"].fillna(""))
        .groupby(["customer_id", "subscription_id"])["plan"]
        .last()
    )
    top = set(plans.index[plans == numbers["top_plan"]])
    asked = []
    for customer, subscriptions in staged.subscriptions(cutoff).items():
        paid = [(customer, one.name or "") for one in subscriptions if one.states[-1] == "paid"]
        if not top.issuperset(paid):
            asked.append(customer)
    more = between(events[events["event"].isin(["upgraded", "addon_bought"])], *window(cutoff, numbers), staged.as_of)
    return pd.Series(pd.Index(asked).isin(more["customer_id"]).astype(float), index=asked)


CALCULATIONS = {"churn": churn, "convert": convert, "lapse": lapse, "upsell": upsell}


def open_source(source: str, workspace: Path) -> tuple[Staged, Path, dict[str, dict]]:
    """Stage a source and build its snapshots. => staged tables, folder of snapshots, the numbers of each target"""
    if source != "demo":
        fetch_source(Workspace(workspace), source, DATA / source)
    session = tenure.open_run(source, workspace=str(workspace))
    folder = Path(tenure.ingest(session).folder)
    tenure.build_snapshots(session, [])
    numbers = {name: dict(target.numbers) for name, target in session.snapshots.targets.items()}
    rules = Rules(numbers.get("churn", {}).get("grace_days", 0), None, RENEWALS_DELIVERED.get(source, True))
    return Staged(folder, session.as_of, rules, {}), workspace / "data" / "snapshots" / source, numbers


def compare(name: str, cutoff: date, ours: pd.Series, asked: set[str], labels: pd.Series) -> int:
    """Print how Tenure's eligibility and labels at one cutoff differ from ours; return how many customers do."""
    only_ours, only_theirs = set(ours.index) - asked, asked - set(ours.index)
    both = labels.index.intersection(ours.index)
    unlike = int((labels[both] != ours[both]).sum())
    unlabelled = len(asked.symmetric_difference(labels.index))
    differ = len(only_ours) + len(only_theirs) + unlike + unlabelled
    print(
        f"  {name:<8} {cutoff} asked {len(asked):>6} ({len(ours):>6} here)  base rate {labels.mean():.4f} ({ours.mean():.4f} here)  "
        f"asked only there {len(only_theirs)}, only here {len(only_ours)}, other label {unlike}, asked without label {unlabelled}"
        f"{'' if differ == 0 else '   <-- e.g. ' + ', '.join(sorted([*only_ours, *only_theirs, *both[labels[both] != ours[both]]])[:5])}"
    )
    return differ


def check(source: str, workspace: Path, targets: list[str]) -> int:
    """Compare the targets of a source at every cutoff that has labels; return how many customer x cutoff differ."""
    staged, snapshots, numbers = open_source(source, workspace)
    print(f"{source}: as of {staged.as_of}")
    differ = 0
    for name in targets:
        for file in sorted((snapshots / "labels" / name).glob(f"*-seen-{staged.as_of}-*.parquet")):
            cutoff = date.fromisoformat(file.name[:10])
            (features,) = (snapshots / "features").glob(f"{cutoff}-*.parquet")
            snapshot = pd.read_parquet(features, columns=["customer_id", f"eligible__{name}"])
            asked = set(snapshot["customer_id"][snapshot[f"eligible__{name}"].astype(bool)])
            labels = pd.read_parquet(file).set_index("customer_id")["label"].astype("float64")
            differ += compare(name, cutoff, CALCULATIONS[name](staged, cutoff, numbers[name]), asked, labels)
    return differ


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", default=SOURCES)
    parser.add_argument("--targets", default=",".join(CALCULATIONS), help="comma-separated")
    parser.add_argument("--workspace", type=Path, default=Path(gettempdir()) / "tenure-labels")
    arguments = parser.parse_args()
    targets = arguments.targets.split(",")
    differ = {source: check(source, arguments.workspace, targets) for source in arguments.sources or SOURCES}
    for source, count in differ.items():
        print(f"{source}: {count} customer x cutoff differ")
    return int(any(differ.values()))


if __name__ == "__main__":
    sys.exit(main())

"""A company decided on every day of a year, by rules drawn at random: what no day may break, counted.

The company, its channels and the rules are those of ``tests/decisions``: budgets and capacities bind, much is approved days
later or never, contacts come back late, bounce, complain or unsubscribe.
Usage: python benchmarks/decision_days.py [--customers N] [--days N] [--seeds FIRST-LAST]; exit 1 if anything is broken
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

tests = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(tests), str(tests / "decisions")]

from broken import Lived, broken  # noqa: E402
from company import Company, draw_policy  # noqa: E402

FIRST = date(2026, 1, 15)
SHOWN = 3


def lived(seed: int, customers: int, days: int, root: Path) -> tuple[Lived, float]:
    """Live the days of a seed; return what came of them, and the seconds that deciding took."""
    company = Company(root, seed, customers, FIRST, days, draw_policy(seed, customers), restaged_every=30)
    for day in company.live():
        if day.day == 1:
            print(f"  {day}: {company.seconds:,.0f} s decided", flush=True)
    return Lived(company, company.ledger()), company.seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seeds", default="1-1")
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    wrong = 0
    for seed in range(first, last + 1):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found, seconds = lived(seed, given.customers, given.days, Path(folder))
            failed = [f"a day fails: {day}, {what}" for day, what in found.company.failed.items()]
            faults = [*failed, *broken(found)]
        counts = Counter(fault.split(":")[0] for fault in faults)
        print(
            f"seed {seed}: {len(found.days)} days, {len(found.ledger):,} decisions, {len(found.sends):,} sent, "
            f"{len(faults):,} broken invariants, {seconds:,.0f} s deciding, {time.monotonic() - began:,.0f} s in all"
        )
        for rule, count in counts.items():
            print(f"  {rule}: {count:,}")
            print("\n".join(f"    {fault[:300]}" for fault in [f for f in faults if f.startswith(rule)][:SHOWN]))
        wrong += len(faults)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""A day's decisions at scale: a million customers, eight actions by four channels, a budget and twelve capacities that bind.

Printed: the gap to the proven bound, seconds and memory (a process of its own, run twice, compared byte by byte), three greedy
ways below the same bound, and 10,000 redraws of a small day against its logged chances.
Usage: python benchmarks/decisions.py [--customers N] [--redraws N]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from hashlib import sha256

import numpy as np
from results import machine, table, write_section

from tenure.decisions.allocation import Allocation, Limit, allocate
from tenure.decisions.chances import assign
from tenure.decisions.rounding import ONE

ACTIONS, CHANNELS = 8, 4
COSTS = np.add.outer([0.0, 0.2, 0.5, 1.0, 1.5, 2.5, 4.0, 6.0], [0.02, 0.1, 0.8, 5.0]).ravel()
NAMES = [f"action {column // CHANNELS}" for column in range(ACTIONS * CHANNELS)]


def day(customers: int) -> tuple[np.ndarray, list[Limit], np.ndarray]:
    """Lognormal stakes times small skewed effects, a third of the cells closed; capacities at a share of who would want them."""
    generator = np.random.default_rng(7)
    stake = generator.lognormal(3.5, 1.2, customers)
    values = np.empty((customers, ACTIONS * CHANNELS), dtype=np.float32)
    for action in range(ACTIONS):
        effect = stake * generator.beta(1.2, 20 - action, customers)
        for channel in range(CHANNELS):
            column = action * CHANNELS + channel
            values[:, column] = effect * generator.uniform(0.4, 1.0, customers) * (1 + 0.15 * channel) - COSTS[column]
            values[generator.random(customers) < 0.35, column] = np.nan
    place = np.arange(ACTIONS * CHANNELS)
    limits = [Limit("budget", round(0.35 * customers), COSTS)]
    for name, code, shares in (
        ("channel", place % CHANNELS, (0.08, 0.1, 0.05, 0.004)),
        ("action", place // CHANNELS, (0.05, 0.05, 0.04, 0.035, 0.025, 0.015, 0.008, 0.004)),
    ):
        limits += [
            Limit(f"{name} {at}", share * customers // 1, (code == at).astype(float)) for at, share in enumerate(shares)
        ]
    return values, limits, generator.integers(0, 2**63, customers).astype(np.uint64)


def broken(limits: list[Limit], found: Allocation) -> int:
    counts = np.bincount(found.choice[found.choice >= 0], minlength=ACTIONS * CHANNELS)
    thousandths = [np.round(limit.use * 1000).astype(int) @ counts for limit in limits]
    return sum(used > round(limit.amount * 1000) for used, limit in zip(thousandths, limits, strict=True))


def measure(customers: int) -> dict[str, object]:
    """Allocate once; and, afterwards, plan and draw a day with exploration."""
    values, limits, ties = day(customers)
    wall, processor = time.perf_counter(), time.process_time()
    found = allocate(values, limits, ties)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started = time.process_time()
    drawn = assign(values, NAMES, limits, ties, explore=0.02, explore_total=0.05).draw(seed=1)
    return {
        "value": found.value,
        "bound": found.bound,
        "seconds": wall,
        "processor seconds": processor,
        "GiB": memory,
        "broken": int(broken(limits, found)),
        "binding": sum(price > 0 for price in found.prices.values()),
        "bytes": sha256(found.choice.tobytes() + repr(found.prices).encode()).hexdigest(),
        "seconds with chances": time.process_time() - started,
        "draw": sha256(drawn.chosen.tobytes() + drawn.chance.tobytes()).hexdigest(),
    }


def greedy(values: np.ndarray, limits: list[Limit], keys: np.ndarray) -> float:
    """Take open cells by falling key while they fit; a column that no longer fits is closed."""
    use = np.round(np.array([limit.use for limit in limits]) * 1000).astype(int)
    room = np.array([round(limit.amount * 1000) for limit in limits])
    who, where = np.nonzero(np.isfinite(keys))
    order = np.argsort(-keys[who, where], kind="stable")
    who, where, value = who[order], where[order], 0.0
    while len(who):
        first = np.full(len(values), -1)
        first[who[::-1]] = np.arange(len(who))[::-1]
        taken = np.sort(first[first >= 0])
        spent = np.cumsum(use[:, where[taken]], axis=1)
        taken = taken[: np.argmax((spent > room[:, None]).any(axis=0)) if (spent[:, -1] > room).any() else len(taken)]
        value += float(values[who[taken], where[taken]].sum(dtype=float))
        room = room - use[:, where[taken]].sum(axis=1)
        done = np.zeros(len(values), dtype=bool)
        done[who[taken]] = True
        stays = ~done[who] & (use <= room[:, None]).all(axis=0)[where]
        who, where = who[stays], where[stays]
    return value


def greedy_ways(customers: int, bound: float) -> list[tuple[str, str]]:
    values, limits, _ = day(customers)
    worth = np.where(values > 0, values, -np.inf)
    rate = worth / COSTS.astype(np.float32)
    best = np.full_like(worth, -np.inf)
    at = np.arange(len(worth)), worth.argmax(axis=1)
    best[at] = rate[at]
    ways = (("by value", worth), ("by value / cost", rate), ("each customer's best, then value / cost", best))
    return [(name, f"{1 - greedy(values, limits, keys) / bound:.2%}") for name, keys in ways]


def redraw(redraws: int, *, uniform: bool) -> tuple[str, ...]:
    """Draw a small day with tight limits by other seeds, and compare how often each option came with its logged chance."""
    generator = np.random.default_rng(5)
    values = generator.normal(2, 3, (60, 8))
    values[generator.random(values.shape) < 0.25] = np.nan
    actions, costs = [f"action {column // 2}" for column in range(8)], generator.integers(20, 400, 8) / 100
    odd = np.arange(8) % 2.0
    limits = [Limit("budget", 60.0, costs), Limit("odd", 15, odd), Limit("even", 20, 1 - odd)]
    ties = generator.integers(0, 2**63, 60).astype(np.uint64)
    plan = assign(values, actions, limits, ties, explore=0.03, explore_total=0.1, uniform=uniform)
    columns, drawn, over = np.arange(-1, 8), np.zeros((60, 9)), 0
    for seed in range(redraws):
        chosen = plan.draw(seed=seed).chosen
        drawn += chosen[:, None] == columns
        over += any(np.append(limit.use, 0.0)[chosen].sum() > limit.amount + 1e-9 for limit in limits)
    chance = np.stack([(plan.chances * (plan.options == column)).sum(axis=1) for column in columns], axis=1) / ONE
    varies = (chance > 0) & (chance < 1)
    off = (drawn / redraws - chance)[varies] / np.sqrt((chance * (1 - chance))[varies] / redraws)
    beyond = (np.abs(off) > 1.96).mean()
    return (
        "a wave" if uniform else "best, explored, withheld",
        str(varies.sum()),
        f"{np.abs(off).max():.2f}",
        f"{beyond:.1%}",
        str(int((drawn[chance == 0] > 0).sum())),
        str(over),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--redraws", type=int, default=10_000)
    parser.add_argument("--measure", action="store_true", help="one measurement in this process, as JSON")
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.customers)))
        return
    command = [sys.executable, __file__, "--measure", "--customers", str(asked.customers)]
    runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
    one = runs[0]
    repeat = {name: "identical" if one[name] == runs[1][name] else "DIFFERENT" for name in ("bytes", "draw")}
    rows = [
        ("gap to the bound", f"{1 - one['value'] / one['bound']:.4%}"),
        (
            "seconds",
            " and ".join(f"{run['seconds']:.1f} ({run['processor seconds']:.1f} of a processor)" for run in runs),
        ),
        ("most memory, data included", f"{max(run['GiB'] for run in runs):.2f} GiB"),
        ("limits with a price", f"{one['binding']} of 13"),
        ("limits broken", str(one["broken"])),
        ("repeat in another process", f"choice and prices {repeat['bytes']}, draw {repeat['draw']}"),
        ("a processor's seconds with chances and draw", f"{one['seconds with chances']:.1f}"),
        *((f"greedy {name}: below the bound", lost) for name, lost in greedy_ways(asked.customers, one["bound"])),
    ]
    head = ("chances", "varying", "largest z", "beyond 1.96", "drawn at chance 0", "draws over a limit")
    text = "\n\n".join(
        [
            machine("numpy", "scipy"),
            f"{asked.customers:,} customers, {ACTIONS} actions, {CHANNELS} channels, 13 limits.",
            table(("allocation", ""), rows),
            f"A day of 60 customers drawn by {asked.redraws:,} seeds:",
            table(head, [redraw(asked.redraws, uniform=uniform) for uniform in (False, True)]),
        ]
    )
    print(text)
    write_section("Decisions", text)


if __name__ == "__main__":
    main()

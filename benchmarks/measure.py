"""Campaigns: false alarms under daily looks, coverage of the interval, real randomised tests beside other calculations.

Usage: python benchmarks/measure.py [--runs N]   (data: TENURE_TEST_DATA)
A/A: nobody is moved; 90 % are treated; 60 days, looked at every day. Worlds: each has its own rates, effects that differ
between customers, shares held out, sizes and habits; some ask the same customers again, some draw unequal chances. The
truth is the mean effect over the world's customers. Hillstrom: scipy's Welch interval, and tea-tasting where it is installed.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.measure.difference import balance, difference, sample_ratio

DATA = Path(os.environ.get("TENURE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
DAYS, A_DAY, HELD, FEWEST = 60, 40, 0.1, 30
DEMO_RATES = {"ordered in 30 days (demo)": 0.42, "churned (demo)": 0.06}


def false_alarms(runs: int, rate: float, a_day: int, seed: int) -> dict[str, float]:
    """Look at A/A tests every day. => share of runs in which each interval ever left 0 out"""
    generator, alarms = np.random.default_rng(seed), {"sequence": 0, "interval": 0}
    for _ in range(runs):
        count = DAYS * a_day
        rows = pd.DataFrame({"customer_id": np.arange(count), "weight": 1.0, "is_treated": generator.random(count) >= HELD,
                             "y": (generator.random(count) < rate).astype(float)})  # fmt: skip
        rang = dict.fromkeys(alarms, False)
        for day in range(1, DAYS + 1):
            seen = rows.iloc[: day * a_day]
            if min(seen["is_treated"].sum(), (~seen["is_treated"]).sum()) < FEWEST:
                continue
            found = difference(seen, "y")
            rang["sequence"] |= found.always_low > 0 or found.always_high < 0
            rang["interval"] |= found.low > 0 or found.high < 0
        for name in alarms:
            alarms[name] += rang[name]
    return {name: count / runs for name, count in alarms.items()}


class World:
    """A company whose customers order by hidden habits, and by a campaign that moves them unequally."""

    def __init__(self, seed: int) -> None:
        self.generator = generator = np.random.default_rng([1, seed])
        self.base, self.spread = generator.uniform(-3, 0.5), generator.uniform(0.2, 1.5)
        self.effect, self.unequal = generator.uniform(-0.2, 0.6), generator.uniform(0, 0.6)
        self.held, self.size = generator.choice([0.05, 0.1, 0.3, 0.5]), int(generator.choice([1_500, 4_000, 10_000]))
        self.price, self.tail = generator.uniform(10, 80), generator.uniform(0.3, 1.0)
        self.waves, self.by_habit = int(generator.choice([1, 1, 3])), bool(generator.random() < 0.3)
        habit = generator.normal(size=400_000)
        moved = self.rate(habit, True) - self.rate(habit, False)
        self.truth = {"ordered": moved.mean(), "spent": moved.mean() * self.price * np.exp(self.tail**2 / 2)}

    def rate(self, habit: np.ndarray, treated: bool | np.ndarray) -> np.ndarray:
        odds = self.base + self.spread * habit + treated * (self.effect + self.unequal * np.tanh(habit))
        return 1 / (1 + np.exp(-odds))

    def campaign(self) -> pd.DataFrame:
        """Draw one campaign, in one or several waves to the same customers."""
        generator, parts = self.generator, []
        habit = generator.normal(size=self.size)
        before = generator.random(self.size) < self.rate(habit, False)
        for _ in range(self.waves):
            chance = np.full(self.size, 1 - self.held)
            if self.by_habit:  # of whom one hopes more, fewer are held out
                chance = np.clip(1 - self.held * np.where(before, 0.5, 1.3), 0.3, 0.97)
            treated = generator.random(self.size) < chance
            ordered = generator.random(self.size) < self.rate(habit, treated)
            spent = ordered * self.price * np.exp(self.tail * generator.normal(size=self.size))
            parts.append(pd.DataFrame({
                "customer_id": np.arange(self.size), "is_treated": treated, "weight": 1 / np.where(treated, chance, 1 - chance),
                "chance": np.where(treated, chance, 1 - chance), "ordered": ordered.astype(float), "spent": spent,
                "ordered_before": before.astype(float), "year_before": habit + generator.normal(size=self.size),
            }))  # fmt: skip
        return pd.concat(parts, ignore_index=True)


def coverage(worlds: int, each: int) -> pd.DataFrame:
    """=> world, outcome, way, covered, width; one row per campaign"""
    rows, known = [], ["ordered_before", "year_before"]
    for seed in range(worlds):
        world = World(seed)
        for _ in range(each):
            table = world.campaign()
            for outcome, truth in world.truth.items():
                for way, covariates in (("plain", []), ("adjusted", known)):
                    found = difference(table, outcome, covariates)
                    rows.append((seed, outcome, way, found.low <= truth <= found.high, found.high - found.low))
                    if way == "adjusted":
                        always = found.always_low <= truth <= found.always_high
                        rows.append((seed, outcome, "sequence", always, found.always_high - found.always_low))
            rows.append((seed, "balance p > .05", "check", balance(table, known) > 0.05 or world.by_habit, 0))
            rows.append((seed, "ratio p > .05", "check", sample_ratio(table) > 0.05, 0))
    return pd.DataFrame(rows, columns=["world", "outcome", "way", "covered", "width"])


def print_coverage(worlds: int, each: int) -> None:
    found = coverage(worlds, each)
    for (outcome, way), own in found.groupby(["outcome", "way"], sort=False):
        by_world = own.groupby("world")["covered"].mean()
        error = by_world.std() / np.sqrt(len(by_world))
        print(f"  {outcome:<16} {way:<9} {by_world.mean():.1%} of {len(own):,} campaigns, {len(by_world)} worlds "
              f"(95 %: {by_world.mean() - 1.96 * error:.1%} to {by_world.mean() + 1.96 * error:.1%}), mean width {own['width'].mean():.4f}")  # fmt: skip


def confounded(runs: int) -> None:
    """Let a marketer choose by what customers did before, weakly and strongly, beside arms that chance drew."""
    for size in (1_500, 10_000):
        for strength in (0.0, 0.5, 1.0):
            printed, naive = 0, []
            for seed in range(runs):
                generator = np.random.default_rng([2, seed])
                habit = generator.normal(size=size)
                before, year = generator.random(size) < 1 / (1 + np.exp(1 - habit)), habit + generator.normal(size=size)
                treated = generator.random(size) < 1 / (1 + np.exp(-strength * (before - 0.3 + year)))
                ordered = generator.random(size) < 1 / (1 + np.exp(1 - habit - 0.25 * treated))
                rows = pd.DataFrame({"customer_id": np.arange(size), "is_treated": treated, "weight": 1.0, "ordered": ordered.astype(float),
                                     "ordered_before": before.astype(float), "year_before": year})  # fmt: skip
                printed += balance(rows, ["ordered_before", "year_before"]) >= 0.001
                naive.append(difference(rows, "ordered").effect)
            chosen = "drawn by chance" if strength == 0 else f"chosen by past orders, strength {strength:.1f}"
            print(
                f"  {size:>6,} customers, {chosen:<38} effect printed in {printed / runs:.1%} of {runs}, naive effect {np.mean(naive):+.3f}"
            )


def hillstrom() -> None:
    """Compare the men's and the women's mail with none, beside tea-tasting where it is installed."""
    try:
        import tea_tasting
    except ImportError:
        tea_tasting = None
        print("  tea-tasting is not installed here: install it into an environment of its own")
    raw = pd.read_parquet(DATA / "hillstrom" / "hillstrom.parquet").assign(year=lambda t: np.log1p(t["history"]))
    for action in ("Mens E-Mail", "Womens E-Mail"):
        own = raw[raw["segment"].isin([action, "No E-Mail"])].reset_index(drop=True)
        own = own.assign(customer_id=own.index, is_treated=own["segment"] == action, weight=1.0, chance=0.5)
        own = own.astype({"visit": float, "spend": float}).assign(variant=own["is_treated"].astype(int))
        for outcome in ("visit", "spend"):
            for covariates in ([], ["year"]):
                found = difference(own, outcome, covariates)
                told = f"ours {found.effect:.6f} ({found.low:.6f} to {found.high:.6f})"
                if tea_tasting:
                    metric = tea_tasting.Mean(outcome, covariate="year" if covariates else None)
                    theirs = tea_tasting.Experiment(x=metric).analyze(own)["x"]
                    told += f"; tea-tasting {theirs.effect_size:.6f} ({theirs.effect_size_ci_lower:.6f} to {theirs.effect_size_ci_upper:.6f})"
                print(f"  {action:<14} {outcome:<6} {'CUPED' if covariates else 'plain'}: {told}")
        told = f"ours {sample_ratio(own):.4f}"
        if tea_tasting:
            told += f"; tea-tasting {tea_tasting.Experiment(x=tea_tasting.SampleRatio()).analyze(own)['x'].pvalue:.4f}"
        print(f"  {action:<14} p of the arms' sizes: {told}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000)
    asked = parser.parse_args()
    print(f"A/A, 90/10, {DAYS} days, a look every day, {asked.runs:,} runs: share with a false alarm")
    for seed, (name, rate) in enumerate(DEMO_RATES.items()):
        found = false_alarms(asked.runs, rate, A_DAY, seed)
        print(
            f"  {name:<26} {A_DAY} customers a day: confidence sequence {found['sequence']:.1%}, 95 % interval {found['interval']:.1%}"
        )
    print("Coverage of the 95 % interval by the truth")
    print_coverage(50, max(1, asked.runs // 50))
    print("Contacts that a marketer chose, by the balance of what was known before")
    confounded(max(1, asked.runs // 5))
    print("Hillstrom: treated less control with the 95 % interval")
    if (DATA / "hillstrom").is_dir():
        hillstrom()
    else:
        print(f"  not measured: {DATA / 'hillstrom'} does not exist (set TENURE_TEST_DATA)")


if __name__ == "__main__":
    main()

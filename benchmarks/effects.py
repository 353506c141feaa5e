"""Effects by customer: do they rank, does the gate open when it should, is the promise kept, do intervals cover.

Usage: python benchmarks/effects.py [--draws N] [--redraws N] [--processes N] [--kept FILE] [--print]
(data: TENURE_TEST_DATA). Each measurement is kept in FILE as it ends: the same command goes on from there; --print
writes no section of RESULTS.md. On Hillstrom's mails by ``effects_hillstrom.py``; Qini: area between the curve of
additional visits and as many customers at random, per 1,000 customers, by outcomes weighted by 1/chance. The response
model ranks by the probability of a visit when mailed. econml's causal forest, where it is installed: 500 trees, leaves
of 100, the chance of a mail known, visits less those a logistic regression expects.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from effects_hillstrom import COSTS, MAILS, OUTCOMES, gates, promise, rank_mail, three_actions
from results import machine, table, write_section

from measure import DATA
from tenure.effects.gate import judge
from tenure.effects.learner import fit_effect
from tenure.effects.off_policy import value_of_policy

# A simulated company: 12 features, 4 of them move the effect and explain half of its spread, a hidden cause the rest.
ROWS, MEAN, SPREAD, COST, SLOPES = 30_000, 0.03, 0.07, 0.03, (0.0, 0.5, 1.0)


def company(seed: int, slope: float) -> pd.DataFrame:
    """Draw a company's randomised contacts; its propensity is all that features say of who buys uncontacted."""
    generator = np.random.default_rng([5, seed, int(10 * slope)])
    seen, hidden = generator.normal(size=(ROWS, 12)), generator.normal(size=ROWS)
    moved = 0.6 * seen[:, 0] - 0.5 * seen[:, 1] + 0.5 * seen[:, 2] + 0.72 * (seen[:, 3] > 0.5) - 0.22
    effect = MEAN + slope * SPREAD * (moved / moved.std() + hidden) / np.sqrt(2)
    propensity = seen[:, 4] - 0.5 * seen[:, 5] + 0.5 * seen[:, 0]
    treated = generator.random(ROWS) < 0.5
    bought = generator.random(ROWS) < np.clip(0.2 + 0.08 * np.tanh(propensity + 0.7 * hidden) + treated * effect, 0, 1)
    rows = pd.DataFrame(seen, columns=[f"feature_{number}" for number in range(12)])
    rows = rows.assign(customer_id=np.arange(ROWS), is_treated=treated, chance=0.5, outcome=bought.astype(float))
    return rows.assign(propensity=propensity - propensity.min())


def ask(slope: float, seed: int) -> list[float]:
    """=> whether the gate opened, the slope found, its ends"""
    rows = company(seed, slope)
    fit = fit_effect(rows, [name for name in rows if name.startswith("feature")], unit="share", seed=seed)
    return [float(judge(fit, rows, cost=COST).passes), *vars(fit.slope).values()]


def redraw(seed: int, size: int = 2_000) -> list[float]:
    """Log one policy, value another. => effective, whether covered: weighted, doubly robust"""
    generator = np.random.default_rng(8)  # the customers stay, only the draws differ
    known, hidden = generator.normal(size=(2, size))
    actions = ["nothing", "mail", "call"]
    logits = np.outer(known, [0.0, 0.8, -0.8])
    chances = 0.85 * np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) + 0.05
    rates = np.clip(0.2 + 0.05 * hidden[:, None] + np.outer(known, [0.05, 0.0, 0.08]) + [0.0, 0.03, 0.05], 0.01, 0.99)
    new = np.where(known[:, None] > 0, [0.1, 0.2, 0.7], [0.3, 0.6, 0.1])
    draws = np.random.default_rng([9, seed])
    action = (draws.random(size)[:, None] > chances.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    logged = pd.DataFrame({"customer_id": np.arange(size), "action": np.take(actions, action),
                           "chance": chances[np.arange(size), action], "reward": draws.random(size) < rates[np.arange(size), action]})  # fmt: skip
    expected = pd.DataFrame(0.2 + np.outer(known, [0.04, 0.02, 0.06]), columns=actions)
    value = value_of_policy(logged, pd.DataFrame(new, columns=actions), expected=expected)
    truth = float((new * rates).sum(axis=1).mean())
    return [value.effective, *(float(one.low <= truth <= one.high) for one in (value.weighted, value.doubly_robust))]


class Kept:
    """Measurements, kept as they end: JSON lines of a name, a number and what was found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.found = {tuple(entry[:2]): entry[2] for entry in map(json.loads, lines)}

    def measured(self, name: str, measure: Callable, count: int, processes: int) -> list:
        """Measure what is not kept yet, for each number from 0 on."""
        missing = [number for number in range(count) if (name, number) not in self.found]
        with ProcessPoolExecutor(processes) as pool, self.path.open("a", encoding="utf-8") as kept:
            for number, found in zip(missing, pool.map(measure, missing), strict=True):
                self.found[name, number] = found
                kept.write(json.dumps([name, number, found]) + "\n")
                kept.flush()
        return [self.found[name, number] for number in range(count)]


def once(measure: Callable, *given: object, **named: object) -> Callable:
    """Make a measurement that is taken once one of number 0."""
    return partial(_once, measure, given, named)


def _once(measure: Callable, given: tuple, named: dict, _number: int) -> object:
    return measure(*given, **named)


def spelt(found: list[float], digits: int = 2) -> str:
    value, low, high = (f"{number:.{digits}f}" for number in found)
    return f"{value} ({low} to {high})"


def real_data(kept: Kept) -> str:
    """Bars 1, 2 and 4 on Hillstrom's customers."""

    def one(name: str, measure: Callable, *given: object, **named: object) -> object:
        return kept.measured(name, once(measure, *given, **named), 1, 1)[0]

    ranked = {mail: one(f"ranked {mail}", rank_mail, mail) for mail in MAILS}
    rows = [(mail, name, spelt(found)) for mail, own in ranked.items() for name, found in own.items()]
    asked, opened = [], []
    for mail in MAILS:
        for outcome in OUTCOMES:
            kind, slope, gates_of = one(f"gate {mail} {outcome}", gates, mail, outcome)
            asked += [
                (mail, outcome, f"{cost:.2f}", kind, slope, "open" if passes else "shut", f"{share:.0%}")
                for cost, passes, share, _ in gates_of
            ]
            opened += [says for cost, passes, _, says in gates_of if mail == MAILS[1] and cost]
    policy = [
        (
            f"{cost:.2f}",
            "effects that passed, else means" if gated else "raw effects",
            spelt(one(f"three {cost} {gated}", three_actions, "visit", cost, gated=gated), 4),
        )
        for cost, gated in ((0.0, True), (0.0, False), (COSTS["visit"], True))
    ]
    kept_promises = [
        (outcome, "calibrated" if calibrated else "raw", spelt(one(f"promise {outcome} {calibrated}", promise, outcome, calibrated=calibrated)))
        for outcome in OUTCOMES for calibrated in (True, False)
    ]  # fmt: skip
    return "\n\n".join([
        "Hillstrom, visits, Qini per 1,000 customers (bar: Womens at least 7.2, its difference to the response model above 0):",
        table(("mail", "ranking", "area (95 %)"), rows),
        "Hillstrom, one mail against none, is the gate open at this cost of a contact (bar: shut for Mens)? "
        + " ".join(dict.fromkeys(f"Mens: \"{says}\"" for says in opened)),
        table(("mail", "outcome", "cost", "learner", "slope (95 %)", "gate", "would be contacted"), asked),
        "Hillstrom, the best of two mails and none: visits per customer less those of Mens to all (bar: at least -.002):",
        table(("cost of a contact", "chosen by", "difference (95 %)"), policy),
        "Hillstrom, effect promised of who was chosen (raw effect less cost above 0) / realised (bar: .8-1.25, half-width at most .35):",
        table(("outcome", "promised", "ratio (95 %)"), kept_promises),
    ])  # fmt: skip


def drawn(kept: Kept, draws: int, redraws: int, processes: int) -> str:
    """Bars 3 and 7, of companies whose truth is known."""
    rows = []
    for slope in SLOPES:
        count = draws if slope in (0.0, 1.0) else draws // 5  # those between are shown, and have no bar
        found = np.array(kept.measured(f"slope {slope}", partial(ask, slope), count, processes))
        holds = (
            f"{((found[:, 2] <= 1.0) & (found[:, 3] >= 1.0)).mean():.1%}"
            if slope
            else f"{(found[:, 2] <= 0).mean():.1%}"
        )
        rows.append((f"{slope:.1f}", f"{found[:, 0].mean():.1%} of {count}", f"{np.median(found[:, 1]):.2f}", holds))
    covered = np.array(kept.measured("redraw", redraw, redraws, processes))
    return "\n\n".join([
        f"Simulated company, {ROWS:,} contacts, half of them withheld; 20 % buy uncontacted (12 to 28 %, by three features and a hidden cause); 12 "
        f"features; effect {MEAN} + slope x {SPREAD} x (four features and the hidden cause, half of the spread each); a contact costs {COST}. Propensity: what the three "
        "features say of who buys uncontacted, one of which moves the effect too. Bar: the gate opens in at most 5 % at slope 0, at least 80 % at slope 1.",
        table(("slope", "gate opens", "slope found (median)", "its interval holds 1 (at slope 0: holds 0 or less)"), rows),
        f"Off-policy value of 2,000 customers' decisions among three actions, {redraws:,} redraws, {covered[:, 0].mean():.0f} effective: the 95 % interval covers the truth in "
        f"{covered[:, 1].mean():.1%} weighted, {covered[:, 2].mean():.1%} doubly robust (bar: 93.5-96.5 %).",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--redraws", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "tenure_effects.jsonl")
    parser.add_argument("--print", action="store_true")
    asked = parser.parse_args()
    kept = Kept(asked.kept)
    parts = [drawn(kept, asked.draws, asked.redraws, asked.processes)]
    if (DATA / "hillstrom").is_dir():
        parts.insert(0, real_data(kept))
    else:
        parts.append(f"Hillstrom was not measured: {DATA / 'hillstrom'} does not exist (set TENURE_TEST_DATA).")
    parts = [
        "Whom an action moves: rankings, gates, promises and intervals.",
        *parts,
        machine("scikit-learn", "lightgbm", "econml"),
    ]
    print("\n\n".join(parts))
    if not asked.print:
        write_section("Effects by customer", "\n\n".join(parts))


if __name__ == "__main__":
    main()

"""A company whose truth is known, living by Tenure's decisions: what share of what could be known its choices reach.

Three actions compete for the next order of each customer (lapse at 30 days). The first decision days draw them, and nothing, with
equal chances; facts come back, effects are learnt, and at each threshold of randomised contacts the choice that 09_decide would
make without chance is valued by the truth: paired rollouts of every customer and action. The ceiling is the choice by the same
learner from ``--ceiling`` randomised rows of a larger company of the same world.
Usage: python benchmarks/closed_loop.py [--worlds FIRST-LAST] [--slope 1.0] [--most 30000] [--scratch FOLDER]; resumable: a world
that is done is read from its file in the scratch folder.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from results import machine, table, write_section

from tenure.core.time_windows import next_month
from tenure.decisions.day import decide_moment
from tenure.decisions.document import read_policy
from tenure.decisions.ledger import read_decisions
from tenure.demo.company import TABLES, Company
from tenure.demo.true_effects import true_effects
from tenure.demo.world import World
from tenure.effects.model import EffectModel
from tenure.models.registry.registry import effect_name
from tenure.runs.closed_loop import Round, closed_loop
from tenure.scoring.ledger import MANUAL
from tenure.snapshots.rows import read_rows
from tenure.steps.decide import _asked, deciding_of
from tenure.steps.personal import effect_versions, personal_effects

SOURCE, MONTHS, HORIZON = "loop", 12, 30
ACTIONS = {"win_back": "email", "new_beans": "email", "care_call": "phone"}
SIZES = (5_000, 10_000, 20_000)
THRESHOLDS = (3_000, 10_000, 30_000, 100_000)
ROLLOUTS = 50


def toml(waves: int) -> str:
    """Write the loop's source: the demo's tables, one target, three actions that compete."""
    bundled = (Path(__file__).parents[1] / "src/tenure/sources/bundled/demo.toml").read_text(encoding="utf-8")
    head = bundled.split("# What the company can do.")[0].replace('name = "demo"', f'name = "{SOURCE}"')
    head += TABLES
    head += (
        f"\n[targets.lapse]\nhorizon_days = {HORIZON}\n\n[decisions]\nhold_out = 0.0\nexplore = 0.02\nwaves = {waves}\n"
    )
    for channel in dict.fromkeys(ACTIONS.values()):
        head += f'\n[channels.{channel}]\ncost = 0.0\nconsent = ""\n'
    for action, channel in ACTIONS.items():
        head += f'\n[actions.{action}]\nsays = "{action}"\nmoves = "lapse"\nwhen = "true"\nchannels = ["{channel}"]\neffect = 0.2\n'
    return head


def founded(root: Path, customers: int, seed: int, world: World, waves: int) -> tuple[Company, list[date]]:
    raw = root / "data" / "raw" / SOURCE
    company = Company.found(raw, customers=customers, months=MONTHS, seed=seed, world=world)
    (raw / "source.toml").write_text(toml(waves), encoding="utf-8")
    days = [company.today]
    for _ in range(waves + 2):
        days.append(next_month(days[-1]))
    return company, days


def lived(
    seed: int, slope: float, most: int, root: Path, ceiling: dict[str, EffectModel]
) -> Iterator[dict[str, object]]:
    """Live a world until it has ``most`` randomised contacts; => what is reached at each threshold."""
    customers, world = SIZES[seed % len(SIZES)], World(effect_slope=slope)
    waves = int(np.ceil(most / (0.45 * customers))) + 2
    company, days = founded(root, customers, seed, world, waves)
    left, drawn = [one for one in THRESHOLDS if one <= most], []
    learn_on: list[date] = []
    for each in closed_loop(SOURCE, company, days, workspace=root, learn_on=learn_on):
        certain = sum(count for day, count in drawn if day + timedelta(days=HORIZON) <= each.session.as_of)
        if each.effects is not None:
            yield {"contacts": certain, "customers": customers, "seed": seed, **judged(each, company, world, ceiling)}
            left = [one for one in left if one > certain]
        drawn.append((each.session.as_of, len(each.sent)))
        print(
            f"  {time.process_time():.0f} CPU s {each.session.as_of}: {len(each.sent):,} sent, {certain:,} certain",
            flush=True,
        )
        if not left:
            return
        coming = sum(count for day, count in drawn if day + timedelta(days=HORIZON) <= next_month(each.session.as_of))
        if coming >= left[0]:
            learn_on.append(next_month(each.session.as_of))


def judged(each: Round, company: Company, world: World, ceiling: dict[str, EffectModel]) -> dict[str, object]:
    """Value by the truth what would be chosen today, without chance, against what is simpler and the ceiling."""
    session = each.session
    hidden = company.hidden()
    policy = read_policy(session.source)
    versions = effect_versions(session, policy)
    personal = personal_effects(session, policy, versions)
    rules = replace(policy.rules, waves=0, explore=0.0, explore_total=0.0)
    plain = replace(policy, rules=rules)
    deciding = replace(deciding_of(session, plain, versions), kind=MANUAL, personal=personal)
    with _asked(session) as asked:
        path = decide_moment(deciding, asked)
    decided = read_decisions(
        session.workspace, SOURCE, MANUAL, as_of=session.as_of, columns=["customer_id", "action", "moves"]
    )
    path.unlink()
    scored = pd.read_parquet(session.output / "scored_customers.parquet", columns=["customer_id", "lapse_propensity"])
    asked_ids = scored.dropna().set_index("customer_id")["lapse_propensity"]
    truth = pd.DataFrame(
        {
            action: true_effects(
                hidden, action, channel, target="lapse", horizon_days=HORIZON, rollouts=ROLLOUTS, world=world
            )
            .set_index("customer_id")["effect"]
            .reindex(asked_ids.index)
            for action, channel in ACTIONS.items()
        }
    ).dropna()
    won = -truth  # fewer lapse
    chosen = decided.set_index("customer_id")["action"].reindex(won.index).fillna("nothing")
    best = won.mean().idxmax()
    contacted = chosen.ne("nothing")
    by_propensity = asked_ids.reindex(won.index).rank(ascending=False, method="first") <= contacted.sum()
    gains = {
        "policy": _value(won, chosen),
        "single": max(float(won[best].mean()), 0.0),
        "propensity": float(won[best].where(by_propensity, 0.0).mean()),
        "truth": float(won.max(axis=1).clip(lower=0).mean()),
        "ceiling": _value(won, _by_models(session, ceiling, won.index)) if ceiling else float("nan"),
    }
    dogs = won.lt(0).all(axis=1) | won.min(axis=1).lt(-0.03)
    said = {one.action: one for one in each.effects.learnt} if each.effects else {}
    kept = [_promise(session, personal, chosen, truth)]
    return gains | {
        "used": sorted(personal), "slopes": {name: one.fit.slope.value for name, one in said.items() if one.fit},
        "contacted": float(contacted.mean()), "dogs": float(dogs.mean()), "dogs_contacted": float(contacted[dogs].mean()),
        "promise": kept[0], "mean_of_contacted": float(_own(won, chosen)[contacted].mean()), "mean_of_open": float(won.to_numpy().mean()),
    }  # fmt: skip


def _own(won: pd.DataFrame, chosen: pd.Series) -> pd.Series:
    """Give the true gain of each customer's choice."""
    picked = won.assign(nothing=0.0)
    return pd.Series(picked.to_numpy()[np.arange(len(won)), picked.columns.get_indexer(chosen)], won.index)


def _value(won: pd.DataFrame, chosen: pd.Series) -> float:
    return float(_own(won, chosen).mean())


def _promise(session: object, personal: dict[str, pd.DataFrame], chosen: pd.Series, truth: pd.DataFrame) -> float:
    """Divide what was promised of the contacted by the truth; nan where nobody's own effect was used."""
    said = came = 0.0
    for action, own in personal.items():
        at = chosen.index[chosen == action]
        said, came = said + float(own["effect"].reindex(at).sum()), came + float(truth.loc[at, action].sum())
    return said / came if came else float("nan")


def _by_models(session: object, models: dict[str, EffectModel], customers: pd.Index) -> pd.Series:
    """Choose for each customer the action whose raw effect wins most, or nothing."""
    target = session.snapshots.targets["lapse"]
    rows = read_rows(session.snapshots, target, [session.as_of], session.snapshots.columns, labels=False).set_index(
        "customer_id"
    )
    won = pd.DataFrame({name: -model.effects(rows)["raw_effect"] for name, model in models.items()}).reindex(customers)
    return won.idxmax(axis=1).where(won.max(axis=1) > 0, "nothing")


def learnt_ceiling(root: Path, contacts: int, slope: float) -> dict[str, EffectModel]:
    """Learn each action's effect from very many randomised contacts of a larger company of the same world."""
    customers = 50_000
    world = World(effect_slope=slope)
    waves = int(np.ceil(contacts / (0.45 * customers)))
    company, days = founded(root, customers, 999, world, waves)
    last = days[waves + 1]
    for each in closed_loop(SOURCE, company, days[: waves + 3], workspace=root, learn_on=[last]):
        print(f"  ceiling {each.session.as_of}: {len(each.sent):,} sent", flush=True)
        if each.effects is not None:
            registry = each.session.registry
            return {
                name: registry.load_as(effect_name(SOURCE, name), version, EffectModel)
                for name, version in each.effects.versions.items()
            }
    return {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", default="1-20")
    parser.add_argument("--slope", type=float, default=1.0)
    parser.add_argument("--most", type=int, default=30_000)
    parser.add_argument("--ceiling", type=int, default=1_000_000)
    parser.add_argument("--scratch", type=Path, default=Path("closed_loop"))
    given = parser.parse_args()
    given.scratch.mkdir(parents=True, exist_ok=True)
    kept = given.scratch / f"ceiling-{given.slope}-{given.ceiling}"
    if given.ceiling and not kept.is_dir():
        began = time.process_time()
        models = learnt_ceiling(given.scratch / "ceiling", given.ceiling, given.slope)
        for name, model in models.items():
            model.save(kept / name)
        print(f"ceiling learnt in {time.process_time() - began:,.0f} CPU s")
    ceiling = {path.name: EffectModel.load(path) for path in sorted(kept.iterdir())} if given.ceiling else {}
    first, last = map(int, given.worlds.split("-"))
    rows = []
    for seed in range(first, last + 1):
        done = given.scratch / f"world-{seed}-{given.slope}-{given.most}.json"
        if not done.is_file():
            root, began = given.scratch / f"world-{seed}", time.process_time()
            shutil.rmtree(root, ignore_errors=True)
            found = list(lived(seed, given.slope, given.most, root, ceiling))
            done.write_text(json.dumps(found, indent=1))
            shutil.rmtree(root, ignore_errors=True)
            print(f"world {seed}: {time.process_time() - began:,.0f} CPU s", flush=True)
        rows += json.loads(done.read_text())
        print(pd.DataFrame(rows).to_string(), flush=True)
    write_section(f"Closed loop, slope {given.slope:g}", report(pd.DataFrame(rows), given.ceiling))


def report(found: pd.DataFrame, ceiling: int) -> str:
    found["at least"] = [max(one for one in (0, *THRESHOLDS) if one <= contacts) for contacts in found["contacts"]]
    lines = []
    for least, own in found.groupby("at least"):
        gain = own["policy"] - own["single"]
        share = gain.sum() / (own["ceiling" if ceiling else "truth"] - own["single"]).sum()
        lines.append(
            (
                f"{least:,}", str(len(own)), f"{100 * own['single'].mean():.2f}", f"{100 * own['policy'].mean():.2f}",
                f"{100 * own['propensity'].mean():.2f}", f"{100 * own['ceiling'].mean():.2f}", f"{100 * own['truth'].mean():.2f}",
                f"{share:.2f}", f"{own['promise'].mean():.2f}", f"{(own['dogs_contacted'] / own['contacted']).mean():.2f}",
                f"{(own['used'].map(len) > 0).mean():.0%}",
            )
        )  # fmt: skip
    head = (
        "Randomised contacts", "Worlds", "Best single", "Chosen", "By propensity", f"Ceiling ({ceiling:,} rows)", "Truth's choice",
        "Share of the ceiling" if ceiling else "Share of the truth's choice", "Promised ÷ came", "Sleeping dogs contacted ÷ all", "Own effects used",
    )  # fmt: skip
    said = (
        "Orders won per 100 customers asked (lapse at 30 days), by paired rollouts of every customer and action; share: "
        "(chosen − best single) ÷ (ceiling − best single). "
    )
    return f"{said}{machine('tenure')}\n\n{table(head, lines)}"


if __name__ == "__main__":
    main()

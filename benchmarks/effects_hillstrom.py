"""Effects on Hillstrom's randomised mails: what ``effects.py`` prints of them.

5 x 2 folds by customer: what is learnt on one half is judged on the other. Intervals by drawing customers, each with
their influence over all folds.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from measure import DATA
from tenure.effects.estimate import Estimate, from_influence
from tenure.effects.gate import judge
from tenure.effects.learner import EffectFit, fit_effect
from tenure.effects.off_policy import value_of_policy
from tenure.effects.policy_value import area
from tenure.effects.slope import pseudo_outcomes

FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
MAILS = ("Womens E-Mail", "Mens E-Mail")
OUTCOMES = {"visit": "share", "spend": "currency"}
COSTS = {"visit": 0.08, "spend": 0.5}  # of a contact, in the outcome's unit: those of the reference
REPEATS = 5


def contacts() -> pd.DataFrame:
    raw = pd.read_parquet(DATA / "hillstrom" / "hillstrom.parquet")
    return raw.assign(customer_id=raw.index, chance=1 / 3)


def assigned(raw: pd.DataFrame, mail: str, outcome: str) -> pd.DataFrame:
    """One mail against none: the rows as the learner takes them."""
    own = raw[raw["segment"].isin([mail, "No E-Mail"])]
    return own.assign(is_treated=own["segment"] == mail, chance=0.5, outcome=own[outcome].astype(float))


def halves(raw: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    for repeat in range(REPEATS):
        first = np.random.default_rng([3, repeat]).random(len(raw)) < 0.5
        yield raw[first], raw[~first]
        yield raw[~first], raw[first]


def pooled(parts: list[tuple[pd.Index, float, np.ndarray]]) -> Estimate:
    """Average estimates over folds, by each customer's influence over all: customers, value, influence x rows."""
    summed = pd.concat([pd.Series(influence / len(where), index=where) for where, _, influence in parts])
    by_customer = summed.groupby(level=0).sum() / len(parts)
    value = float(np.mean([value for _, value, _ in parts]))
    return from_influence(value, by_customer * len(by_customer), by_customer.index)


def rankings(fitting: pd.DataFrame, held_out: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """Every way to rank who is mailed."""
    fit = fit_effect(fitting, FEATURES, unit="share", seed=seed)
    design = fit.design.transform(held_out)
    found = {"random": np.random.default_rng(seed).random(len(held_out)), "Tenure": fit.predict(held_out)}
    found["response model"] = fit.learner.arms(design)[0]
    try:
        from econml.grf import CausalForest
    except ImportError:
        return found
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    inside, visits = fit.design.transform(fitting), fitting["outcome"].to_numpy()
    expected = cross_val_predict(LogisticRegression(), inside, visits, cv=2, method="predict_proba")[:, 1]
    forest = CausalForest(n_estimators=500, min_samples_leaf=100, max_samples=0.45, n_jobs=1, random_state=seed)
    forest.fit(inside, fitting["is_treated"].to_numpy(float) - 0.5, visits - expected)
    return found | {"econml causal forest": forest.predict(design).ravel()}


def rank_mail(mail: str) -> dict[str, list[float]]:
    """Measure each ranking's Qini per 1,000, and Tenure's less each other's."""
    raw, parts = assigned(contacts(), mail, "visit"), {}
    for number, (fitting, held_out) in enumerate(halves(raw)):
        gains = np.where(held_out["is_treated"], 2, -2) * held_out["outcome"].to_numpy()
        areas = {name: area(one, gains, 1.0) for name, one in rankings(fitting, held_out, number).items()}
        for name, (value, influence) in areas.items():
            parts.setdefault(name, []).append((held_out.index, value, influence))
            ahead = areas["Tenure"][0] - value, areas["Tenure"][1] - influence
            parts.setdefault(f"Tenure less {name}", []).append((held_out.index, *ahead))
    return {name: [*vars(pooled(own)).values()] for name, own in parts.items() if name != "Tenure less Tenure"}


def gates(mail: str, outcome: str) -> list:
    """Ask whether to choose by effect, at three costs. => kind, slope, and by cost: passes, contacted, sentence"""
    rows = assigned(contacts(), mail, outcome)
    fit = fit_effect(rows, FEATURES, unit=OUTCOMES[outcome])
    asked = [(cost, judge(fit, rows, cost=cost)) for cost in (0.0, 0.6 * COSTS[outcome], COSTS[outcome])]
    return [fit.kind, str(fit.slope), [(cost, gate.passes, gate.contacted, gate.says) for cost, gate in asked]]


def fits(raw: pd.DataFrame, outcome: str) -> dict[str, tuple[EffectFit, pd.DataFrame]]:
    parts = {mail: assigned(raw, mail, outcome) for mail in MAILS}
    return {mail: (fit_effect(own, FEATURES, unit=OUTCOMES[outcome]), own) for mail, own in parts.items()}


def three_actions(outcome: str, cost: float, *, gated: bool) -> list[float]:
    """Choose the best of two mails and none, by effects that passed, else means. => value less Mens to all"""
    raw, parts = contacts(), []
    for fitting, held_out in halves(raw):
        effects, expected = {"No E-Mail": np.zeros(len(held_out))}, {}
        for mail, (fit, own) in fits(fitting, outcome).items():
            passed = not gated or judge(fit, own, cost=cost).passes
            effects[mail] = (fit.predict(held_out) if passed else np.full(len(held_out), fit.mean.value)) - cost
            expected[mail], expected["No E-Mail"] = fit.learner.arms(fit.design.transform(held_out))
            expected[mail] = expected[mail] - cost
        values = pd.DataFrame(effects, index=held_out.index)
        chosen, always = (pd.get_dummies(one).reindex(columns=values.columns, fill_value=False).astype(float)
                          for one in (values.idxmax(axis=1), pd.Series(MAILS[1], index=held_out.index)))  # fmt: skip
        logged = held_out.assign(
            action=held_out["segment"], reward=held_out[outcome] - cost * (held_out["segment"] != "No E-Mail")
        )
        best, mens = (value_of_policy(logged, policy, expected=pd.DataFrame(expected)) for policy in (chosen, always))
        ahead = best.scores - mens.scores
        parts.append((held_out.index, float(ahead.mean()), ahead - ahead.mean()))
    return [*vars(pooled(parts)).values()]


def promise(outcome: str, *, calibrated: bool) -> list[float]:
    """Choose by raw effect less cost among two mails and none; divide the effect promised of them by the realised one.

    The interval counts a customer's part in what is realised, and in the mean effect that the other half promises.
    """
    raw, cost = contacts(), COSTS[outcome]
    said, won, said_by, won_by = [], [], [], []
    for fitting, held_out in halves(raw):
        learnt = fits(fitting, outcome)
        effects = np.column_stack([fit.predict(held_out) for fit, _ in learnt.values()])
        best = np.where(effects.max(axis=1) > cost, effects.argmax(axis=1), -1)
        gained, told = np.zeros(len(held_out)), np.zeros(len(held_out))
        for place, (mail, (fit, own)) in enumerate(learnt.items()):
            in_test = held_out["segment"].isin([mail, "No E-Mail"]).to_numpy()
            rows, mine = assigned(held_out, mail, outcome), best == place
            given = (rows[name].to_numpy() for name in ("outcome", "is_treated", "chance"))
            found = pseudo_outcomes(*given, *fit.learner.arms(fit.design.transform(rows)))
            gained[in_test] += found * mine[in_test] * len(held_out) / in_test.sum()
            told += mine * (fit.calibrated(effects[:, place]) if calibrated else effects[:, place])
            said_by.append((own.index, mine.mean() * (fit.pseudo - fit.mean.value) / len(own)))
        said.append(told.mean())
        won.append(gained.mean())
        said_by.append((held_out.index, (told - told.mean()) / len(held_out)))
        won_by.append((held_out.index, (gained - gained.mean()) / len(held_out)))
    moved, won_moved = (
        pd.concat([pd.Series(values, index=where) for where, values in parts]).groupby(level=0).sum() / len(said)
        for parts in (said_by, won_by)
    )
    ratio = float(np.mean(said) / np.mean(won))
    influence = moved.sub(ratio * won_moved, fill_value=0) / np.mean(won) * len(moved)
    return [*vars(from_influence(ratio, influence, influence.index)).values()]

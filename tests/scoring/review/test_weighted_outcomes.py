"""Forecast vs. outcome where actions followed the scores: hold-out and withheld stand for all, by 1/chance."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from tables import staged
from tenure.core.auc import auc_with_interval
from tenure.core.workspace import Workspace
from tenure.scoring.ledger import append_to_ledger
from tenure.scoring.review.expected import expected_interval
from tenure.scoring.review.outcomes import find_outcomes
from tenure.scoring.score import Scores
from tenure.snapshots.build import Snapshots
from tenure.sources.source import parse_source
from tenure.targets.catalogue import targets_of

TOML = 'name = "shop"\n[targets.lapse]\nhorizon_days = 30\neligible_days = 90\n'
LAPSE = targets_of(parse_source(TOML, name="shop", where="here"))["lapse"]
SCORED, TODAY = date(2024, 4, 1), date(2024, 6, 15)
CHANCE_OF_NOTHING = 0.15


@pytest.fixture
def world():
    """A perfect model of 4,000 customers: the top tenth is drawn for an action that saves half of those it reaches."""
    generator = np.random.default_rng(3)
    people = pd.DataFrame({"customer_id": [f"c{n:04d}" for n in range(4000)]})
    people["propensity"] = np.sort(generator.beta(0.8, 3, len(people)))[::-1]
    people["lapses"] = generator.random(len(people)) < people["propensity"]
    is_open = np.arange(len(people)) < len(people) // 10
    people["is_sent"] = is_open & (generator.random(len(people)) >= CHANCE_OF_NOTHING)
    people["weight"] = np.where(is_open, 1 / CHANCE_OF_NOTHING, 1.0)
    people["is_saved"] = people["is_sent"] & (generator.random(len(people)) < 0.5)
    return people


def review(root, people, *, sent, untouched=None):
    """Stage what the people did, score them by the perfect model, compare; ``sent``: whether the action was carried out."""
    lapsed = people["lapses"] & ~people["is_saved"] if sent else people["lapses"]
    orders = [f"{c} 2024-03-10 {c}a 1 5" for c in people["customer_id"]]
    orders += [f"{c} 2024-04-10 {c}b 1 5" for c in people["customer_id"][~lapsed]] + ["zoe 2024-06-14 z 1 5"]
    tables = {"order_lines": ("customer_id occurred_at order_id quantity amount", *orders)}
    if sent:
        contacts = [f"{c} 2024-04-02 save" for c in people["customer_id"][people["is_sent"]]]
        tables["contacts"] = ("customer_id occurred_at campaign_id", *contacts)
    table = people[["customer_id", "propensity"]].assign(
        decile=np.arange(len(people)) // 400 + 1, heuristic_score=0.0, model_version="1"
    )
    append_to_ledger(
        Workspace(root), Scores(pd.DataFrame(), {"lapse": table}, targets={"lapse": LAPSE}), source="shop", as_of=SCORED,
        run_id="r", run_kind="scheduled", scored_at=datetime.fromisoformat("2024-04-01"),
    )  # fmt: skip
    snapshots = Snapshots(Workspace(root), staged(root, TOML, **tables), TODAY)
    (outcome,), problems = find_outcomes(snapshots, lambda *_: None, lambda as_of, end: untouched)
    assert not problems
    return outcome


def test_a_perfect_model_looks_worse_without_the_contacted_and_right_with_those_left_alone_by_chance(tmp_path, world):
    untouched = world.loc[~world["is_sent"], ["customer_id", "weight"]]
    without = review(tmp_path / "a", world, sent=False)
    dropped = review(tmp_path / "b", world, sent=True)
    weighted = review(tmp_path / "c", world, sent=True, untouched=untouched)
    truth = roc_auc_score(world["lapses"], world["propensity"])
    assert without.auc.value == pytest.approx(truth) and without.effective is None
    assert dropped.auc.high < truth and dropped.auc.value < truth - 0.025, "the contacted were the easy ones"
    assert weighted.auc.low < truth < weighted.auc.high
    assert abs(weighted.auc.value - truth) < 0.015
    assert weighted.is_as_expected and weighted.contacted == world["is_sent"].sum() == dropped.contacted
    assert weighted.expected == pytest.approx(world["propensity"].sum(), rel=0.1), "counts are of all who were scored"
    assert weighted.deciles["expected"][0] == pytest.approx(world["propensity"][:400].sum(), rel=0.3)
    assert weighted.customers > weighted.effective > weighted.customers / 4
    assert 0.8 < weighted.calibration_slope < 1.2


def test_weights_count_as_so_many_alike_rows():
    labels, scores, counts = np.array([1, 0, 1, 0, 0, 1]), np.array([5, 4, 3, 3, 1, 0]), np.array([1, 2, 3, 1, 4, 2])
    found = auc_with_interval(labels, scores, counts)
    assert found.value == pytest.approx(roc_auc_score(np.repeat(labels, counts), np.repeat(scores, counts)))
    assert auc_with_interval(labels, scores, np.full(6, 7.0)) == auc_with_interval(labels, scores)


def test_the_interval_of_a_weighted_count_is_wider_than_that_of_as_many_drawn_one_by_one():
    low, high = expected_interval(np.full(50, 0.2), np.full(50, 20.0))
    assert (low, high) == (20 * binom.ppf(0.025, 50, 0.2), 20 * binom.ppf(0.975, 50, 0.2))
    one, other = expected_interval(np.full(1000, 0.2))
    assert low < one < other < high
    draws = np.random.default_rng(1).random((20_000, 60)) < 0.3
    weights = np.r_[np.full(40, 1.0), np.full(20, 8.0)]
    low, high = expected_interval(np.full(60, 0.3), weights)
    assert 0.94 < np.mean((draws @ weights >= low) & (draws @ weights <= high)) < 0.98

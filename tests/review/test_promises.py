"""Promises of the ledger, joined with what came true."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.review.promises import expected_interval, find_promises, promise_alerts
from tenure.snapshots import Snapshots
from tenure.workspace import Workspace

CUSTOMERS = [f"c{n:03d}" for n in range(100)]
TOML = 'name = "shop"\n[targets.lapse]\nhorizon_days = 30\neligible_days = 90\n'
SCORED, LATER, TODAY = date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 15)


def shop(root, **more):
    """A hundred customers who order in March; every second one again in April, and those again in May."""
    orders = [f"{c} 2024-03-10 {c}a 1 5" for c in CUSTOMERS]
    orders += [f"{c} 2024-04-10 {c}b 1 5" for c in CUSTOMERS[::2]] + [
        f"{c} 2024-05-10 {c}c 1 5" for c in CUSTOMERS[::4]
    ]
    orders += ["zoe 2024-06-14 z 1 5"]
    tables = {"order_lines": ("customer_id occurred_at order_id quantity amount", *orders)} | more
    return Snapshots(Workspace(root), staged(root, TOML, **tables), TODAY)


def score(root, as_of, propensity, kind="scheduled", at="2024-04-01", file="1", rule=0.0):
    folder = root / "data" / "scores" / "source=shop" / "target=lapse" / f"as_of={as_of}"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "customer_id": CUSTOMERS, "propensity": propensity, "decile": np.arange(100) // 10 + 1, "rule_score": rule,
            "model_version": "1", "run_id": "r", "run_kind": kind, "is_hindsight": False, "scored_at": datetime.fromisoformat(at),
        }
    ).to_parquet(folder / f"{kind}-{file}.parquet")  # fmt: skip


def test_a_promise_is_compared_with_what_came_true(tmp_path):
    score(tmp_path, SCORED, 0.5)
    (promise,) = find_promises(shop(tmp_path))
    assert (promise.customers, promise.expected, promise.realised, promise.is_kept) == (100, 50.0, 50, True)
    assert promise.contacted is None, "the shop does not say whom it contacted"
    assert list(promise.deciles["realised"]) == [5] * 10 and list(promise.deciles["lift"]) == [1.0] * 10


def test_whom_the_rule_knows_nothing_of_stands_in_its_middle_as_in_training(tmp_path):
    # Every odd customer lapses, and the rule says so; of the others it knows half. In the middle, which is 1, these tie.
    score(tmp_path, SCORED, 0.5, rule=[[0.0, 1.0, np.nan, 1.0][n % 4] for n in range(100)])
    (promise,) = find_promises(shop(tmp_path))
    assert promise.to_rule.value == pytest.approx(0.5 - 0.75)


def test_contacted_customers_are_left_out_and_controls_are_not(tmp_path):
    contacts = [f"{c} 2024-04-05 x {'control' if n < 5 else 'treated'}" for n, c in enumerate(CUSTOMERS[1:21:2])]
    score(tmp_path, SCORED, 0.5)
    snapshots = shop(tmp_path, contacts=("customer_id occurred_at campaign_id arm", *contacts))
    (promise,) = find_promises(snapshots)
    assert (promise.contacted, promise.customers, promise.realised) == (5, 95, 45)


def test_the_first_scheduled_scores_count_not_later_ones_nor_tries_by_hand(tmp_path):
    score(tmp_path, SCORED, 0.9, kind="manual", at="2024-04-01")
    score(tmp_path, SCORED, 0.5, at="2024-04-02", file="9")
    score(tmp_path, SCORED, 0.7, at="2024-04-03", file="1")
    (promise,) = find_promises(shop(tmp_path))
    assert promise.expected == pytest.approx(50)


def test_scores_whose_outcomes_are_not_certain_are_left_for_later(tmp_path):
    score(tmp_path, date(2024, 5, 20), 0.5)
    assert find_promises(shop(tmp_path)) == []


def test_one_missed_promise_is_no_alarm_two_in_a_row_are(tmp_path):
    score(tmp_path, LATER, 0.2)
    once = find_promises(shop(tmp_path))
    assert not once[0].is_kept and promise_alerts(once) == []
    score(tmp_path, SCORED, 0.2)
    (alert,) = promise_alerts(find_promises(shop(tmp_path)))
    assert str(alert).startswith(
        "warning: lapse: promised too little at 2024-04-01 and at 2024-05-01: 20 expected (12-28)"
    )


def test_the_expected_interval_is_the_binomials_where_all_propensities_are_equal():
    from scipy.stats import binom

    assert expected_interval(np.full(100, 0.2)) == tuple(binom(100, 0.2).ppf([0.025, 0.975]))

"""Every leak planted here is caught, and named; a clean source raises nothing."""

import random
from datetime import date, timedelta

import numpy as np
import pandas as pd

from tables import staged
from tenure.audit.audit import audit_training
from tenure.audit.perturbation import perturb_future
from tenure.audit.replay import replay, unproven_features
from tenure.audit.split import split_problems
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.training_result import train_target
from tenure.models.verdict import Gate, judge, stands_on_proof
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.staged_facts import StagedFacts
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

AS_OF = date(2024, 1, 1)
FIRST = Gate("better than the champion", True, "no version is champion yet", "first")
CUTOFF = date(2023, 9, 1)
MAPPED = """
[order_lines]
from = "sales.csv"
customer_id = "customer_id"
occurred_at = "occurred_at"
order_id = "order_id"
quantity = "quantity"
amount = "amount"
"""
LAPSE = """
[targets.lapse]
horizon_days = 60
eligible_days = 90
"""
DECLARED = '[raw."sales.csv"]\nknown_at = "{}"\n'


def buyers():
    """Customers who order at their own pace until a hidden last day."""
    dice = random.Random(3)
    rows, last = [], {}
    for n in range(400):
        day = date(2022, 9, 1) + timedelta(days=dice.randrange(200))
        stop = date(2023, 1, 1) + timedelta(days=dice.randrange(420))
        pace = dice.choice([6, 12, 25])
        while day < min(stop, AS_OF):
            rows.append((f"c{n:03d}", day, day, f"o{len(rows)}", 1, dice.randrange(5, 90)))
            last[f"c{n:03d}"] = day
            day += timedelta(days=1 + int(dice.expovariate(1 / pace)))
    return rows, last


def shop(root, toml, rows, *, file="sales.csv", customers=None):
    workspace = Workspace(root)
    folder = workspace.raw("shop")
    folder.mkdir(parents=True)
    names = ["customer_id", "occurred_at", "known_at", "order_id", "quantity", "amount"]
    pd.DataFrame(rows, columns=names).to_csv(folder / file, index=False)
    if customers is not None:
        customers.to_csv(folder / "customers.csv", index=False)
    (folder / "source.toml").write_text(toml, encoding="utf-8")
    return Snapshots(workspace, stage_source(workspace, read_source(workspace, "shop")), AS_OF)


def audited(snapshots):
    settings = TrainingSettings(learning_rate=0.1, max_trees=60, early_stopping_trees=10, folds=3)
    result = train_target(snapshots, snapshots.targets["lapse"], settings)
    audit = audit_training(snapshots, result)
    return result, audit


def test_facts_to_come_of_every_kind_are_changed(tmp_path):
    people = "customer_id occurred_at system record_id first_name birth_date email is_email_verified"
    rows = (
        "ana 2023-01-05 shop 1 ana 1980-02-29 - true",
        "ana 2023-10-05 web 1 ana - ana@mail.de -",
        "bo 2023-10-09 web 2 - 1990-12-31 - false",
    )
    orders = ("ana 2023-08-05 o1 5", "bo 2023-08-06 o2 5", "ana 2023-11-05 o3 7")
    facts = staged(tmp_path, order_lines=("customer_id occurred_at order_id amount", *orders), records=(people, *rows))
    found = perturb_future(Snapshots(Workspace(tmp_path), facts, AS_OF), CUTOFF)
    assert (found.left_out, len(found.differing)) == (3, 0)


def test_a_clean_source_raises_nothing_and_every_feature_is_proven(tmp_path):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows)
    result, audit = audited(snapshots)
    assert [str(problem) for problem in audit.errors] == [] and audit.unproven == []
    assert [check["differing"] for check in audit.checks] == [0, 0, 0, 0]
    assert all(check["left_out"] > 0 for check in audit.checks)
    assert result.plan.fitting


def test_a_file_that_does_not_say_when_a_row_was_known_leaves_its_features_unproven(tmp_path):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + LAPSE, rows)
    assert {"count_orders_90d", "order_pace", "order_gap_ratio"} <= set(unproven_features(snapshots))


def test_an_end_date_in_a_customer_table_is_named_as_too_good_alone(tmp_path):
    rows, last = buyers()
    ended = {c: d for c, d in last.items() if d < AS_OF - timedelta(days=60)}
    customers = pd.DataFrame({"customer_id": sorted(last), "closed_on": [ended.get(c) for c in sorted(last)]})
    customers["days_since_2020"] = pd.to_datetime(customers["closed_on"]).sub(pd.Timestamp(2020, 1, 1)).dt.days
    snapshots = shop(
        tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows, customers=customers.drop(columns="closed_on")
    )
    result, audit = audited(snapshots)
    named = [f.subject for f in audit.errors if f.code == "too_good_alone"]
    assert named == ["customer_days_since_2020"] and "customer_days_since_2020" in audit.unproven
    verdict = judge(
        result.evaluation, FIRST, taken=result.choice.taken, baseline=result.choice.baseline, words=result.choice.words, audit_errors=[str(problem) for problem in audit.errors], proof=stands_on_proof(audit.carried_unproven, is_required=False), slices=result.slices,
        seconds_per_1000_rows=0.1, megabytes=1.0,
    )  # fmt: skip
    assert not verdict.is_promotable and "customer_days_since_2020" in verdict.reason


def test_a_late_correction_taken_early_is_caught_by_the_replay(tmp_path):
    rows, _ = buyers()
    # Three weeks later the till finds an order it had missed; the mapping forgets known_at, the file declares it.
    late = [(c, d, d + timedelta(days=21) if n % 5 == 0 else d, o, q, a) for n, (c, d, _, o, q, a) in enumerate(rows)]
    forgetful = MAPPED + 'known_at = "occurred_at"\n' + DECLARED.format("known_at") + LAPSE
    assert "count_orders_90d" in set(replay(shop(tmp_path / "a", forgetful, late), CUTOFF).differing["feature"])
    honest = MAPPED + DECLARED.format("known_at") + LAPSE
    assert replay(shop(tmp_path / "b", honest, late), CUTOFF).differing.empty


def test_a_column_derived_from_the_future_by_a_query_is_caught_by_the_replay(tmp_path):
    rows, _ = buyers()
    toml = f"""
[order_lines]
query = '''SELECT customer_id, occurred_at, order_id, quantity,
  amount + CASE WHEN lead(occurred_at) OVER (PARTITION BY customer_id ORDER BY occurred_at) IS NULL THEN 1000 ELSE 0 END AS amount
  FROM sales'''
{DECLARED.format("known_at")}{LAPSE}"""
    found = replay(shop(tmp_path, toml, rows), CUTOFF)
    assert "order_amount_90d" in set(found.differing["feature"])
    assert "count_orders_90d" not in set(found.differing["feature"])
    assert "order_amount_90d: differs for" in str(found.problems()[0]) or len(found.problems()) > 1


def test_a_window_that_includes_the_cutoff_day_is_caught_by_replay_and_perturbation(tmp_path, monkeypatch):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows)
    right = StagedFacts.observed

    def wrong(self, *asked):
        sql = right(self, *asked)
        return sql.replace(
            "f.occurred_at < c.cutoff AND f.known_at < c.cutoff", "f.occurred_at < c.cutoff + INTERVAL 1 DAY"
        )

    monkeypatch.setattr(StagedFacts, "observed", wrong)
    monkeypatch.setattr("tenure.snapshots.engines.duckdb_engine.BUCKETS_FROM", 10**12)  # all windows are read that way
    assert {"count_orders_90d", "order_amount_90d"} <= set(replay(snapshots, CUTOFF).differing["feature"])
    assert "order_amount_90d" in set(perturb_future(snapshots, CUTOFF).differing["feature"])


def test_a_random_split_of_rows_is_named(tmp_path):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows)
    target = snapshots.targets["lapse"]
    plan = snapshots.plan(target)
    assert split_problems(target, plan.fitting, plan.test) == []
    shuffled = [*plan.fitting, plan.test]
    (found,) = split_problems(target, shuffled, plan.test)
    assert found.level == "error" and "1 of" in found.found and "never by row" in found.to_do


def test_a_renewal_date_that_gives_the_label_away_is_named_as_too_good_alone(tmp_path):
    rows, last = buyers()
    horizon = pd.DataFrame(
        {"customer_id": sorted(last), "renews_on": [(last[c] + timedelta(days=30)).toordinal() for c in sorted(last)]}
    )
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows, customers=horizon)
    _, audit = audited(snapshots)
    assert [f.subject for f in audit.errors] == ["customer_renews_on"]


def test_perturbation_changes_what_it_says(tmp_path):
    rows, _ = buyers()
    snapshots = shop(tmp_path, MAPPED + DECLARED.format("known_at") + LAPSE, rows)
    found = perturb_future(snapshots, CUTOFF)
    future = np.sum([row[1] >= CUTOFF for row in rows])
    assert found.left_out == future and found.differing.empty

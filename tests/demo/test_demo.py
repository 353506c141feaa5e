"""The demo company: reproducible, plausible, and with a truth that can be trusted."""

from datetime import date

import duckdb
import pandas as pd
import pytest

from tenure.core.auc import auc_with_interval
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo, true_probabilities
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

RANGES = {"churn": (0.04, 0.08), "upsell": (0.03, 0.065), "lapse": (0.15, 0.35)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("demo"))
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=2500, seed=21)
    staged = stage_source(workspace, read_source(workspace, "demo"))
    return Snapshots(workspace, staged, staged.default_as_of)


def facts(snapshots, table, query):
    return duckdb.sql(f"SELECT {query} FROM '{snapshots.staged.path(table)}'").fetchall()


def test_nothing_of_the_demo_is_rejected_and_every_target_can_be_asked(demo):
    assert sum(table.rejected for table in demo.staged.tables.values()) == 0
    assert set(demo.targets) >= {"churn", "convert", "upsell", "lapse"} and str(demo.as_of) == "2026-01-01"


def test_no_fact_is_known_before_it_happened_and_some_are_known_late(demo):
    for table in demo.staged.dated:
        assert facts(demo, table, "count(*) FILTER (WHERE known_at < occurred_at)") == [(0,)]
    assert facts(demo, "payments", "count(*) FILTER (WHERE known_at > occurred_at)")[0][0] > 0
    assert facts(demo, "subscription_events", "count(*) FILTER (WHERE known_at > occurred_at)")[0][0] > 0


def test_an_ended_subscription_never_appears_again(demo):
    path = demo.staged.path("subscription_events")
    later = duckdb.sql(
        f"SELECT count(*) FROM '{path}' a JOIN '{path}' b USING (subscription_id) WHERE a.event = 'ended' AND b.occurred_at > a.occurred_at"
    ).fetchall()
    assert later == [(0,)]


@pytest.mark.parametrize("target", sorted(RANGES))
def test_base_rate_truth_and_rule_lie_where_they_should(demo, target):
    asked = demo.targets[target]
    plan = demo.plan(asked)
    table = read_rows(demo, asked, [plan.test], [])
    low, high = RANGES[target]
    # 2,500 customers: the rate itself has an interval of about a percent point.
    assert low - 0.01 < table["label"].mean() < high + 0.01
    truth = true_probabilities(
        demo.workspace.truth("demo"),
        target=target,
        cutoff=plan.test,
        rollouts=100,
        customer_ids=list(table["customer_id"]),
    )
    joined = table.merge(truth, on="customer_id")
    best = auc_with_interval(joined["label"].to_numpy(), joined["probability"].to_numpy())
    rule = auc_with_interval(joined["label"].to_numpy(), joined["heuristic_score"].fillna(0).to_numpy())
    assert best.high > 0.75 and best.low < 0.88
    assert best.value > rule.value + 0.03
    # The truth is a probability, not only a ranking.
    assert joined["probability"].mean() == pytest.approx(joined["label"].mean(), abs=0.03)


def test_at_least_a_third_of_churn_shows_no_payment_signal(demo):
    events, payments = demo.staged.path("subscription_events"), demo.staged.path("payments")
    ((share,),) = duckdb.sql(
        f"""SELECT 1 - avg(CAST(failed AS INTEGER)) FROM (
        SELECT e.customer_id, e.occurred_at, count(p.customer_id) > 0 AS failed FROM '{events}' e
        LEFT JOIN '{payments}' p ON p.customer_id = e.customer_id AND p.status = 'failed'
            AND p.occurred_at BETWEEN e.occurred_at - INTERVAL 60 DAY AND e.occurred_at
        WHERE e.event = 'ended' AND e.end_reason <> 'trial not continued' GROUP BY 1, 2)"""
    ).fetchall()
    assert share > 1 / 3


def test_the_same_seed_gives_the_same_company_and_more_months_begin_the_same(tmp_path):
    tables = {}
    for name, months in (("short", 7), ("again", 7), ("long", 8)):
        generate_demo(tmp_path / name, tmp_path / f"{name}-truth", customers=120, months=months, seed=3)
        tables[name] = {p.stem: pd.read_parquet(p) for p in (tmp_path / name).glob("*.parquet")}
    end = pd.Timestamp("2024-08-01")
    for table, short in tables["short"].items():
        pd.testing.assert_frame_equal(short, tables["again"][table])
        if "known_at" in short:
            longer = tables["long"][table]
            longer = longer[(longer["known_at"] < end) & (longer["occurred_at"] < end)]
            assert len(longer) == len(short[short["occurred_at"] < end])


def test_the_truth_refuses_a_day_it_does_not_know(demo):
    with pytest.raises(ValueError, match="firsts of the months"):
        true_probabilities(demo.workspace.truth("demo"), target="churn", cutoff=date(2025, 3, 2))

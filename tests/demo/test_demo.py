"""The demo company: reproducible, plausible, and with a truth that can be trusted."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from tenure.core.auc import auc_with_interval
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo, true_probabilities
from tenure.demo.state import LIVE, State
from tenure.demo.truth import hidden_at, is_asked, roll_out
from tenure.demo.world import World
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

RANGES = {"churn": (0.04, 0.08), "upsell": (0.03, 0.06), "lapse": (0.15, 0.35)}


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


def test_an_ended_subscription_never_appears_again_unless_it_starts_in_that_instant(demo):
    path = demo.staged.path("subscription_events")
    later = duckdb.sql(
        f"""SELECT count(*) FROM '{path}' a SEMI JOIN '{path}' b ON a.event = 'ended'
        AND b.subscription_id = a.subscription_id AND b.occurred_at > a.occurred_at
        ANTI JOIN '{path}' c ON c.event = 'started' AND c.subscription_id = a.subscription_id AND c.occurred_at = a.occurred_at"""
    ).fetchall()
    assert later == [(0,)]


# Of the subscribers, who ever: SQL over one customer's events, and between which shares.
KINDS = {
    "pays by quarter": ("bool_or(term_days = 90)", 0.05, 0.11),
    "pays by year": ("bool_or(term_days = 365)", 0.03, 0.09),
    "pauses": ("bool_or(event = 'paused')", 0.015, 0.045),
    "pauses and resumes": ("bool_or(event = 'resumed')", 0.01, 0.04),
    "pauses and never resumes": (
        "coalesce(max(occurred_at) FILTER (WHERE event = 'paused') > max(occurred_at) FILTER (WHERE event <> 'ended' AND event <> 'paused'), false)",
        0.001, 0.02,
    ),
    "switches the plan or the term in one instant": ("bool_or(end_reason = 'plan switched')", 0.01, 0.05),
    "has a second subscription or its trial": ("count(DISTINCT plan = 'Beans') = 2", 0.02, 0.06),
    "ends the trial of a second subscription": (
        "bool_or(plan = 'Beans' AND end_reason = 'trial not continued')", 0.002, 0.02,
    ),
    "renews the second on another day": (
        "len(list_intersect(list(day(occurred_at)) FILTER (WHERE plan = 'Beans' AND event = 'renewed'), "
        "list(day(occurred_at)) FILTER (WHERE plan <> 'Beans' AND event = 'renewed'))) = 0", 0.005, 0.05,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_customer_is_a_small_share_of_the_company(demo, kind):
    does, low, high = KINDS[kind]
    ((share,),) = duckdb.sql(
        f"""SELECT avg(coalesce(does, false)::INTEGER) FROM (
        SELECT {does} AS does FROM '{demo.staged.path("subscription_events")}' GROUP BY customer_id)"""
    ).fetchall()
    assert low < share < high


# What is paid at the cutoff, what happens in the window and the grace after it, but for renewals and plan changes; churned?
STORIES = {
    ("first", None): 0,
    ("first", "ended"): 1,
    ("first", "ended on the day of the charge"): 1,
    ("first", "ended on the day after the charge"): 1,
    ("first", "paused"): 0,
    ("first", "paused, resumed"): 0,
    ("first", "ended+started"): 0,
    ("first", "second started"): 0,
    ("first", "second trial_started, second ended"): 0,
    ("both", "second ended"): 0,
    ("both", "ended"): 0,
    ("second", None): 0,
    ("second", "second ended"): 1,
}


@pytest.fixture(scope="module")
def stories(demo):
    """Of all who are asked about churn in a year: what they pay for, what they do next, and the label."""
    cutoffs = [date(2024, month, 1) for month in range(7, 13)] + [date(2025, month, 1) for month in range(1, 12)]
    hidden = {cutoff: hidden_at(demo.workspace.truth("demo"), cutoff) for cutoff in cutoffs}
    asked = {cutoff: rows[is_asked(World(), rows, "churn")] for cutoff, rows in hidden.items()}
    of = {cutoff: rows["customer_id"] for cutoff, rows in asked.items()}
    labels = pd.concat(rows.assign(cutoff=pd.Timestamp(at)) for at, rows in demo.label(demo.targets["churn"], of))
    table = pd.concat(asked.values()).merge(labels, on=["customer_id", "cutoff"], validate="one_to_one")
    first, second = table["status"] == LIVE, table["second"] == LIVE
    table["pays"] = np.select([first & second, first], ["both", "first"], "second")
    path = demo.staged.path("subscription_events")
    return duckdb.sql(
        f"""WITH told AS (
            SELECT customer_id, occurred_at, string_agg(CASE
                WHEN plan = 'Beans' THEN 'second ' || event
                WHEN event = 'ended' AND occurred_at::DATE = charged THEN 'ended on the day of the charge'
                WHEN event = 'ended' AND occurred_at::DATE = charged + 1 THEN 'ended on the day after the charge'
                ELSE event END, '+' ORDER BY event) AS what
            FROM (SELECT *, max(occurred_at::DATE) FILTER (WHERE event = 'renewed') OVER (
                PARTITION BY subscription_id ORDER BY occurred_at) AS charged FROM '{path}')
            WHERE event IN ('trial_started', 'started', 'paused', 'resumed', 'ended')
            GROUP BY customer_id, subscription_id, occurred_at)
        SELECT pays, story, count(*) AS customers, min(label) AS least, max(label) AS most FROM (
            SELECT a.customer_id, a.cutoff, any_value(pays) AS pays, any_value(label) AS label,
                string_agg(what, ', ' ORDER BY occurred_at) AS story
            FROM "table" a LEFT JOIN told t ON t.customer_id = a.customer_id
                AND t.occurred_at >= a.cutoff AND t.occurred_at < a.cutoff + INTERVAL 44 DAY
            GROUP BY a.customer_id, a.cutoff
            HAVING coalesce(max(occurred_at) < a.cutoff + INTERVAL 30 DAY, true))
        GROUP BY pays, story"""
    ).df()


@pytest.mark.parametrize("pays, story", STORIES)
def test_what_they_do_next_says_who_churned(stories, pays, story):
    told = stories[
        (stories["pays"] == pays) & (stories["story"].isna() if story is None else stories["story"] == story)
    ]
    assert told["customers"].sum() > 0
    assert {*told["least"], *told["most"]} == {STORIES[pays, story]}


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
    assert best.value > rule.value + 0.05
    # The truth is a probability, not only a ranking.
    assert joined["probability"].mean() == pytest.approx(joined["label"].mean(), abs=0.03)


@pytest.mark.parametrize("target", ["churn", "upsell"])
def test_who_lives_on_with_the_chances_of_the_company_gets_the_label_that_tenure_gives(demo, target):
    asked, world = demo.targets[target], World()
    cutoff = demo.plan(asked).test
    # The first chunk: later ones are newcomers after the cutoff.
    hidden = hidden_at(demo.workspace.truth("demo"), cutoff).iloc[:2500]
    state, day = State.of(hidden), (cutoff - world.start).days
    lived = roll_out(world, state, target, day, (np.random.default_rng([21, 0, 1, n]) for n in range(day, day + 99)))
    table = read_rows(demo, asked, [cutoff], []).merge(hidden.assign(lived=lived.astype(int)), on="customer_id")
    # Who was contacted in these days did not live as the truth does, which leaves everybody alone.
    sent = facts(demo, "contacts", "customer_id, occurred_at::DATE, arm")
    contacted = {who for who, on, arm in sent if arm == "treated" and 0 <= (on - cutoff).days < 60}
    table = table[~table["customer_id"].isin(contacted)]
    assert len(table) > 600 and table["label"].sum() > 25
    assert table.loc[table["lived"] != table["label"], "customer_id"].tolist() == []
    # The truth asks the same customers, but for cancellations that nobody knows yet.
    others = set(table["customer_id"]) ^ set(hidden.loc[is_asked(world, hidden, target), "customer_id"]) - contacted
    assert hidden.loc[hidden["customer_id"].isin(others), "cancelling"].all()


def test_at_least_a_third_of_churn_shows_no_payment_signal(demo):
    events, payments = demo.staged.path("subscription_events"), demo.staged.path("payments")
    ((share,),) = duckdb.sql(
        f"""SELECT 1 - avg(CAST(failed AS INTEGER)) FROM (
        SELECT e.customer_id, e.occurred_at, count(p.customer_id) > 0 AS failed FROM '{events}' e
        LEFT JOIN '{payments}' p ON p.customer_id = e.customer_id AND p.status = 'failed'
            AND p.occurred_at BETWEEN e.occurred_at - INTERVAL 60 DAY AND e.occurred_at
        WHERE e.event = 'ended' AND e.end_reason NOT IN ('trial not continued', 'plan switched') GROUP BY 1, 2)"""
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

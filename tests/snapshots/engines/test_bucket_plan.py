"""Buckets come to the bits of the direct path, and never see what the cutoff did not know."""

import random
from datetime import date, timedelta

import duckdb
import pandas as pd
import pytest

from drawn import soaked
from tables import staged
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.features.definition import Feature, FeatureView, columns_of_view
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import open_engine
from tenure.snapshots.engines import bucket_build, bucket_rows, duckdb_engine
from tenure.snapshots.engines.bucket_plan import plan_table
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.targets.definition import Condition, Heuristic, Target

HEADER = "customer_id occurred_at known_at order_id product_id quantity amount discount channel"
ALWAYS, NEVER = 0, 10**18


def built(snapshots, folder, cutoffs, least, monkeypatch):
    """Build snapshots with buckets from so many facts times cutoffs on. => {cutoff: snapshot}"""
    monkeypatch.setattr(duckdb_engine, "BUCKETS_FROM", least)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {cutoff: folder / f"{cutoff}.parquet" for cutoff in cutoffs}
    with open_engine("duckdb", snapshots.staged, folder) as engine:
        engine.build_snapshot(snapshots.targets.values(), snapshots.columns, cutoffs, paths)
    return {cutoff: pd.read_parquet(path) for cutoff, path in paths.items()}


def assert_same_bits(snapshots, folder, cutoffs, monkeypatch):
    """Buckets over all cutoffs, and over each alone, equal the direct path. Returns the snapshots."""
    direct = built(snapshots, folder / "direct", cutoffs, NEVER, monkeypatch)
    together = built(snapshots, folder / "together", cutoffs, ALWAYS, monkeypatch)
    for cutoff in cutoffs:
        pd.testing.assert_frame_equal(direct[cutoff], together[cutoff], check_exact=True)
    alone = built(snapshots, folder / "alone", cutoffs[-1:], ALWAYS, monkeypatch)
    pd.testing.assert_frame_equal(alone[cutoffs[-1]], together[cutoffs[-1]], check_exact=True)
    return direct


def columns_of(*expressions, windows=(28, None)):
    features = tuple(
        Feature(f"f{n}", sql, windows_days=windows, unit="number", meaning="A test.")
        for n, sql in enumerate(expressions)
    )
    return list(columns_of_view(FeatureView("order_lines", "orders", features)))


def with_features(snapshots, *expressions):
    more = Snapshots(snapshots.workspace, snapshots.staged, snapshots.as_of)
    more.__dict__["columns"] = [*snapshots.columns, *columns_of(*expressions)]
    return more


def random_orders(seed, rows=3000):
    """Orders with ties, unknown values, returns, and a third that became known late, by up to 90 days."""
    dice = random.Random(seed)
    for n in range(rows):
        day = date(2023, 3, 1) + timedelta(days=dice.randrange(450))
        hour = dice.choice(["", "T00:00:00", "T12:30:00", "T23:59:59"])
        late = dice.choice([0, 0, 0, 0, 1, 30, 90])
        known = f"{day + timedelta(days=late)}T23:59:59" if late or hour else f"{day}{hour}"
        product = dice.choice(["-", *(f"p{k}" for k in range(9))])
        discount = dice.choice(["-", "0", "0.5", "-1.25"])
        yield (
            f"c{dice.randrange(120)} {day}{hour} {known} o{n // 2} {product} {dice.choice([1, 2, -1])} "
            f"{dice.randrange(1, 9_000_000) / 10_000} {discount} {dice.choice(['-', 'web', 'shop', 'Zoë'])}"
        )


@pytest.mark.parametrize("seed", [1, *soaked(2)])
def test_ties_unknowns_and_late_facts_come_to_the_same_bits(tmp_path, monkeypatch, seed):
    toml = "[targets.lapse]\nhorizon_days = 30\neligible_days = 180\n"
    facts = staged(tmp_path, toml, order_lines=(HEADER, *random_orders(seed)))
    snapshots = with_features(
        Snapshots(Workspace(tmp_path), facts, date(2024, 6, 1)),
        "avg(amount)", "avg(discount) filter (where quantity > 0)", "min(discount)", "max(-amount)", "sum(discount)",
        "count(discount)", "count(distinct discount)", "count(distinct amount)", "count(distinct channel)",
        "sum(case when channel = 'web' then 1 else 0 end) / count(*)", "bool_or(channel = 'shop')", "bool_and(quantity > 0)",
        "sum(quantity) filter (where channel is null and product_id is not null)", "max(hour) - min(weekday)",
        "count(*) filter (where quantity > 99)", "sum(amount) filter (where quantity > 99)", "count(age_days)",
        "max(age_days) filter (where quantity < 0)", "min(distinct amount)", "sum(amount) / nullif(count(distinct order_id) - 1, 0)",
        "avg(hour)", "count(channel)", "count(product_id) filter (where quantity > 0)", "median(amount)", "latest(channel)", "sum(cast(amount as double))", "coalesce(max(discount), 7)",
    )  # fmt: skip
    cutoffs = [date(2023, 9, 1), date(2024, 1, 1), date(2024, 3, 1), date(2024, 4, 1), date(2024, 6, 1)]
    tables = assert_same_bits(snapshots, tmp_path / "built", cutoffs, monkeypatch)
    assert sum(len(table) for table in tables.values()) > 300


def test_one_customer_at_a_time_and_several_readings_come_to_the_same_bits(tmp_path, monkeypatch):
    facts = staged(tmp_path, order_lines=(HEADER, *random_orders(3, rows=400)))
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 6, 1))
    cutoffs = [date(2024, 3, 1), date(2024, 6, 1)]
    whole = built(snapshots, tmp_path / "whole", cutoffs, ALWAYS, monkeypatch)
    monkeypatch.setattr(bucket_build, "CHUNK_BYTES", 1)
    monkeypatch.setattr(bucket_rows, "engine_memory", lambda: 10_000)
    pieces = built(snapshots, tmp_path / "pieces", cutoffs, ALWAYS, monkeypatch)
    for cutoff in cutoffs:
        assert len(whole[cutoff]) > 10
        pd.testing.assert_frame_equal(whole[cutoff], pieces[cutoff], check_exact=True)


def test_cutoffs_that_do_not_fit_into_memory_together_are_built_apart_and_come_to_the_same_bits(tmp_path, monkeypatch):
    facts = staged(tmp_path, order_lines=(HEADER, *random_orders(4, rows=600)))
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 6, 1))
    cutoffs = [date(2024, 2, 1), date(2024, 4, 1), date(2024, 6, 1)]
    together = built(snapshots, tmp_path / "together", cutoffs, ALWAYS, monkeypatch)
    asked = []
    spied = duckdb_engine.DuckDBEngine._build_aggregates

    def build(engine, targets, columns, batch):
        asked.append(list(batch))
        return spied(engine, targets, columns, batch)

    monkeypatch.setattr(duckdb_engine.DuckDBEngine, "_build_aggregates", build)
    monkeypatch.setattr(duckdb_engine, "engine_memory", lambda: 1)
    apart = built(snapshots, tmp_path / "apart", cutoffs, ALWAYS, monkeypatch)
    assert asked == [[cutoff] for cutoff in cutoffs]
    for cutoff in cutoffs:
        assert len(together[cutoff]) > 10
        pd.testing.assert_frame_equal(together[cutoff], apart[cutoff], check_exact=True)


def test_a_fact_known_late_joins_its_bucket_from_the_first_cutoff_after_it_was_known(tmp_path, monkeypatch):
    facts = staged(
        tmp_path,
        order_lines=(
            HEADER,
            "ana 2024-03-20 2024-03-20 o1 p1 1 10 - -",
            "ana 2024-03-21 2024-05-01 o2 p2 1 5 - -",  # known on the day of the second cutoff: not before the third
        ),
    )
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 6, 1))
    cutoffs = [date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 1)]
    tables = built(snapshots, tmp_path / "built", cutoffs, ALWAYS, monkeypatch)
    asked = [tables[cutoff].set_index("customer_id").loc["ana"] for cutoff in cutoffs]
    assert [row["count_order_lines_90d"] for row in asked] == [1, 1, 2]
    assert [row["order_amount_90d"] for row in asked] == [10, 10, 15]
    assert [row["count_products"] for row in asked] == [1, 1, 2]
    assert [row["days_since_order"] for row in asked] == [12, 42, 72]


def test_who_is_asked_comes_to_the_same_customers_and_knows_no_late_fact(tmp_path, monkeypatch):
    facts = staged(
        tmp_path,
        order_lines=(
            HEADER,
            "ana 2024-03-20 2024-03-20 o1 p1 1 10 - -",
            "bob 2024-03-20 2024-03-20 o2 p1 1 10 - -",
            "bob 2024-03-25 2024-03-25 o2 p1 -1 -10 - -",  # sent back
            "cyd 2024-03-20 2024-03-20 o3 p1 1 10 - -",
            "cyd 2024-03-25 2024-04-01 o3 p1 -1 -10 - -",  # sent back, but only known after the first cutoff
            "dee 2024-01-02 2024-01-02 o4 p1 1 10 - -",  # too long ago
        ),
    )
    bought = Condition("order_lines", "count(*) filter (where quantity > 0) > 0", days="eligible_days")
    kept = Condition("order_lines", "count(*) filter (where quantity < 0) = 0", when_no_rows=True)
    target = Target(
        "keeper", "Asked?", "bought lately, sent nothing back", (bought, kept), bought, Heuristic("1", "all alike"), "kept",
        horizon_days=30, eligible_days=30,
    )  # fmt: skip
    cutoffs = [date(2024, 4, 1), date(2024, 4, 2)]
    for least in (ALWAYS, NEVER):
        monkeypatch.setattr(duckdb_engine, "BUCKETS_FROM", least)
        paths = {cutoff: tmp_path / f"{least}-{cutoff}.parquet" for cutoff in cutoffs}
        with open_engine("duckdb", facts, tmp_path) as engine:
            engine.build_snapshot([target], columns_of("count(*)"), cutoffs, paths)
        assert [pd.read_parquet(path)["customer_id"].tolist() for path in paths.values()] == [["ana", "cyd"], ["ana"]]


def test_what_merges_is_read_off_the_expression():
    types = {"amount": "DECIMAL(18,4)", "CAST(amount AS DOUBLE)": "DOUBLE", "amount * quantity": "DECIMAL(36,8)"}
    columns = columns_of(
        "count(*) / nullif(sum(amount), 0)", "min(age_days)", "median(amount)", "sum(amount) + median(amount)", "latest(channel)",
        "sum(amount * age_days)", "count(*) filter (where age_days > 3)", "sum(cast(amount as double))", "sum(amount * quantity)",
        windows=(28,),
    )  # fmt: skip
    plan = plan_table("order_lines", columns, types.__getitem__)
    assert [entry.column.name for entry in plan.bucketed] == ["f0_28d", "f1_28d"]
    assert plan.direct == {
        "f2_28d": "median does not merge", "f3_28d": "median does not merge", "f4_28d": "latest does not merge",
        "f5_28d": "its argument changes with age", "f6_28d": "its condition changes with age",
        "f7_28d": "sum of DOUBLE is not exact", "f8_28d": "sum of DECIMAL(36,8) is not exact",
    }  # fmt: skip
    # A part of an expression that is direct after all is not built for nothing; rows are always counted.
    assert [part.how for part in plan.parts] == ["count", "count", "sum", "max"]


def test_a_sum_that_may_not_fit_into_64_bits_is_built_directly(tmp_path, monkeypatch):
    rows = [f"ana 2024-03-{day:02d} - o{day} p1 1 90000000000000.0001 - -" for day in range(1, 29)]
    snapshots = Snapshots(Workspace(tmp_path), staged(tmp_path, order_lines=(HEADER, *rows)), date(2024, 4, 1))
    tables = assert_same_bits(snapshots, tmp_path / "built", [date(2024, 4, 1)], monkeypatch)
    assert tables[date(2024, 4, 1)]["order_amount"].tolist() == [2.52e15]


def test_every_feature_of_the_demo_comes_to_the_same_bits(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=200)
    facts = stage_source(workspace, read_source(workspace, "demo"))
    snapshots = Snapshots(workspace, facts, facts.default_as_of)
    assert_same_bits(snapshots, tmp_path / "built", [date(2025, 1, 1), date(2025, 2, 1), snapshots.as_of], monkeypatch)


@pytest.mark.parametrize("source", soaked("online_retail", "complete_journey", "365_learning", "cdnow"))
def test_every_feature_of_real_data_comes_to_the_same_bits(tmp_path, test_data, monkeypatch, source):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, source, test_data / source)
    facts = stage_source(workspace, read_source(workspace, source))
    for table in facts.tables:
        _keep_some_customers(facts.path(table), share=10)
    snapshots = Snapshots(workspace, facts, facts.default_as_of)
    cutoffs = sorted({snapshots.as_of, *snapshots.plan(next(iter(snapshots.targets.values()))).all[-2:]})
    assert_same_bits(snapshots, tmp_path / "built", cutoffs, monkeypatch)


def _keep_some_customers(path, share):
    """Cut a staged table to every so many customers, to be quick; products stay whole."""
    if path.stem != "products":
        duckdb.sql(f"COPY (FROM '{path}' WHERE hash(customer_id) % {share} = 0) TO '{path}.part' (FORMAT parquet)")
        path.with_name(f"{path.name}.part").replace(path)

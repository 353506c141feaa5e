"""Spark comes to DuckDB's numbers: every feature and target of the demo, hand-made edges, and real data where it is present."""

from dataclasses import replace
from datetime import date, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

import local_spark  # noqa: F401 -- a Spark, or a skip
from drawn import soaked
from spark_client import few_columns
from tables import staged
from tenure.core.errors import RunError, UsageError
from tenure.core.workspace import Workspace
from tenure.demo import generate_demo
from tenure.features.definition import Feature, FeatureView, columns_of_view
from tenure.identity.events import Event, Ledger
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import open_engine
from tenure.snapshots.engines.spark.facts import SparkFacts
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.readers.spark_session import spark_session
from tenure.sources.source import read_source

HEADER = "customer_id occurred_at known_at order_id product_id quantity amount channel"


def built(snapshots, engine, folder, cutoffs):
    """Build snapshots and all labels with one engine. => {cutoff: snapshot}, {(target, cutoff): labels}"""
    folder.mkdir(parents=True)
    with open_engine(engine, snapshots.staged, folder) as opened:
        paths = {cutoff: folder / f"{cutoff}.parquet" for cutoff in cutoffs}
        opened.build_snapshot(snapshots.targets.values(), snapshots.columns, cutoffs, paths)
        labels = {}
        for target in snapshots.targets.values():
            cutoff = cutoffs[0]
            path = folder / f"{target.name}.parquet"
            opened.build_labels(target, cutoff, snapshots.as_of, paths[cutoff], path)
            labels[target.name] = pd.read_parquet(path)
    return {cutoff: pd.read_parquet(path) for cutoff, path in paths.items()}, labels


def assert_engines_agree(snapshots, folder, cutoffs):
    """Counts, dates, texts and labels are equal; every other number to 1e-9. Returns DuckDB's snapshots."""
    (expected, expected_labels), (found, found_labels) = (
        built(snapshots, engine, folder / engine, cutoffs) for engine in ("duckdb", "spark")
    )
    exact = {column.name for column in snapshots.columns if column.unit in ("count", "days", "category")}
    for cutoff in cutoffs:
        left, right = expected[cutoff], found[cutoff]
        assert list(left.columns) == list(right.columns) and len(left) > 0
        for name in left.columns:
            tolerance = 0 if name in exact else 1e-9
            pd.testing.assert_series_equal(left[name], right[name], rtol=tolerance, atol=0)
    for target, labels in expected_labels.items():
        pd.testing.assert_frame_equal(labels, found_labels[target])
    return expected


def with_columns(snapshots, choose):
    """The same snapshots with fewer features."""
    fewer = Snapshots(snapshots.workspace, snapshots.staged, snapshots.as_of)
    fewer.__dict__["columns"] = choose(snapshots)
    return fewer


def with_features(snapshots, table, *features):
    """The same snapshots with some more features of one table; (name, expression, windows, when_no_rows) each."""
    entries = tuple(
        Feature(name, sql, windows_days=windows, when_no_rows=absent, unit="number", meaning="A test.")
        for name, sql, windows, absent in features
    )
    view = FeatureView(table, table, entries, extra_columns=snapshots.staged.tables[table].columns)
    more = Snapshots(snapshots.workspace, snapshots.staged, snapshots.as_of)
    more.__dict__["columns"] = [*snapshots.columns, *columns_of_view(view)]
    return more


def test_every_feature_and_target_of_the_demo_is_the_same_on_both_engines(tmp_path):
    workspace = Workspace(tmp_path)
    generate_demo(workspace.raw("demo"), workspace.truth("demo"), customers=300)
    facts = stage_source(workspace, read_source(workspace, "demo"))
    snapshots = Snapshots(workspace, facts, facts.default_as_of)
    assert set(snapshots.targets) >= {"churn", "convert", "lapse", "upsell"} and len(snapshots.columns) > 200
    expected = assert_engines_agree(snapshots, tmp_path / "built", [date(2025, 9, 1)])
    assert sum(len(table) for table in expected.values()) > 150


def test_leap_days_daylight_saving_ties_and_unknowns_are_the_same_on_both_engines(tmp_path):
    rows = (
        "leap 2024-02-28T23:59:59.999999 - o1 p1 1 10 web",
        "leap 2024-02-29T00:00 - o2 p1 1 20.0001 shop",
        "leap 2024-02-29T23:59:59 - o3 p2 2 30 -",
        "spring 2024-03-31T01:59:59 - o4 p1 1 10 web",  # Berlin: the hour from two to three is none
        "spring 2024-03-31T02:30 - o5 p1 1 10 web",
        "spring 2024-03-31T03:00 - o6 - 1 10 -",
        "autumn 2023-10-29T02:30 - o7 p1 1 10 web",  # Berlin: this half hour was twice
        "autumn 2023-10-29T02:30 - o8 p1 1 10 shop",
        "tie 2024-03-15 - o9 p1 1 10 web",
        "tie 2024-03-15 - o9 p2 1 11 shop",
        "tie 2024-03-15 - o10 p3 -1 -11 -",
        "late 2024-03-10 2024-04-01 o11 p1 1 99 web",  # known on the cutoff day
        "late 2024-03-11 2024-03-31T23:59:59 o12 p1 1 5 web",
        "edge 2024-03-04 - o13 p1 1 1 -",
        "edge 2024-03-03T23:59:59 - o14 p1 1 0 -",
        "edge 2024-04-01 - o15 p1 1 7 web",  # the cutoff's midnight
        "old 1999-12-31T12:00 - o16 p1 1 0.0001 web",
        "old 2024-03-30 - o17 p1 3 0.0002 Zoë",
        "text 2024-03-29 - o18 p1 1 1 ${spark.app.name}",
        "text 2024-03-28 - o19 p1 1 1 C:\\new's",
        *(
            f"number{n} 2024-03-20 - o{n} p1 1 1 {text}"
            for n, text in enumerate(("1_000", "1d", "1e3", ".5", "-inf", "0x10", "nan"), 20)
        ),
    )
    toml = 'timezone = "Europe/Berlin"\n[targets.lapse]\nhorizon_days = 30\neligible_days = 180\n'
    facts = staged(tmp_path, toml, order_lines=(HEADER, *rows))
    snapshots = with_features(
        Snapshots(Workspace(tmp_path), facts, date(2024, 6, 1)), "order_lines",
        ("newest_channel", "latest(channel)", (28, None), None),
        ("oldest_channel", "earliest(channel) filter (where quantity > 0)", (None,), "none"),
        ("unguarded_ratio", "sum(amount) / sum(quantity - 1)", (28, None), None),  # x / 0 and 0 / 0
        ("logarithm", "ln(count(*) - 2)", (28, None), None),  # of zero and of less
        ("whole", "floor(avg(amount) * -1.5) + ceil(sum(amount) / sum(quantity - 1))", (None,), None),
        ("lines", "count(*)", (28,), None),  # no line is unknown here, not zero
        ("middle", "median(cast(amount as double))", (None,), None),
        ("any_return", "sum(case when quantity < 0 then 1 else 0 end) / count(*)", (28, 365), 0),
        ("products_of_decimals", "sum(amount * quantity) - 0.5", (None,), 0),
        ("named_setting", "count(*) filter (where channel = '${spark.app.name}')", (None,), 0),
        ("windows_path", r"count(*) filter (where channel = 'C:\new''s')", (None,), 0),
        ("number", "latest(try_cast(channel as double))", (None,), None),
        ("deviation_of_one", "coalesce(stddev(amount), -1)", (None,), None),
        ("deviation_of_days", "stddev(distinct age_days) + stddev_pop(distinct hour)", (28, None), None),
        ("mean_hour", "avg(distinct hour) filter (where quantity > 0)", (28, None), None),
        ("fading", "sum(distinct exp(-age_days / 9.0))", (28, None), None),
        ("distinct_amounts", "sum(distinct amount) * 1e3", (None,), None),
        ("is_late", "max(hour) >= 20 or bool_or(weekday = 7)", (None,), None),
    )  # fmt: skip
    table = assert_engines_agree(snapshots, tmp_path / "built", [date(2024, 4, 1), date(2024, 3, 1)])[date(2024, 4, 1)]
    table = table.set_index("customer_id")
    assert table.loc["leap", "days_since_order"] == 32 and table.loc["edge", "count_order_lines_28d"] == 1
    assert table.loc["tie", "newest_channel"] == "shop"  # of the same instant: the smaller value
    assert table.loc["autumn", "newest_channel_28d"] is None or pd.isna(table.loc["autumn", "newest_channel_28d"])
    assert np.isinf(table.loc["leap", "unguarded_ratio"]) == (table.loc["leap", "ordered_quantity"] == 3)
    assert pd.isna(table.loc["autumn", "lines_28d"])
    assert list(table.loc["text", ["named_setting", "windows_path", "deviation_of_one"]]) == [1, 1, 0]
    assert table.loc["number20", "number"] == 1000 and pd.isna(table.loc["number21", "number"])


def test_a_person_of_two_customers_is_one_on_both_engines_from_the_day_it_was_known(tmp_path):
    rows = (
        "web1 2024-01-10 - o1 p1 1 10 web",
        "shop1 2024-01-12 - o2 p2 2 20 shop",
        "shop1 2024-02-12 - o3 p1 1 30 shop",
        "bo 2024-02-01 - o4 p1 1 5 web",
    )
    toml = "[targets.lapse]\nhorizon_days = 30\neligible_days = 180\n"
    told = ("customer_id occurred_at event referred_id", "bo 2024-02-01 referred web1", "bo 2024-02-02 referred shop1")
    events = tmp_path / "identity"
    facts = replace(staged(tmp_path, toml, order_lines=(HEADER, *rows), loyalty=told), identity_events=events)
    facts.identity_events.mkdir()
    Ledger(facts.identity_events).append([Event(datetime(2024, 2, 20), "shop1", "web1", "joined", "same phone")])
    meaning = {"when_no_rows": 0, "unit": "count", "meaning": "Customers referred."}
    referred = FeatureView("loyalty", "loyalty", (Feature("has_referred", "count(distinct referred_id)", **meaning),))
    snapshots = Snapshots(Workspace(tmp_path), facts, date(2024, 5, 1))
    snapshots = with_columns(snapshots, lambda every: [*few_columns(every), *columns_of_view(referred)])
    before, after = date(2024, 2, 20), date(2024, 2, 21)
    table = assert_engines_agree(snapshots, tmp_path / "before", [before])[before].set_index("customer_id")
    assert dict(table["count_orders_90d"]) == {"bo": 1, "shop1": 2, "web1": 1} and table["has_referred"]["bo"] == 2
    table = assert_engines_agree(snapshots, tmp_path / "after", [after])[after].set_index("customer_id")
    assert dict(table["count_orders_90d"]) == {"bo": 1, "web1": 3} and table["has_referred"]["bo"] == 1


def test_nobody_to_ask_leaves_snapshots_without_rows(tmp_path):
    facts = staged(tmp_path, "", order_lines=(HEADER, "ana 2024-01-10 - o1 p1 1 10 web"))
    snapshots = with_columns(Snapshots(Workspace(tmp_path), facts, date(2024, 5, 1)), few_columns)
    (expected, labels), (found, found_labels) = (
        built(snapshots, engine, tmp_path / engine, [date(2024, 1, 1)]) for engine in ("duckdb", "spark")
    )
    pd.testing.assert_frame_equal(found[date(2024, 1, 1)], expected[date(2024, 1, 1)])
    pd.testing.assert_frame_equal(found_labels["lapse"], labels["lapse"])
    assert len(labels["lapse"]) == 0


def test_a_session_of_ones_own_keeps_its_settings_and_views(tmp_path):
    mine = spark_session()
    mine.sql("SELECT 1 AS x").createOrReplaceTempView("population")
    mine.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    theirs = spark_session()
    theirs.sql("SELECT 2 AS x").createOrReplaceTempView("population")
    assert theirs.conf.get("spark.sql.session.timeZone") == "UTC"
    assert mine.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    assert mine.sql("SELECT x FROM population").collect()[0].x == 1


def test_another_master_than_the_one_that_runs_is_refused(monkeypatch):
    spark_session()
    monkeypatch.setenv("TENURE_SPARK_MASTER", "local[7]")
    with pytest.raises(
        UsageError, match=r"already runs a Spark at local\[2\], TENURE_SPARK_MASTER asks for local\[7\]"
    ):
        spark_session()


def test_a_file_that_executors_do_not_see_is_named(tmp_path):
    with pytest.raises(RunError, match=r"Spark cannot read .*absent\.parquet.*every executor sees"):
        SparkFacts(None, spark_session(), tmp_path).read(tmp_path / "absent.parquet")


def test_a_spark_that_reads_times_as_instants_is_refused(tmp_path):
    facts = staged(tmp_path, "", order_lines=(HEADER, "ana 2024-01-10 - o1 p1 1 10 web"))
    session = spark_session()
    session.conf.set("spark.sql.parquet.inferTimestampNTZ.enabled", "false")
    engine = SparkFacts(facts, session, tmp_path)
    engine.set_cutoffs([date(2024, 2, 1)])
    with pytest.raises(RunError, match="reads order_lines.occurred_at as timestamp. Expected timestamp_ntz"):
        engine.observed("order_lines", None, ())


@pytest.mark.parametrize("source", ["online_retail", *soaked("complete_journey", "365_learning", "cdnow")])
def test_a_sample_of_real_customers_is_the_same_on_both_engines(tmp_path, test_data, source):
    workspace = Workspace(tmp_path)
    fetch_source(workspace, source, test_data / source)
    facts = _sample(stage_source(workspace, read_source(workspace, source)), share=40)
    snapshots = Snapshots(workspace, facts, facts.default_as_of)
    cutoff = snapshots.plan(next(iter(snapshots.targets.values()))).test
    assert_engines_agree(snapshots, tmp_path / "built", [cutoff])


def _sample(facts, share):
    """Keep every so many customers of the staged facts, to be quick; products stay whole."""
    for name in facts.tables:
        path = facts.path(name)
        if name != "products":
            duckdb.sql(f"COPY (FROM '{path}' WHERE hash(customer_id) % {share} = 0) TO '{path}.part' (FORMAT parquet)")
            path.with_name(f"{path.name}.part").replace(path)
    return replace(facts, fingerprint=f"{facts.fingerprint}-{share}")


def test_ages_of_customers_are_the_same_on_both_engines(tmp_path):
    people = (
        "customer_id occurred_at known_at born ends",
        "ana 2024-01-01 - 1980-03-01 2024-04-01",
        "ana 2024-02-20 2024-03-02 1980-03-02 2025-04-01",
        "bo 2024-01-01 - 1900-01-01 2024-02-29",
    )
    orders = ("ana 2024-01-05 - 1 - 1 10 -", "bo 2024-01-20 - 2 - 1 30 -", "ana 2024-06-01 - 3 - 1 10 -")
    facts = staged(tmp_path, customers=people, order_lines=(HEADER, *orders))
    snapshots = with_columns(
        Snapshots(Workspace(tmp_path), facts, date(2024, 6, 2)),
        lambda all_: [column for column in all_.columns if column.table == "customers"],
    )
    assert [column.name for column in snapshots.columns] == [
        "days_since_registered",
        "days_since_born",
        "days_since_ends",
    ]
    (table,) = assert_engines_agree(snapshots, tmp_path / "built", [date(2024, 3, 2)]).values()
    assert table["days_since_born"].tolist()[0] == 16072 and table["days_since_born"].isna().tolist()[1]
    assert table["days_since_ends"].isna().tolist() == [True, False]
    assert table["days_since_registered"].tolist() == [61, 61]

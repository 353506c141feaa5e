"""Spark comes to DuckDB's numbers: every feature and target of the demo, hand-made edges, and real data where it is present."""

import shutil
from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from tables import staged
from tenure.demo import generate_demo
from tenure.engines.choice import open_engine
from tenure.features.definition import Feature, FeatureView, columns_of_view
from tenure.snapshots import Snapshots
from tenure.sources.fetch import fetch_source
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.workspace import Workspace

pytest.importorskip(
    "pyspark", reason="the extra spark is not installed: pip install -e '.[spark]' in the project's folder"
)
if shutil.which("java") is None:
    pytest.skip("no Java: a local Spark needs Java 17", allow_module_level=True)

from tenure.engines.spark_engine import _rounded as spark_rounded
from tenure.spark_session import spark_session

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


def with_features(snapshots, table, *features):
    """The same snapshots with some more features of one table; (name, expression, windows, when_no_rows) each."""
    entries = tuple(
        Feature(name, sql, windows, absent, "number", "A test.", "") for name, sql, windows, absent in features
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
    assert set(snapshots.targets) == {"churn", "convert", "lapse", "upsell"} and len(snapshots.columns) > 200
    expected = assert_engines_agree(snapshots, tmp_path / "built", [date(2025, 3, 1), date(2025, 9, 1)])
    assert sum(len(table) for table in expected.values()) > 300


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
        ("is_late", "max(hour) >= 20 or bool_or(weekday = 7)", (None,), None),
    )  # fmt: skip
    table = assert_engines_agree(snapshots, tmp_path / "built", [date(2024, 4, 1), date(2024, 3, 1)])[date(2024, 4, 1)]
    table = table.set_index("customer_id")
    assert table.loc["leap", "days_since_order"] == 32 and table.loc["edge", "count_order_lines_28d"] == 1
    assert table.loc["tie", "newest_channel"] == "shop"  # of the same instant: the smaller value
    assert table.loc["autumn", "newest_channel_28d"] is None or pd.isna(table.loc["autumn", "newest_channel_28d"])
    assert np.isinf(table.loc["leap", "unguarded_ratio"]) == (table.loc["leap", "ordered_quantity"] == 3)
    assert pd.isna(table.loc["autumn", "lines_28d"])


@pytest.mark.parametrize("source", ["complete_journey", "365_learning", "cdnow", "online_retail"])
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


def test_nine_digits_are_rounded_to_the_same_bits(tmp_path):
    from tenure.engines.joined_features import rounded as duckdb_rounded

    generator = np.random.default_rng(3)
    usual = 10.0 ** generator.uniform(-13, 29, 3000)
    halves = np.round(generator.uniform(1e8, 1e9, 1000)) + 0.5
    tiny = 10.0 ** generator.uniform(-320, -13, 500)  # exp(-age / 7) of who has long been silent
    values = np.concatenate([usual, -usual[:500], halves / 1e4, -halves, [0.0, np.inf, -np.inf, np.nan], tiny])
    pd.DataFrame({"x": values}).to_parquet(tmp_path / "x.parquet")
    expected = duckdb.sql(f"SELECT {duckdb_rounded('x')} AS y FROM '{tmp_path / 'x.parquet'}'").df()["y"]
    found = spark_session().read.parquet(str(tmp_path / "x.parquet")).selectExpr(f"{spark_rounded('x')} AS y")
    found = found.toPandas()["y"]
    exact = len(values) - len(tiny)
    pd.testing.assert_series_equal(expected[:exact], found[:exact], check_exact=True)
    # Powers of ten beyond 1e22 are no doubles: the last bit may differ there.
    pd.testing.assert_series_equal(expected[exact:], found[exact:], rtol=1e-15, atol=0)

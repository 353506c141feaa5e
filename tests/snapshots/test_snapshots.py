"""What a feature and a label may see, on tables that can be checked by eye."""

import math
import random
import statistics
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest

from tables import staged
from tenure.core.errors import NotEnoughDataError
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines import duckdb_engine
from tenure.snapshots.rows import count_eligible, read_rows, telling_heuristics
from tenure.targets.definition import Heuristic
from tenure.targets.sufficiency import check_positives

CUTOFF = date(2024, 4, 1)
HEADER = "customer_id occurred_at known_at order_id product_id quantity amount"
SHORT = """
[targets.lapse]
horizon_days = 30
eligible_days = 30
"""


def snapshot(root, *rows, as_of=date(2024, 6, 1), toml=SHORT):
    snapshots = Snapshots(Workspace(root), staged(root, toml, order_lines=(HEADER, *rows)), as_of)
    snapshots.build_features([CUTOFF])
    return snapshots, pd.read_parquet(snapshots.features_path(CUTOFF)).set_index("customer_id")


def labels(snapshots):
    snapshots.build_labels(snapshots.targets["lapse"], [CUTOFF])
    table = pd.read_parquet(snapshots.labels_path(snapshots.targets["lapse"], CUTOFF))
    return dict(zip(table["customer_id"], table["label"], strict=True))


def test_an_observation_window_holds_its_first_day_and_yesterday_but_not_the_cutoff_day(tmp_path):
    _, table = snapshot(
        tmp_path,
        "ana 2024-03-04 2024-03-04 o1 p 1 10",  # age 28: first day of the window
        "ana 2024-03-03 2024-03-03 o2 p 1 10",  # age 29: the day before
        "ana 2024-03-31T23:59:59 2024-03-31T23:59:59 o3 p 1 10",  # age 1: yesterday, to the last second
        "ana 2024-04-01T00:00:00 2024-04-01T00:00:00 o4 p 1 10",  # the cutoff's midnight: unknown
    )
    assert table.loc["ana", "count_orders_28d"] == 2
    assert table.loc["ana", "count_orders_56d"] == 3
    assert table.loc["ana", "days_since_order"] == 1


def test_a_fact_known_only_after_the_cutoff_is_not_seen(tmp_path):
    _, table = snapshot(
        tmp_path,
        "ana 2024-03-10 2024-03-10 o1 p 1 10",
        "ana 2024-03-20 2024-04-01 o2 p 1 99",  # happened before, known on the cutoff day
        "ana 2024-03-21 2024-03-31T23:00:00 o3 p 1 5",  # known just before
    )
    assert table.loc["ana", "count_orders_28d"] == 2
    assert table.loc["ana", "order_amount_28d"] == 15


def test_labels_seen_from_another_day_take_the_place_of_those_before(tmp_path):
    rows = ["ana 2024-03-15 2024-03-15 a1 p 1 10", "zoe 2024-07-01 2024-07-01 z p 1 10"]
    rows += ["ana 2024-04-20 2024-06-01T12:00:00 a2 p 1 10"]  # known only after the first of the two days
    snapshots, _ = snapshot(tmp_path, *rows)
    assert labels(snapshots) == {"ana": 1}
    again = Snapshots(snapshots.workspace, snapshots.staged, date(2024, 6, 2))
    assert labels(again) == {"ana": 0}
    kept = list((tmp_path / "data").rglob("labels/lapse/*.parquet"))
    assert kept == [again.labels_path(again.targets["lapse"], CUTOFF)], (
        "daily runs would leave all of them once more, every day"
    )
    assert labels(snapshots) == {"ana": 1}


def test_lapse_is_1_when_no_order_falls_in_the_outcome_window(tmp_path):
    snapshots, _ = snapshot(
        tmp_path,
        *(f"{who} 2024-03-15 2024-03-15 {who}1 p 1 10" for who in ("ana", "bo", "cy", "di", "eve")),
        "bo 2024-04-01 2024-04-01 b2 p 1 10",  # the cutoff day is in the outcome window
        "cy 2024-04-30T23:59 2024-04-30T23:59 c2 p 1 10",  # its last minute too
        "di 2024-05-01 2024-05-01 d2 p 1 10",  # the day after is not
        "eve 2024-04-10 2024-04-10 e1 p -1 -10",  # a return is no order
    )
    assert labels(snapshots) == {"ana": 1, "bo": 0, "cy": 0, "di": 1, "eve": 1}


def test_a_label_sees_what_was_known_before_the_as_of_and_nothing_later(tmp_path):
    snapshots, _ = snapshot(
        tmp_path,
        "in_time 2024-03-10 2024-03-10 o1 p 1 10",
        "in_time 2024-04-10 2024-05-31T23:00:00 o2 p 1 10",
        "too_late 2024-03-10 2024-03-10 o3 p 1 10",
        "too_late 2024-04-10 2024-06-01 o4 p 1 10",  # known on the as-of's midnight
    )
    assert labels(snapshots) == {"in_time": 0, "too_late": 1}


def test_only_who_ordered_in_the_eligible_days_is_asked(tmp_path):
    snapshots, table = snapshot(
        tmp_path,
        "ana 2024-03-02 2024-03-02 o1 p 1 10",  # 30 days before
        "bo 2024-03-01 2024-03-01 o2 p 1 10",  # 31 days before
        "cy 2024-03-20 2024-03-20 o3 p -1 -10",  # only a return
    )
    assert list(table.index) == ["ana"]
    assert labels(snapshots) == {"ana": 1}


def test_the_rows_of_a_target_are_counted_over_cutoffs(tmp_path):
    rows = ["ana 2024-03-15 2024-03-15 a1 p 1 10", "ben 2024-03-28 2024-03-28 b1 p 1 10"]
    snapshots, _ = snapshot(tmp_path, *rows)
    lapse, later = snapshots.targets["lapse"], date(2024, 4, 20)
    assert count_eligible(snapshots, lapse, [CUTOFF, later]) == {CUTOFF: 2, later: 0}, "ana, ben"
    assert count_eligible(snapshots, lapse, [later]) == {later: 0}, "not built, and none is built to count it"
    snapshots.build_features([later])
    assert count_eligible(snapshots, lapse, [CUTOFF, later]) == {CUTOFF: 2, later: 1}, "ana, ben; ben"


def test_a_label_refuses_an_outcome_window_past_the_as_of(tmp_path):
    snapshots, _ = snapshot(tmp_path, "ana 2024-03-02 2024-03-02 o1 p 1 10", as_of=date(2024, 4, 30))
    with pytest.raises(NotEnoughDataError, match="outcomes are certain on 2024-05-01, after the as-of 2024-04-30"):
        labels(snapshots)


def test_facts_after_the_cutoff_change_no_feature(tmp_path):
    before = [f"c{n % 7} 2024-03-{1 + n % 28:02d} 2024-03-{1 + n % 28:02d} o{n} p{n % 5} 1 {n}" for n in range(60)]
    after = [f"c{n % 7} 2024-04-{1 + n % 28:02d} 2024-04-{1 + n % 28:02d} x{n} p{n % 5} 3 {n * 9}" for n in range(60)]
    _, without = snapshot(tmp_path / "a", *before)
    _, with_future = snapshot(tmp_path / "b", *before, *after)
    pd.testing.assert_frame_equal(without, with_future)


def test_features_equal_a_slow_and_independent_oracle_on_random_histories(tmp_path):
    dice = random.Random(11)
    rows, facts = [], []
    for n in range(1500):
        day = date(2023, 3, 1) + timedelta(days=dice.randrange(450))
        known = day + timedelta(days=dice.choice([0, 0, 0, 1, 9]))
        fact = (
            f"c{dice.randrange(200)}",
            day,
            known,
            f"o{n // 2}",
            f"p{dice.randrange(9)}",
            dice.choice([1, 2, -1]),
            dice.randrange(1, 900) / 10,
        )
        facts.append(fact)
        rows.append(" ".join(map(str, fact)))
    _, table = snapshot(tmp_path, *rows, toml="[targets.lapse]\nhorizon_days = 30\neligible_days = 180\n")
    assert len(table) > 100
    for customer, row in table.iterrows():
        seen = [f for f in facts if f[0] == customer and f[1] < CUTOFF and f[2] < CUTOFF]
        for days in (28, 90, 365):
            inside = [f for f in seen if (CUTOFF - f[1]).days <= days]
            assert row[f"count_orders_{days}d"] == len({f[3] for f in inside if f[5] > 0})
            assert row[f"order_amount_{days}d"] == pytest.approx(sum(f[6] for f in inside if f[5] > 0))
        ages = sorted({(CUTOFF - f[1]).days for f in seen if f[5] > 0})
        recency, tenure, times = ages[0], ages[-1], len(ages)
        assert row["days_since_order"] == recency
        assert row["returned_amount"] == pytest.approx(-sum(f[6] for f in seen if f[5] < 0))
        near(row["usual_order_gap_days"], (tenure - recency) / (times - 1) if times > 1 else None)
        near(row["recent_order_days_30"], sum(math.exp(-age / 30) for age in ages))
        near(row["order_pace_28d"], len([age for age in ages if age <= 28]) / min(28, tenure))
        near(row["order_spread"], statistics.pstdev(ages) / (tenure - recency) if times > 1 else None)
        near(row["still_buying_probability"], p_alive(times, recency, tenure))


def near(found, expected):
    assert pd.isna(found) if expected is None else found == pytest.approx(expected, rel=1e-7, abs=1e-9)


def p_alive(times, recency, tenure, r=0.5, alpha=30.0, a=1.0, b=2.5):
    """P(alive) as Fader, Hardie and Lee write it: x repeats of ``times`` order days, the last at t_x of T days."""
    x, t_x, T = times, tenure - recency, tenure
    return 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x - 1))


def test_unchanged_snapshots_are_reused_and_changed_data_is_not(tmp_path):
    rows = ["ana 2024-03-10 2024-03-10 o1 p 1 10"]
    snapshots, _ = snapshot(tmp_path, *rows)
    assert snapshots.build_features([CUTOFF]) == {"built": 0, "reused": 1}
    changed, table = snapshot(tmp_path, *rows, "ana 2024-03-11 2024-03-11 o2 p 1 10")
    assert table.loc["ana", "count_orders_28d"] == 2
    assert changed.features_path(CUTOFF) != snapshots.features_path(CUTOFF)


def test_a_build_that_is_cut_off_keeps_the_cutoffs_it_finished(tmp_path, monkeypatch):
    snapshots, _ = snapshot(tmp_path, "ana 2024-03-15 2024-03-15 a1 p 1 10")
    wanted = [CUTOFF, date(2024, 4, 8), date(2024, 4, 15)]
    monkeypatch.setattr(duckdb_engine, "engine_memory", lambda: 1)  # each cutoff is built apart
    write = duckdb_engine.write_snapshots

    def write_one(*arguments):
        if date(2024, 4, 15) in arguments[-2]:
            raise MemoryError
        write(*arguments)

    monkeypatch.setattr(duckdb_engine, "write_snapshots", write_one)
    with pytest.raises(MemoryError):
        snapshots.build_features(wanted)
    monkeypatch.setattr(duckdb_engine, "write_snapshots", write)
    assert snapshots.build_features(wanted) == {"built": 1, "reused": 2}
    assert sorted(snapshots.features_path(CUTOFF).parent.iterdir()) == [snapshots.features_path(c) for c in wanted]


@pytest.mark.parametrize(
    ("fitting", "test", "words"),
    [
        ({"rows": 500, "positives": 29}, {"rows": 90, "positives": 20}, "29 of 500 .* Expected at least 30"),
        ({"rows": 500, "positives": 40}, {"rows": 90, "positives": 9}, "9 of 90 .* test block .* Expected at least 10"),
        ({"rows": 40, "positives": 40}, {"rows": 90, "positives": 20}, "no other class"),
    ],
)
def test_too_few_positives_or_one_class_are_refused_with_what_would_suffice(tmp_path, fitting, test, words):
    snapshots, _ = snapshot(tmp_path, "ana 2024-03-10 2024-03-10 o1 p 1 10")
    with pytest.raises(NotEnoughDataError, match=words):
        check_positives(snapshots.targets["lapse"], fitting, test)


def test_a_sample_draws_customers_with_all_their_cutoffs_and_a_larger_one_holds_the_smaller(tmp_path):
    rows = [f"c{n} 2024-0{month}-20 2024-0{month}-20 o{n}{month} p 1 10" for n in range(40) for month in (2, 3)]
    snapshots, _ = snapshot(tmp_path, *rows)
    cutoffs = [date(2024, 3, 1), CUTOFF]

    def drawn(**limits):
        table = read_rows(snapshots, snapshots.targets["lapse"], cutoffs, [], labels=False, seed=7, **limits)
        return table.groupby("customer_id").size()

    assert len(drawn()) == 40 and set(drawn()) == {2}
    few, more = drawn(max_rows=21), drawn(max_rows=60)
    assert len(few) == 10 and set(few) == {2}, "21 rows: ten customers of two, no half one"
    assert set(few.index) < set(more.index) and len(more) == 30
    assert set(drawn(max_customers=10).index) == set(few.index)
    assert len(drawn(max_customers=5, max_rows=60)) == 5


PRODUCTS = ("product_id category brand", "p bread ours", "q milk theirs")


@pytest.mark.parametrize(
    ("header", "products", "told"),
    [
        ("customer_id occurred_at order_id amount", None, set()),
        ("customer_id occurred_at order_id amount product_id", None, {"count_products", "products_per_order"}),
        ("customer_id occurred_at order_id amount product_id", PRODUCTS, {"count_products", "products_per_order", "count_categories"}),
        ("customer_id occurred_at order_id amount product_id", ("product_id brand", "p ours"), {"count_products", "products_per_order"}),
    ],
)  # fmt: skip
def test_what_no_row_holds_makes_no_feature(tmp_path, header, products, told):
    rows = [f"{who} 2024-03-{day} o{day} 10 p" for who in ("ana", "bo") for day in ("04", "20")]
    rows = [row if "product_id" in header else row.rsplit(" ", maxsplit=1)[0] for row in rows]
    tables = {"order_lines": (header, *rows)} | ({"products": products} if products else {})
    snapshots = Snapshots(Workspace(tmp_path), staged(tmp_path, SHORT, **tables), date(2024, 6, 1))
    snapshots.build_features([CUTOFF])
    table = pd.read_parquet(snapshots.features_path(CUTOFF)).set_index("customer_id")
    asked = {"count_products", "products_per_order", "count_categories", "discount_share", "count_order_channels"}
    assert asked & set(table.columns) == told
    assert table.loc["ana", "count_orders"] == 2
    assert "discount_share: no row of order_lines has discount" in snapshots.unavailable_features


def test_what_is_first_told_after_the_as_of_makes_no_feature_as_of_then(tmp_path):
    """On 1 April nobody had a product id or a support ticket: a run of that day, and one that looks back on it, are the same."""
    rows = [f"{who} 2024-03-{day} {who}{day} 10 -" for who in ("ana", "bo") for day in ("04", "20")]
    header = "customer_id occurred_at order_id amount product_id"
    kinds = {}
    for name, later in {"then": (), "now": ("bo 2024-05-01 o9 10 p",)}.items():
        tables = {"order_lines": (header, *rows, *later)}
        if later:
            tables["support_tickets"] = ("customer_id occurred_at ticket_id event", "bo 2024-05-01 t1 opened")
        source = staged(tmp_path / name, SHORT, **tables)
        kinds[name] = [column.name for column in Snapshots(Workspace(tmp_path), source, CUTOFF).columns]
    assert "count_products" not in kinds["now"] and kinds["now"] == kinds["then"]
    later_on = [column.name for column in Snapshots(Workspace(tmp_path), source, date(2024, 5, 2)).columns]
    assert "count_products" in later_on and any("ticket" in name for name in later_on)


def test_the_first_heuristic_whose_columns_are_there_and_that_tells_customers_apart_is_the_one(tmp_path):
    snapshots, _ = snapshot(
        tmp_path, "ana 2024-03-10 2024-03-10 o1 p 1 10", "ben 2024-03-20 2024-03-20 o2 p 1 10"
    )  # fmt: skip
    lapse = snapshots.targets["lapse"]
    absent, constant = Heuristic("coalesce(usage_30d, 0)", "usage"), Heuristic("0 * days_since_order", "nothing")
    recency = Heuristic("days_since_order", "recency")

    def ranked(*heuristics):
        asked = replace(lapse, heuristic=heuristics)
        rows = read_rows(snapshots, asked, [CUTOFF], [], labels=False)
        names = [each.meaning for each in telling_heuristics(snapshots, asked, [CUTOFF])]
        return names, dict(zip(rows["customer_id"], rows["heuristic_score"], strict=True))

    assert ranked(absent, constant, recency) == (["recency"], {"ana": 22, "ben": 12})
    names, scores = ranked(absent, constant)
    assert names == [] and all(math.isnan(score) for score in scores.values()), "none ranks nobody"

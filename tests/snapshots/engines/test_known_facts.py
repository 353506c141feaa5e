"""A month more of data leaves former snapshots as they are; a correction rebuilds just those that it reaches."""

from datetime import date

import pandas as pd
import pytest

from tables import staged, write_csv
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_facts import known_facts

FEBRUARY, MARCH, APRIL = CUTOFFS = (date(2024, 2, 1), date(2024, 3, 1), date(2024, 4, 1))
HEADER = "customer_id occurred_at known_at order_id product_id quantity amount"
PAST = (
    "ana 2024-01-10 2024-01-10 o1 p1 1 10",
    "bo  2024-01-31T23:59:59 2024-01-31T23:59:59 o2 p2 1 20",
    "ana 2024-02-10 2024-02-10 o3 p1 1 30",
    "bo  2024-03-10 2024-03-10 o4 p2 1 40",
)
PRODUCTS = ("product_id category", "p1 tea", "p2 coffee")
TOML = "[targets.lapse]\nhorizon_days = 30\neligible_days = 60\n"


def snapshots(root, *orders, as_of=date(2024, 5, 1), products=PRODUCTS, **tables):
    source = staged(root, TOML, order_lines=(HEADER, *orders), products=products, **tables)
    return Snapshots(Workspace(root), source, as_of)


def changed(before, after):
    """List the cutoffs whose snapshot must be built anew."""
    return [cutoff for cutoff in CUTOFFS if before.features_path(cutoff).name != after.features_path(cutoff).name]


def test_later_facts_alone_reuse_every_former_snapshot_and_build_only_the_new_one(tmp_path):
    before = snapshots(tmp_path, *PAST)
    assert before.build_features(CUTOFFS) == {"built": 3, "reused": 0}
    later = (
        "ana 2024-04-01 2024-04-01 o5 p1 1 50",  # the last cutoff's midnight: unknown to it
        "bo  2024-02-20 2024-04-09 o6 p2 1 60",  # happened long before, known only now
    )
    after = snapshots(tmp_path, *PAST, *later)
    assert after.build_features([*CUTOFFS, date(2024, 5, 1)]) == {"built": 1, "reused": 3}


def test_a_reused_snapshot_holds_what_building_it_anew_would(tmp_path):
    later = "bo 2024-02-20 2024-04-09 o6 p2 1 60"
    reused, anew = snapshots(tmp_path / "reused", *PAST), snapshots(tmp_path / "anew", *PAST, later)
    reused.build_features(CUTOFFS)
    reused = snapshots(tmp_path / "reused", *PAST, later)
    anew.build_features(CUTOFFS)
    assert reused.build_features(CUTOFFS)["reused"] == 3
    for cutoff in CUTOFFS:
        pd.testing.assert_frame_equal(
            pd.read_parquet(reused.features_path(cutoff)), pd.read_parquet(anew.features_path(cutoff))
        )


@pytest.mark.parametrize(
    ("correction", "reached"),
    [
        ("bo 2024-01-31T23:59:59 2024-01-31T23:59:59 o2 p2 -1 -20", [FEBRUARY, MARCH, APRIL]),
        ("bo 2024-01-31T23:59:59 2024-02-01 o2 p2 -1 -20", [MARCH, APRIL]),
        ("bo 2024-01-15 2024-03-31T23:59:59 o2 p2 -1 -20", [APRIL]),
        ("bo 2024-01-15 2024-04-01 o2 p2 -1 -20", []),
    ],
)
def test_a_correction_reaches_the_cutoffs_after_it_became_known(tmp_path, correction, reached):
    assert changed(snapshots(tmp_path / "a", *PAST), snapshots(tmp_path / "b", *PAST, correction)) == reached


@pytest.mark.parametrize(
    "february",
    [
        (),
        (PAST[2], PAST[2]),
        (PAST[2], PAST[2], PAST[2]),
        ("bo  2024-02-10 2024-02-10 o3 p1 1 30",),
        ("ana 2024-02-11 2024-02-11 o3 p1 1 30",),
        ("ana 2024-02-10 2024-02-12 o3 p1 1 30",),
        ("ana 2024-02-10 2024-02-10 o3 p2 1 30",),
        ("ana 2024-02-10 2024-02-10 p1 o3 1 30",),
        ("ana 2024-02-10 2024-02-10 o3 p1 1 30.0001",),
        ("ana 2024-02-10 2024-02-10 o3 - 1 30",),
    ],
)
def test_a_row_lost_doubled_or_changed_in_any_column_is_noticed(tmp_path, february):
    other = (*PAST[:2], *february, PAST[3])
    assert changed(snapshots(tmp_path / "a", *PAST), snapshots(tmp_path / "b", *other)) == [MARCH, APRIL]


def test_a_pair_of_identical_rows_is_not_mistaken_for_another_pair(tmp_path):
    before = snapshots(tmp_path / "a", *PAST, PAST[2], PAST[2])
    after = snapshots(tmp_path / "b", *PAST[:2], PAST[3], PAST[2], *("ana 2024-02-10 2024-02-10 o9 p1 1 30",) * 2)
    assert changed(before, after) == [MARCH, APRIL]


def test_columns_may_be_called_as_the_query_calls_its_own(tmp_path):
    toml = TOML + '[order_lines]\nquery = "SELECT * FROM sales"\nextra = { day = "day", fact = "fact" }\n'
    columns = 'customer_id = "customer_id"\noccurred_at = "occurred_at"\nknown_at = "known_at"\norder_id = "order_id"\namount = "amount"\n'

    def sold(root, fact):
        rows = (
            "ana 2024-01-10 2024-01-10 o1 1 mon {}",
            "bo 2024-01-11 2024-01-11 o2 1 mon {}",
            "bo 2024-02-11 2024-02-11 o3 1 mon {}",
        )
        write_csv(
            root / "data/raw/shop/sales.csv",
            "customer_id occurred_at known_at order_id amount day fact",
            *(row.format(fact) for row in rows),
        )
        return known_facts(staged(root, toml.replace("extra", columns + "extra")))

    one, other = sold(tmp_path / "a", "x"), sold(tmp_path / "b", "y")
    assert {day: rows for day, (rows, _) in one.tables["order_lines"]["days"].items()} == {
        "2024-01-10": 1,
        "2024-01-11": 1,
        "2024-02-11": 1,
    }
    assert len({one.digest(FEBRUARY), one.digest(MARCH), other.digest(FEBRUARY), other.digest(MARCH)}) == 4


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    assert changed(snapshots(tmp_path / "a", *PAST), snapshots(tmp_path / "b", *reversed(PAST))) == []


def test_a_table_without_dates_counts_whole(tmp_path):
    renamed = ("product_id category", "p1 tea", "p2 cocoa")
    after = snapshots(tmp_path / "b", *PAST, products=renamed)
    assert changed(snapshots(tmp_path / "a", *PAST), after) == [*CUTOFFS]


def test_customers_without_a_date_count_at_every_cutoff(tmp_path):
    toml = TOML + '[customers]\nfrom = "people.csv"\ncustomer_id = "id"\nattributes = { city = "city" }\n'

    def with_people(root, *people):
        (root / "data" / "raw" / "shop").mkdir(parents=True)
        (root / "data" / "raw" / "shop" / "people.csv").write_text("id,city\n" + "\n".join(people) + "\n")
        return Snapshots(Workspace(root), staged(root, toml, order_lines=(HEADER, *PAST)), date(2024, 5, 1))

    before = with_people(tmp_path / "a", "ana,Bonn", "bo,Kiel")
    assert changed(before, with_people(tmp_path / "b", "ana,Bonn", "bo,Ulm")) == [*CUTOFFS]


def test_labels_are_built_anew_where_what_the_as_of_knows_changed(tmp_path):
    before = snapshots(tmp_path / "a", *PAST)
    outcome = snapshots(tmp_path / "b", *PAST, "ana 2024-04-10 2024-04-10 o5 p1 1 50")
    after_as_of = snapshots(tmp_path / "c", *PAST, "ana 2024-04-10 2024-05-01 o5 p1 1 50")
    lapse = before.targets["lapse"]
    assert before.features_path(APRIL).name == outcome.features_path(APRIL).name
    assert before.labels_path(lapse, APRIL).name != outcome.labels_path(lapse, APRIL).name
    assert before.labels_path(lapse, APRIL).name == after_as_of.labels_path(lapse, APRIL).name


def test_facts_are_digested_once_per_staging(tmp_path):
    source = snapshots(tmp_path, *PAST).staged
    first = known_facts(source)
    assert known_facts(source) == first
    assert [rows for rows, _ in first.tables["order_lines"]["days"].values()] == [1, 1, 1, 1]
    source.path("order_lines").unlink()  # nothing is read a second time
    assert known_facts(source) == first

"""What differs between two snapshots is found, counted and shown."""

import pandas as pd

from tenure.audit.comparison import compare_snapshots

EXPECTED = {
    "customer_id": ["ana", "bo", "cy", "di"],
    "orders": [1.0, 2.0, None, 4.0],
    "plan": ["Solo", None, "Duo", "Duo"],
    "town": ["x", None, None, "y"],
    "never": [None, None, None, None],
}


def compared(tmp_path, **changed):
    paths = tmp_path / "expected.parquet", tmp_path / "found.parquet"
    for path, columns in zip(paths, (EXPECTED, EXPECTED | changed), strict=True):
        pd.DataFrame(columns).to_parquet(path)
    kinds = {name: "feature" for name in EXPECTED if name != "customer_id"}
    return compare_snapshots(*paths, kinds).drop(columns="kind").values.tolist()


def test_equal_snapshots_differ_in_nothing_and_unknown_equals_unknown(tmp_path):
    assert compared(tmp_path) == []


def test_each_column_that_differs_is_counted_and_its_first_customer_shown(tmp_path):
    found = compared(tmp_path, orders=[1.0, None, 3.0, 4.0], plan=["Solo", "Duo", "Duo", "Duo"])
    assert found == [["orders", 2, "bo", "2.0", "None"], ["plan", 1, "bo", "None", "Duo"]]


def test_a_last_bit_is_a_difference(tmp_path):
    assert [row[0] for row in compared(tmp_path, orders=[1.0 + 2**-52, 2.0, None, 4.0])] == ["orders"]


def test_nothing_is_not_a_small_number(tmp_path):
    assert [row[:2] for row in compared(tmp_path, orders=[1.0, 2.0, 1e-12, 4.0])] == [["orders", 1]]
    path = tmp_path / "zero.parquet", tmp_path / "small.parquet"
    for place, value in zip(path, (0.0, 1e-12), strict=True):
        pd.DataFrame({"customer_id": ["ana", "bo"], "ratio": [value, float("inf")]}).to_parquet(place)
    assert compare_snapshots(*path, {"ratio": "feature"})["customers"].tolist() == [1]


def test_a_text_that_no_customer_has_any_more_differs(tmp_path):
    assert compared(tmp_path, town=[None] * 4) == [["town", 2, "ana", "x", "None"]]


def test_customers_of_one_snapshot_alone_are_told_apart_from_values(tmp_path):
    found = compared(
        tmp_path, customer_id=["ana", "bo", "cy", "eve"], orders=[1.0, 2.0, None, 9.0], plan=EXPECTED["plan"]
    )
    assert found == [["(eligible)", 2, "di", "True", "False"]]

"""Raw files as they stood on a day: rows known before its midnight, in files that are read as the first ones were."""

from datetime import date

import pytest

from tables import read
from tenure.core.workspace import Workspace
from tenure.sources.provenance import stage_as_known, static_tables
from tenure.sources.source import read_source

CUTOFF = date(2024, 2, 1)
MAPPING = """
[order_lines]
from = "orders.csv"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
"""
KNOWN = '[raw."orders.csv"]\nknown_at = "told"\n'


def shop(root, toml, *rows, encoding="utf-8"):
    workspace = Workspace(root / "now")
    folder = workspace.raw("shop")
    folder.mkdir(parents=True)
    (folder / "orders.csv").write_text("client,day,no,price,told\n" + "".join(f"{row}\n" for row in rows), encoding)
    (folder / "source.toml").write_text(MAPPING + toml, encoding="utf-8")
    return workspace, read_source(workspace, "shop")


def as_known(root, workspace, source):
    staged, left_out = stage_as_known(source, workspace.raw("shop"), CUTOFF, Workspace(root / "then"))
    return left_out, staged


def test_a_row_is_there_once_it_was_known_before_midnight_whenever_it_happened(tmp_path):
    rows = (
        "before,2024-01-30,1,1,2024-01-31T23:59:59",
        "midnight,2024-01-30,2,1,2024-02-01T00:00:00",
        "late,2024-01-30,3,1,2024-03-01",
        "unreadable,2024-01-30,4,1,soon",  # staging judges it
    )
    left_out, staged = as_known(tmp_path, *shop(tmp_path, KNOWN, *rows))
    assert left_out == 2
    assert read(staged.path("order_lines"), "customer_id") == [("before",)]
    assert staged.tables["order_lines"].rules == {"known_at is not a date": 1}


def test_a_file_that_does_not_say_when_it_was_known_stays_whole_and_its_table_is_unproven(tmp_path):
    workspace, source = shop(tmp_path, "", "ana,2024-03-01,1,1,2024-03-01")
    assert static_tables(source, workspace.raw("shop")) == {"order_lines"}
    left_out, staged = as_known(tmp_path, workspace, source)
    assert left_out == 0 and staged.tables["order_lines"].staged == 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_cut_file_is_staged_as_the_whole_one_was_whatever_its_encoding(tmp_path, encoding):
    rows = ("Jürgen,2024-01-05,1,2,2024-01-05", "ana,2024-01-06,2,3,2024-01-06")
    workspace, source = shop(tmp_path, KNOWN + f'encoding = "{encoding}"\n', *rows, encoding=encoding)
    _, staged = as_known(tmp_path, workspace, source)
    assert sorted(read(staged.path("order_lines"), "customer_id")) == [("Jürgen",), ("ana",)]

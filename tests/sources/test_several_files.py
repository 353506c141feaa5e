"""A table of several files: one below the other, alternatives, patterns, sheets; nothing of them is unread unsaid."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tables import read, write_csv
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.provenance import static_tables
from tenure.sources.source import read_source

COLUMNS = "\ncustomer_id = 'client'\noccurred_at = 'day'\norder_id = 'no'\namount = 'amt'\n"
HEADER = "client day no amt"
OLD = ("ana 2024-01-05 1 5", "bo 2024-02-05 2 6")
NEW = ("ana 2025-01-05 3 7", "cy 2025-02-05 4 8")


@pytest.fixture
def workspace(tmp_path):
    located = Workspace(tmp_path)
    write_csv(located.raw("shop") / "orders_2024.csv", HEADER, *OLD)
    write_csv(located.raw("shop") / "orders_2025.csv", HEADER, *NEW)
    return located


def stage(workspace, files, more="", columns=COLUMNS):
    (workspace.raw("shop") / "source.toml").write_text(f"[order_lines]\n{files}{columns}{more}", encoding="utf-8")
    return stage_source(workspace, read_source(workspace, "shop"))


def orders(staged):
    return [row[0] for row in read(staged.path("order_lines"), "order_id")]


@pytest.mark.parametrize("files", ['from = ["orders_2024.csv", "orders_2025.csv"]', 'from = "orders_*.csv"'])
def test_a_list_and_a_pattern_are_read_one_file_below_the_other(workspace, files):
    staged = stage(workspace, files)
    assert orders(staged) == ["1", "2", "3", "4"] and not staged.warnings()
    assert sorted(staged.raw_hashes) == ["orders_2024.csv", "orders_2025.csv"]


def test_a_changed_or_further_file_of_a_pattern_is_staged_anew(workspace):
    stage(workspace, 'from = "orders_*.csv"')
    assert stage(workspace, 'from = "orders_*.csv"').reused
    write_csv(workspace.raw("shop") / "orders_2025.csv", HEADER, *NEW[:1])
    assert orders(stage(workspace, 'from = "orders_*.csv"')) == ["1", "2", "3"]
    write_csv(workspace.raw("shop") / "orders_2026.csv", HEADER, "ana 2026-01-05 9 7")
    assert orders(stage(workspace, 'from = "orders_*.csv"')) == ["1", "2", "3", "9"]


def test_alternatives_are_one_of_and_only_the_first_that_is_present_is_read(workspace):
    assert orders(stage(workspace, 'one_of = ["orders.parquet", "orders_2025.csv", "orders_2024.csv"]')) == ["3", "4"]
    with pytest.raises(
        DataContractError, match="orders.parquet is missing.*Present: orders_2024.csv.*listed in one_of"
    ):
        stage(workspace, 'from = ["orders.parquet", "orders_2025.csv"]')


def test_columns_are_matched_by_name_and_those_of_one_file_only_are_said(workspace):
    write_csv(workspace.raw("shop") / "orders_2025.csv", "coupon amt no day client", "X 7 3 2025-01-05 ana")
    staged = stage(workspace, 'from = "orders_*.csv"', "extra = { coupon = 'coupon' }\n")
    assert read(staged.path("order_lines"), "order_id, amount::INT, coupon") == [("1", 5, None), ("2", 6, None), ("3", 7, "X")]  # fmt: skip
    assert staged.warnings() == ["column 'coupon' is in orders_2025.csv and not in orders_2024.csv: empty there"]


def test_ids_that_are_numbers_in_one_file_only_stay_as_they_are_written(workspace):
    write_csv(workspace.raw("shop") / "orders_2024.csv", HEADER, "0017 2024-01-05 1 5")
    write_csv(workspace.raw("shop") / "orders_2025.csv", HEADER, "a17 2025-01-05 2 5.5")
    staged = stage(workspace, 'from = "orders_*.csv"')
    assert read(staged.path("order_lines"), "customer_id, amount::DOUBLE") == [("0017", 5.0), ("a17", 5.5)]


def test_forms_of_the_same_data_are_refused_with_the_key_to_write(workspace):
    folder = workspace.raw("shop")
    table = pa.table(
        {"no": [2.0, 1.0], "client": ["bo", "ana"], "day": ["2024-02-05 00:00:00", "2024-01-05"], "amt": [6, 5]}
    )
    pq.write_table(table, folder / "orders.parquet")
    with pytest.raises(
        DataContractError, match=r"hold the same 2 rows.*one_of = \[\"orders.parquet\", \"orders_2024.csv\"\]"
    ):
        stage(workspace, 'from = ["orders.parquet", "orders_2024.csv"]')
    pq.write_table(table.slice(0, 1), folder / "orders.parquet")
    assert len(orders(stage(workspace, 'from = ["orders.parquet", "orders_2024.csv"]'))) == 3


def test_a_pattern_that_finds_nothing_says_what_is_there(workspace):
    with pytest.raises(
        DataContractError, match=r"named as in 'order-\*.csv'. Present: orders_2024.csv, orders_2025.csv"
    ):
        stage(workspace, 'from = "order-*.csv"')


def test_unreadable_lines_of_each_file_are_told_also_under_a_query(workspace):
    folder = workspace.raw("shop")
    for name in ("orders_2024.csv", "orders_2025.csv"):
        text = (folder / name).read_text()
        (folder / name).write_text(text + "dan,2024-03-01,9,1,stray,cells\n" + "eve,2024-03-02,8,1\n")
    staged = stage(workspace, 'from = "orders_*.csv"')
    table = staged.tables["order_lines"]
    assert (table.read, table.staged, table.unreadable, table.rejected) == (6, 6, 2, 2)
    told = read(staged.rejected_path("order_lines"), "rule, raw_row, raw->>'file', raw->>'line'")
    assert told == [
        ("unreadable line", 4, f"orders_{year}.csv", "dan,2024-03-01,9,1,stray,cells") for year in (2024, 2025)
    ]
    query = "SELECT client AS customer_id, day AS occurred_at, no AS order_id, amt AS amount FROM orders_2024"
    table = stage(workspace, f'query = "{query}"', columns="\n").tables["order_lines"]
    assert (table.staged, table.unreadable, table.rejected) == (3, 1, 1)


def test_encoding_and_delimiter_are_heeded_under_a_query(workspace):
    (workspace.raw("shop") / "orders_2024.csv").write_bytes(
        "client~day~no~amt\nJürgen~2024-01-05~1~5\n".encode("cp1252")
    )
    query = "SELECT client AS customer_id, day AS occurred_at, no AS order_id, amt AS amount FROM orders_2024"
    about = '[raw."orders_2024.csv"]\nencoding = "cp1252"\ndelimiter = "~"\n'
    staged = stage(workspace, f'query = "{query}"', about, columns="\n")
    assert read(staged.path("order_lines"), "customer_id") == [("Jürgen",)]


def test_each_file_of_a_list_says_itself_when_its_rows_were_known(workspace):
    write_csv(workspace.raw("shop") / "orders_2025.csv", f"{HEADER} loaded", "ana 2025-01-05 3 7 2025-01-09")
    about = '[raw."orders_2025.csv"]\nknown_at = "loaded"\n[raw."orders_2024.csv"]\nknown_at = "day"\n'
    staged = stage(workspace, 'from = "orders_*.csv"', about)
    assert [str(row[0]) for row in read(staged.path("order_lines"), "known_at::DATE")] == ["2024-01-05", "2024-02-05", "2025-01-09"]  # fmt: skip
    source, folder = read_source(workspace, "shop"), workspace.raw("shop")
    assert static_tables(source, folder) == set()

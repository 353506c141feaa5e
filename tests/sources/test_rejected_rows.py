"""Every row that was read is staged or rejected: a table of which one is neither is refused."""

import duckdb
import pytest

from tenure.core.errors import DataContractError
from tenure.sources.mapping import MappedTable
from tenure.sources.rejected_rows import check_rejected
from tenure.sources.staged_source import TableSummary

ORDERS = MappedTable(
    name="order_lines", place="source.toml [order_lines]", raw_name="orders.csv", raw_view="raw", casts={}, rules=(), key=(),
    is_dated=True, is_static=False, keeps_unreadable=True, max_rejected_share=0.8, max_no_customer_share=0.5, raw_columns={}, asides={},
)  # fmt: skip


def check(root, **counts):
    with duckdb.connect() as connection:
        check_rejected(connection, ORDERS, TableSummary(**counts), root / "rejected.parquet")


def test_rows_that_are_neither_staged_nor_rejected_are_told(tmp_path):
    check(tmp_path, read=9, unreadable=1, staged=8, rejected=2, rules={"no customer": 2})
    with pytest.raises(
        DataContractError, match="9 rows read and 1 unreadable, but 7 staged and 2 rejected. Rows would be"
    ):
        check(tmp_path, read=9, unreadable=1, staged=7, rejected=2, rules={"no customer": 2})

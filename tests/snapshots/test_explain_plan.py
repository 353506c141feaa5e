"""The plan says which columns go which way and why, and what the last build took."""

from datetime import date

from tables import staged
from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines import duckdb_engine
from tenure.snapshots.explain_plan import explain_plan

HEADER = "customer_id occurred_at order_id product_id quantity amount"
ROWS = [f"c{n % 7} 2024-{1 + n % 6:02d}-{1 + n % 28:02d} o{n} p{n % 3} 1 {n}" for n in range(200)]


def lines_of(snapshots):
    return {(line.table, line.way): line for line in explain_plan(snapshots).lines}


def test_a_plan_accounts_for_every_column_and_for_the_seconds_of_the_last_build(tmp_path, monkeypatch):
    monkeypatch.setattr(duckdb_engine, "BUCKETS_FROM", 0)
    snapshots = Snapshots(Workspace(tmp_path), staged(tmp_path, order_lines=(HEADER, *ROWS)), date(2024, 7, 1))
    before = explain_plan(snapshots)
    assert before.last_cutoffs == 0 and all(line.seconds is None for line in before.lines)
    assert sum(line.columns for line in before.lines) == len(snapshots.columns)
    snapshots.build_features([date(2024, 6, 1), date(2024, 7, 1)])
    assert explain_plan(snapshots).last_cutoffs == 2
    lines = lines_of(snapshots)
    assert all(line.seconds > 0 for line in lines.values())
    assert lines["", "who is asked"].detail.endswith("1 of 1 conditions from the tables' buckets")
    assert "200 facts into" in lines["order_lines", "buckets"].detail
    assert "stddev_pop does not merge (2)" in lines["order_lines", "direct"].detail


def test_a_small_table_is_built_directly_and_the_plan_says_so(tmp_path):
    snapshots = Snapshots(Workspace(tmp_path), staged(tmp_path, order_lines=(HEADER, *ROWS)), date(2024, 7, 1))
    lines = lines_of(snapshots)
    assert ("order_lines", "buckets") not in lines
    assert lines["order_lines", "direct"].detail == "200 facts: too few for buckets to pay"

"""Adding a feature is one entry in one file: its columns are then in the snapshots and in the data dictionary."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tenure
from tables import write_csv

ORDERS = (
    "customer_id occurred_at order_id quantity amount gift",
    "ana 2024-01-05 o1 1 10 yes",
    "ana 2024-02-09 o2 2 250 yes",
    "ana 2024-03-09 o3 1 8 no",
    "bo 2024-03-10 o4 1 120 no",
)
# What a session has of one column: its values in the snapshot of the as-of, and its entry in the data dictionary.
SHOW = """
import json, sys
import pandas as pd
from tenure.steps.opening import open_run
from tenure.steps.prepare import feature_catalogue

session = open_run("shop", workspace=sys.argv[1], as_of="2024-03-11")
session.snapshots.build_features([session.as_of])
snapshot = pd.read_parquet(session.snapshots.features_path(session.as_of)).set_index("customer_id")
dictionary = feature_catalogue(session).set_index("feature")
print(json.dumps({n: [snapshot[n].to_dict(), dictionary.loc[n].to_dict()] for n in sys.argv[2:]}))
"""


def shown(site: Path, workspace: Path, *columns: str) -> dict:
    """Run SHOW with the package that lies in a folder. => column: (value by customer, entry of the data dictionary)"""
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", SHOW, str(workspace), *columns]
    done = subprocess.run(command, env=environment, cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def add_entry(package: Path, file: str, above: str, entry: str) -> None:
    """Put an entry into a file of features, above a line."""
    path = package / "features" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(above) == 1
    path.write_text(text.replace(above, entry + above), encoding="utf-8")


@pytest.fixture
def shop(tmp_path):
    """A workspace with four orders, two of them worth more than 100."""
    write_csv(tmp_path / "work" / "data" / "raw" / "shop" / "order_lines.csv", *ORDERS)
    return tmp_path / "work"


def test_an_entry_in_the_file_of_its_table_is_a_feature(shop, tmp_path):
    package = Path(shutil.copytree(Path(tenure.__file__).parent, tmp_path / "site" / "tenure"))
    large = """
        Feature(
            "count_large_lines",
            "count(*) filter (where amount > 100)",
            windows_days=(30, EVER),
            when_no_rows=0,
            unit="count",
            meaning="Lines of more than 100.",
        ),
"""
    add_entry(package, "order_lines.py", above="        *(_recency_weighted(days)", entry=large)
    share = """
    row_feature(
        "share_large_lines",
        "count_large_lines / nullif(count_order_lines, 0)",
        unit="share",
        meaning="Share of lines of more than 100.",
        driver="order value",
    ),
"""
    add_entry(package, "row_wise.py", above="    *(_pace(days)", entry=share)
    found = shown(package.parent, shop, "count_large_lines_30d", "count_large_lines", "share_large_lines")
    assert {name: values for name, (values, _) in found.items()} == {
        "count_large_lines_30d": {"ana": 0, "bo": 1},  # ana's lies 31 days back
        "count_large_lines": {"ana": 1, "bo": 1},
        "share_large_lines": {"ana": 0.333333333, "bo": 1},
    }
    assert found["count_large_lines_30d"][1] == {
        "driver": "orders",
        "table": "order_lines",
        "window": "30 days",
        "unit": "count",
        "when_no_rows": 0,
        "meaning": "Lines of more than 100.",
        "expression": "count(*) filter (where amount > 100)",
    }
    assert [found[name][1]["window"] for name in ("count_large_lines", "share_large_lines")] == [
        "whole history",
        "row-wise",
    ]


def test_an_entry_in_the_toml_of_a_source_is_a_feature(shop):
    (shop / "data" / "raw" / "shop" / "source.toml").write_text(
        """
[order_lines]
from = "order_lines.csv"
extra = { is_gift = "gift = 'yes'" }

[[features]]
table = "order_lines"
name = "count_gifts"
expression = "count(*) filter (where is_gift)"
windows_days = [90]
when_no_rows = 0
unit = "count"
meaning = "Gifts ordered."
""",
        encoding="utf-8",
    )
    found = shown(Path(tenure.__file__).parents[1], shop, "count_gifts_90d")
    values, entry = found["count_gifts_90d"]
    assert values == {"ana": 2, "bo": 0}
    assert (entry["window"], entry["meaning"], entry["driver"]) == ("90 days", "Gifts ordered.", "order_lines")

"""A table of Spark's catalogue is staged as any raw file is, from a real local Spark."""

import pytest

import local_spark  # noqa: F401 -- a Spark, or a skip
from tables import read
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.ingest import stage_source
from tenure.sources.readers.spark_session import spark_session
from tenure.sources.source import read_source

MAPPING = """
[order_lines]
from = "spark#{table}"
customer_id = "client"
occurred_at = "day"
order_id = "no"
amount = "price"
"""


@pytest.fixture
def workspace(tmp_path):
    spark = spark_session()
    spark.sql("CREATE DATABASE IF NOT EXISTS shop")
    spark.sql("DROP TABLE IF EXISTS shop.sales")
    spark.sql(
        f"CREATE TABLE shop.sales USING parquet LOCATION '{tmp_path / 'warehouse'}' AS SELECT * FROM VALUES "
        "('0007', TIMESTAMP_NTZ '2024-01-05 10:30:00', 1, 2.00), ('0007', TIMESTAMP_NTZ '2024-02-29 23:59:59', 2, 0.50), "
        "('0012', TIMESTAMP_NTZ '2024-03-31 02:30:00', 3, 1.25) AS t(client, day, no, price)"
    )
    located = Workspace(tmp_path / "work")
    located.raw("shop").mkdir(parents=True)
    yield located
    spark.sql("DROP DATABASE shop CASCADE")


def staged(workspace, table):
    (workspace.raw("shop") / "source.toml").write_text(MAPPING.format(table=table), encoding="utf-8")
    return stage_source(workspace, read_source(workspace, "shop"))


def test_a_catalogue_table_comes_to_the_same_facts_as_a_file(workspace):
    path = staged(workspace, "shop.sales").path("order_lines")
    assert sorted(read(path, "customer_id, occurred_at::VARCHAR, order_id, amount::DOUBLE")) == [
        ("0007", "2024-01-05 10:30:00", "1", 2.0),
        ("0007", "2024-02-29 23:59:59", "2", 0.5),
        ("0012", "2024-03-31 02:30:00", "3", 1.25),
    ]
    assert not list(workspace.data.glob(".scratch*"))


def test_an_unchanged_catalogue_table_is_unchanged_and_a_row_more_is_another_staging(workspace):
    first = staged(workspace, "shop.sales")
    assert staged(workspace, "shop.sales").reused
    spark_session().sql("INSERT INTO shop.sales VALUES ('0012', TIMESTAMP_NTZ '2024-04-01 08:00:00', 4, 2.00)")
    again = staged(workspace, "shop.sales")
    assert not again.reused and again.fingerprint != first.fingerprint


def test_a_table_that_spark_does_not_know_is_named_with_those_it_knows(workspace):
    with pytest.raises(DataContractError, match=r"spark#shop\.sale: Table 'shop\.sale' is not defined.*shop\.sales"):
        staged(workspace, "shop.sale")

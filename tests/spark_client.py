"""What one process asks of Spark through Connect: build, score and copy a table into a folder. Run by test_spark_connect."""

import sys
from datetime import date
from pathlib import Path

from tenure.core.workspace import Workspace
from tenure.features.definition import FeatureColumn
from tenure.models.model import PropensityModel
from tenure.scoring.spark import score_snapshot
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import open_engine
from tenure.sources.ingest import stage_source
from tenure.sources.readers.spark import copy_spark_table
from tenure.sources.readers.spark_session import spark_session
from tenure.sources.source import read_source

FEW = (
    "days_since_order",
    "count_orders_",
    "count_products_90d",
    "count_order_channels",
    "order_age_deviation_days",
    "order_hour_deviation",
)


def few_columns(snapshots: Snapshots) -> list[FeatureColumn]:
    """Choose a few of the features: Spark plans each query anew, which takes longer than to answer it."""
    return [column for column in snapshots.columns if column.name.startswith(FEW) and not column.is_row_wise]


def main(root: str, cutoff: str, as_of: str, model: str, folder: str) -> None:
    workspace, day, out = Workspace(Path(root)), date.fromisoformat(cutoff), Path(folder)
    snapshots = Snapshots(workspace, stage_source(workspace, read_source(workspace, "shop")), date.fromisoformat(as_of))
    columns = few_columns(snapshots)
    with open_engine("spark", snapshots.staged, out) as engine:
        engine.build_snapshot(snapshots.targets.values(), columns, [day], {day: out / "snapshot.parquet"})
        lapse = snapshots.targets["lapse"]
        engine.build_labels(lapse, day, snapshots.as_of, out / "snapshot.parquet", out / "labels.parquet")
    scored = score_snapshot(out / "snapshot.parquet", "lapse", PropensityModel.load(Path(model)))
    scored.to_parquet(out / "scored.parquet")
    spark_session().sql(
        "CREATE TABLE sales USING parquet AS SELECT TIMESTAMP_LTZ '2024-03-10 12:00:00+00:00' AS sold_at"
    )
    copy_spark_table("sales", out / "sales")
    print(type(spark_session()).__module__)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Tables of Spark's catalogue: copied to Parquet by the executors, staged like any file."""

from __future__ import annotations

from pathlib import Path

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.sql import literal
from tenure.sources.readers.reader import RawTable, Reader
from tenure.sources.readers.spark_session import first_line, spark_path, spark_session


class SparkReader(Reader):
    """Reads tables of Spark's catalogue."""

    def relation(self, raw: RawTable) -> str:
        copy = raw.copy("", lambda folder: copy_spark_table(raw.part, folder))
        return f"read_parquet({literal(str(copy / '*.parquet'))}, union_by_name = true)"


def copy_spark_table(name: str, folder: Path) -> None:
    """Copy a table into a folder that the executors see under the same path.

    Raises
    ------
    UsageError : no Spark answers. DataContractError : there is no such table, or it cannot be read.
    """
    spark = spark_session()
    from pyspark.errors import PySparkException

    try:
        if not spark.catalog.tableExists(name):
            database = name.rpartition(".")[0]
            tables = [f"{database}.{table.name}".strip(".") for table in spark.catalog.listTables(database or None)]
            raise DataContractError(f"spark#{name}: {UnknownNameError('Table', name, tables)}")
        spark.table(name).write.mode("overwrite").parquet(spark_path(folder))
    except PySparkException as error:
        raise DataContractError(
            f"spark#{name}: {first_line(error)}. Expected a table this Spark can read, named as in 'spark#catalogue.database.table'."
        ) from None

"""The Spark session that definitions run on: asked for by name only, and settled where Spark's defaults would differ from DuckDB."""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING

from tenure.errors import UsageError
from tenure.memory import engine_memory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL_MASTER = "local[2]"
# What a number may depend on is settled here, whatever the cluster's own defaults are.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # an overflow or a failing cast stops the run, as in DuckDB; nothing turns to NULL
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # staged times are the business's own, without a zone
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # a decimal too wide stops the run, it loses no digits
}
# A laptop's session: no page, no port beyond the loopback, as many partitions as two cores can use.
LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


def spark_session() -> SparkSession:
    """Give the process's Spark session: of ``TENURE_SPARK_REMOTE`` (Spark Connect), else of ``TENURE_SPARK_MASTER``, else local.

    It stays open until the process ends, so that one process starts Spark once.

    Raises
    ------
    UsageError : the extra is not installed, or Spark cannot be started or reached.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3; what is used of pyspark is tested on it
            from pyspark.sql import SparkSession
    except ImportError as error:
        raise UsageError(
            f"Engine spark: {error.name or 'pyspark'} is not installed. Expected the extra: pip install -e '.[spark]' in the project's folder."
        ) from None
    remote, master = os.environ.get("TENURE_SPARK_REMOTE"), os.environ.get("TENURE_SPARK_MASTER", LOCAL_MASTER)
    builder = SparkSession.builder.appName("tenure")
    builder = builder.remote(remote) if remote else builder.master(master)
    if not remote and master.startswith("local"):
        memory = f"{engine_memory() >> 20}m"
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # a local Spark's executors have this Python's packages
        builder = builder.config(map=LOCAL_SETTINGS | {"spark.driver.memory": memory})
    try:
        session = builder.getOrCreate()
    except Exception as error:  # of py4j, gRPC or pyspark itself: each has its own root
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(
            f"Engine spark: no session at {remote or master} ({reason}). Expected a Spark that answers, or Java 17 for a local one; "
            "check TENURE_SPARK_REMOTE, TENURE_SPARK_MASTER and JAVA_HOME."
        ) from error
    for name, value in SETTINGS.items():
        session.conf.set(name, value)
    if not remote:
        session.sparkContext.setLogLevel("ERROR")
    return session

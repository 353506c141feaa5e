"""The Spark session that definitions run on, with settings wherever Spark's defaults would differ from DuckDB."""

from __future__ import annotations

import atexit
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tenure.core.errors import UsageError
from tenure.core.memory import engine_memory

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCAL_MASTER = "local[2]"
LEAST_VERSION = 4  # the first whose session settings below all exist
ANSWERS_WITHIN_SECONDS = 20
# What a number may depend on is settled here, whatever the cluster's own defaults are.
SETTINGS = {
    "spark.sql.ansi.enabled": "true",  # an overflow or a failing cast stops the run, as in DuckDB
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # staged times are the business's own, without a zone
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # an instant; as INT96 it looks like local time
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # a decimal too wide stops the run, it loses no digits
    "spark.sql.files.ignoreCorruptFiles": "false",  # what cannot be read stops the run, it is not left out
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.variable.substitute": "false",  # '${...}' in a definition is text, not a setting of the server
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.legacy.consecutiveStringLiterals.enabled": "false",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "false",
    "spark.sql.legacy.statisticalAggregate": "false",  # the deviation of one value is unknown, not NaN
    "spark.sql.legacy.setopsPrecedence.enabled": "false",
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
    """Return a session of Spark.

    It is of ``TENURE_SPARK_REMOTE`` (Spark Connect), else of the Spark this process runs, else of
    ``TENURE_SPARK_MASTER``. Its settings and views are its own: another session of the process, such as a notebook's,
    keeps what it had. The Spark behind it stays open until the process ends, so that one process starts Spark once.

    Raises
    ------
    UsageError : the extra is not installed, or Spark cannot be started or reached, is too old, or another than asked.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of pandas 3; what is used of pyspark is tested on it
            from pyspark.sql import SparkSession
    except ImportError as error:
        raise UsageError(
            f"Engine spark: {error.name or 'pyspark'} is not installed. Expected the extra: pip install -e '.[spark]' in the project's folder."
        ) from None
    remote, master = os.environ.get("TENURE_SPARK_REMOTE"), os.environ.get("TENURE_SPARK_MASTER")
    if remote and master:
        raise UsageError(
            f"Engine spark: TENURE_SPARK_REMOTE ({remote}) and TENURE_SPARK_MASTER ({master}) are both set. Expected one of them; unset the other."
        )
    try:
        session = _remote(SparkSession, remote) if remote else _here(SparkSession, master)
        version = session.version
        if int(version.split(".")[0]) >= LEAST_VERSION:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some are told to be deprecated: a cluster may have them all the same
                for name, value in SETTINGS.items():
                    session.conf.set(name, value)
    except UsageError:
        raise
    except Exception as error:  # of py4j, gRPC or pyspark itself: each has its own root
        raise UsageError(
            f"Engine spark: no session at {remote or master or LOCAL_MASTER} ({first_line(error)}). Expected a Spark that answers, or Java 17 "
            "for a local one; check TENURE_SPARK_REMOTE, TENURE_SPARK_MASTER and JAVA_HOME."
        ) from error
    if int(version.split(".")[0]) < LEAST_VERSION:
        raise UsageError(
            f"Engine spark: {remote or master} is Spark {version}. Expected {LEAST_VERSION}.0 or newer: older ones compute some of it differently."
        )
    return session


def spark_path(path: Path) -> str:
    """Name a path of the disk shared with the executors; a cluster's own default may be another file system."""
    return f"file://{path.absolute()}"


def first_line(error: Exception) -> str:
    """Give what an error of Spark says, without the server's stack."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _remote(spark: type[SparkSession], remote: str) -> SparkSession:
    """Give a session of a Spark Connect server that answers: the client itself would try for many minutes."""
    if remote.startswith("sc://"):
        import grpc
        from pyspark.sql.connect.client import DefaultChannelBuilder

        with DefaultChannelBuilder(remote).toChannel() as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=ANSWERS_WITHIN_SECONDS)
            except grpc.FutureTimeoutError:
                raise TimeoutError(f"it does not answer within {ANSWERS_WITHIN_SECONDS} seconds") from None
    session = spark.builder.appName("tenure").remote(remote).getOrCreate().newSession()
    # One that is still open when Python takes its modules down waits for a channel that nobody serves, forever.
    atexit.register(session.stop)
    return session


def _here(spark: type[SparkSession], master: str | None) -> SparkSession:
    """Give a session of the Spark that runs in this process, or start one."""
    running = spark.getActiveSession()
    if running is None:
        asked = master or LOCAL_MASTER
        builder = spark.builder.appName("tenure").master(asked)
        if asked.startswith("local"):
            os.environ.setdefault(
                "PYSPARK_PYTHON", sys.executable
            )  # a local Spark's executors have this Python's packages
            builder = builder.config("spark.driver.memory", f"{engine_memory() >> 20}m")
            for name, value in LOCAL_SETTINGS.items():
                builder = builder.config(name, value)
        running = builder.getOrCreate()
        running.sparkContext.setLogLevel("ERROR")
    elif master and running.sparkContext.master != master:
        raise UsageError(
            f"Engine spark: this process already runs a Spark at {running.sparkContext.master}, TENURE_SPARK_MASTER asks for {master}. "
            "Expected the same; unset TENURE_SPARK_MASTER, or run in a process of its own."
        )
    return running.newSession()

"""A real local Spark for tests, or a skip that says what is missing.

Whoever imports this asks for a Spark that is quick to start and, as a cluster of others may be, set up so that it would
compute differently: whatever equals DuckDB's numbers on it does so because the session settles its own settings.
"""

import os
import shutil
from pathlib import Path

import pytest

OTHERS_SETTINGS = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "America/New_York",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
    "spark.sql.parquet.outputTimestampType": "INT96",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.files.ignoreCorruptFiles": "true",
    "spark.sql.files.ignoreMissingFiles": "true",
    "spark.sql.variable.substitute": "true",
    "spark.sql.parser.escapedStringLiterals": "true",
    "spark.sql.legacy.statisticalAggregate": "true",
    "spark.sql.legacy.exponentLiteralAsDecimal.enabled": "true",
    "spark.sql.legacy.setopsPrecedence.enabled": "true",
}
# Tests ask little of much code: compiled once, not over and over.
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def java() -> str | None:
    """The Java that Spark would start."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home) / "bin" / "java")) if home else shutil.which("java")


pytest.importorskip(
    "pyspark", reason="the extra spark is not installed: pip install -e '.[spark]' in the project's folder"
)
if java() is None:
    pytest.skip("no Java: a local Spark needs Java 17", allow_module_level=True)
os.environ.setdefault(
    "SPARK_SUBMIT_OPTS", " ".join([*JAVA_OPTIONS, *(f"-D{name}={value}" for name, value in OTHERS_SETTINGS.items())])
)

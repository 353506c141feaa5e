"""A real local Spark for tests, or a skip that says what is missing.

Whoever imports this asks for a Spark that is quick to start and, as a cluster of others may be, set up so that it would
compute differently: whatever equals DuckDB's numbers on it does so because the session settles its own settings.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from servers import free_port

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"

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


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """Start a Spark Connect server in a folder of its own; gives its address.

    Its environment names a Python that has the package, and nothing else of ours.
    """
    import pyspark

    home, port = Path(pyspark.__file__).parent, free_port()
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        **OTHERS_SETTINGS,
    }
    found = java() or ""
    environment = {
        "PATH": f"{Path(found).parent}:/usr/bin:/bin", "HOME": str(folder), "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable, "SPARK_SUBMIT_OPTS": " ".join(JAVA_OPTIONS),
        **{name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ},
    }  # fmt: skip
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]", "--class", SERVER]
    command += [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "spark-internal"],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen, log: Path, seconds: int = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise AssertionError(f"Spark Connect does not answer: {log.read_text()[-2000:]}")

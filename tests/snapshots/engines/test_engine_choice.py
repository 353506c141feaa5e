"""Spark is asked for by name; who lacks the extra is told what to install, and an unknown engine is named."""

import sys

import pytest

from tenure.core.errors import UnknownNameError, UsageError
from tenure.snapshots.engine_choice import check_engine, open_engine
from tenure.sources.readers.spark_session import spark_session


def test_duckdb_is_the_default_and_an_unknown_engine_is_refused():
    assert [check_engine(name) for name in ("", "duckdb", "spark")] == ["duckdb", "duckdb", "spark"]
    with pytest.raises(UnknownNameError, match="Engine 'sparc' is not defined.*Did you mean 'spark'"):
        check_engine("sparc")


def test_without_the_extra_one_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(UsageError, match=r"pip install -e '.\[spark\]'"):
        spark_session()
    with pytest.raises(UsageError, match="not installed"), open_engine("spark", None, tmp_path):
        pass
    assert not list(tmp_path.iterdir())

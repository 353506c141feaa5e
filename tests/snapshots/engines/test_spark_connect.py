"""Through Spark Connect, on a server that has the package and nothing else of ours, numbers and scores are DuckDB's."""

import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import local_spark
import spark_client
from spark_client import few_columns
from tables import read, staged
from tenure.core.errors import UsageError
from tenure.core.workspace import Workspace
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.explain import reasons
from tenure.models.fit_target import meaning_of
from tenure.models.train import train_model
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import open_engine
from tenure.sources.readers.spark_session import spark_session

CLIENT = Path(spark_client.__file__)
CUTOFF, AS_OF = date(2024, 4, 1), date(2024, 7, 1)


def random_orders(seed, rows=600):
    generator = random.Random(seed)
    days = (date(2023, 6, 1) + timedelta(days=generator.randrange(390)) for _ in range(rows))
    yield "customer_id occurred_at order_id product_id quantity amount channel"
    for number, day in enumerate(days):
        yield (
            f"c{generator.randrange(90)} {day}T{generator.randrange(24):02}:30 o{number // 2} p{generator.randrange(9)} "
            f"{generator.choice((1, 2, 3, -1))} {generator.randrange(10_000) / 100} {generator.choice(('web', 'shop', '-'))}"
        )


def test_features_labels_and_scores_through_connect_are_those_of_duckdb(tmp_path):
    toml = 'timezone = "Europe/Berlin"\n[targets.lapse]\nhorizon_days = 60\neligible_days = 120\n'
    facts = staged(tmp_path, toml, order_lines=tuple(random_orders(1)))
    snapshots = Snapshots(Workspace(tmp_path), facts, AS_OF)
    here, there, server = (tmp_path / name for name in ("here", "there", "server"))
    for folder in (here, there, server):
        folder.mkdir()
    with open_engine("duckdb", facts, here) as engine:
        engine.build_snapshot(
            snapshots.targets.values(), few_columns(snapshots), [CUTOFF], {CUTOFF: here / "snapshot.parquet"}
        )
        lapse = snapshots.targets["lapse"]
        engine.build_labels(lapse, CUTOFF, AS_OF, here / "snapshot.parquet", here / "labels.parquet")
    expected, labels = (pd.read_parquet(here / f"{name}.parquet") for name in ("snapshot", "labels"))
    assert len(expected) > 60 and expected["eligible__lapse"].all()

    meanings = [
        meaning_of(c)
        for c in few_columns(snapshots)
        if c.name in ("days_since_order", "count_orders_90d", "count_products_90d")
    ]
    about = {"fitted_through": str(AS_OF), "currency": "EUR", "horizon_days": 60}
    settings = TrainingSettings(max_trees=20, learning_rate=0.1, folds=3)
    customers = expected["customer_id"].to_numpy()
    model = train_model(expected, labels["label"].to_numpy(dtype=int), customers, meanings, settings, about=about).model
    model.save(tmp_path / "model")

    with local_spark.connect_server(server) as address:
        words = [str(word) for word in (tmp_path, CUTOFF, AS_OF, tmp_path / "model", there)]
        environment = os.environ | {"TENURE_SPARK_REMOTE": address}
        done = subprocess.run(
            [sys.executable, str(CLIENT), *words], env=environment, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "pyspark.sql.connect.session"
    pd.testing.assert_frame_equal(pd.read_parquet(there / "snapshot.parquet"), expected, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(there / "labels.parquet"), labels, check_exact=True)
    scored = pd.read_parquet(there / "scored.parquet").set_index("customer_id").loc[customers].reset_index()
    np.testing.assert_array_equal(scored["propensity"], model.propensities(expected))
    pd.testing.assert_frame_equal(
        scored[["reason_1", "reason_2", "reason_3"]], reasons(model, expected), check_dtype=False
    )
    # An instant is written as one, so that staging can bring it to the business's own time.
    assert read(there / "sales" / "*.parquet", "typeof(sold_at), epoch(sold_at)::BIGINT") == [
        ("TIMESTAMP WITH TIME ZONE", 1710072000)
    ]


def test_a_server_that_is_not_there_is_one_message(tmp_path):
    code = (
        "from tenure.sources.readers import spark_session as its; its.ANSWERS_WITHIN_SECONDS = 2; its.spark_session()"
    )
    address = f"sc://127.0.0.1:{local_spark.free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"TENURE_SPARK_REMOTE": address}, capture_output=True, text=True
    )
    assert f"UsageError: Engine spark: no session at {address}" in done.stderr.strip().splitlines()[-1]


def test_two_addresses_are_refused(monkeypatch):
    monkeypatch.setenv("TENURE_SPARK_REMOTE", "sc://127.0.0.1:1")
    monkeypatch.setenv("TENURE_SPARK_MASTER", "local[2]")
    with pytest.raises(UsageError, match="TENURE_SPARK_REMOTE .* and TENURE_SPARK_MASTER .* are both set"):
        spark_session()

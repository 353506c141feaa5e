"""A champion over a Spark table, on its executors: they need this package installed, and nothing else of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from tenure.models.explain import REASONS
from tenure.models.model import PropensityModel
from tenure.models.pyfunc import PropensityPyfunc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def score_on_spark(features: DataFrame, model: PropensityModel, *, explain: bool = False) -> DataFrame:
    """Score a table of features where it lies, chunk by chunk, exactly as on one machine.

    customer_id, features => customer_id, propensity [, reason_1, reason_2, reason_3]; as many rows, in no order.
    """
    wanted = ["customer_id", *model.feature_names]
    reasons = [f"reason_{rank} string" for rank in range(1, REASONS + 1)] if explain else []
    schema = ", ".join(["customer_id string", "propensity double", *reasons])
    return features.select(*(f"`{name}`" for name in wanted)).mapInPandas(_scorer(_texts(model), explain), schema)


def score_snapshot(snapshot: Path, target: str, model: PropensityModel) -> pd.DataFrame:
    """Score those of a snapshot file who may be asked. => customer_id, propensity, reason_1, reason_2, reason_3

    Raises
    ------
    UsageError : Spark is not installed or does not answer.
    """
    from tenure.sources.readers.spark_session import spark_path, spark_session

    asked = spark_session().read.parquet(spark_path(snapshot)).where(f"`eligible__{target}`")
    scored: pd.DataFrame = score_on_spark(asked, model, explain=True).toArrow().to_pandas()
    return scored


def _texts(model: PropensityModel) -> dict[str, str]:
    """Give a model as its files: text travels to the executors, nothing is unpickled into a model."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return {path.name: path.read_text(encoding="utf-8") for path in Path(folder).iterdir()}


def _scorer(texts: dict[str, str], explain: bool) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def score(chunks: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        with TemporaryDirectory() as folder:
            for name, text in texts.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            model = PropensityPyfunc(PropensityModel.load(Path(folder)))
        for chunk in chunks:
            scored = model.predict(chunk, {"explain": explain})
            scored.insert(0, "customer_id", chunk["customer_id"].to_numpy())
            yield scored

    return score

"""Parquet files: read by the engine, with the types they state."""

from __future__ import annotations

from tenure.core.sql import parquet
from tenure.sources.readers.reader import RawTable, Reader


class ParquetReader(Reader):
    """Reads Parquet."""

    endings = (".parquet",)

    def relation(self, raw: RawTable) -> str:
        return parquet(raw.path)

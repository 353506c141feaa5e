"""JSON lines: read by the engine, one object a line."""

from __future__ import annotations

from tenure.core.sql import literal
from tenure.sources.readers.reader import RawTable, Reader


class JsonLinesReader(Reader):
    """Reads JSON lines."""

    endings = (".jsonl", ".ndjson", ".json")

    def relation(self, raw: RawTable) -> str:
        return f"read_json({literal(str(raw.path))}, format = 'newline_delimited', sample_size = -1)"

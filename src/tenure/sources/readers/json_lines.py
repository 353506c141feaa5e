"""JSON lines: read by the engine, one object a line; what is no object or list is text."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import first_line, literal, parquet, quoted
from tenure.sources.readers.reader import RawTable, Reader

# What the engine guesses of a text, and of a number with more digits than the type holds; inside of objects, too.
GUESSED = re.compile(
    r"\b(DATE|TIMESTAMP WITH TIME ZONE|TIMESTAMP|TIME|UUID|INTERVAL|JSON|HUGEINT|UBIGINT|\"NULL\")(?!\w)"
)


class JsonLinesReader(Reader):
    """Reads JSON lines."""

    endings = (".jsonl", ".ndjson", ".json")
    is_text = True

    def relation(self, raw: RawTable) -> str:
        def write(path: Path) -> None:
            read = f"read_json({literal(str(raw.path))}, format = 'newline_delimited'"
            try:
                with duckdb.connect() as connection:
                    connection.execute(f"SET memory_limit = '{engine_memory()}B'")
                    connection.execute(f"SET temp_directory = {literal(str(path.parent))}")
                    described = connection.execute(f"DESCRIBE SELECT * FROM {read}, sample_size = -1)").fetchall()
                    columns = ", ".join(f"{quoted(name)}: {literal(_exact(str(kind)))}" for name, kind, *_ in described)
                    copied = f"FROM {read}, columns = {{{columns}}})"
                    connection.execute(f"COPY ({copied}) TO {literal(str(path))} (FORMAT parquet)")
            except duckdb.Error as error:
                raise DataContractError(f"{raw.reference} cannot be read: {first_line(error)}") from None

        # The engine would part all lines again for each look at them.
        return parquet(raw.copy(".parquet", write))


def _exact(kind: str) -> str:
    """Return the type that keeps what the file says: ids of 21 digits, and of capital letters."""
    if not kind.endswith("]") and not kind.startswith(("STRUCT", "MAP")):
        return "VARCHAR"
    return GUESSED.sub("VARCHAR", kind)

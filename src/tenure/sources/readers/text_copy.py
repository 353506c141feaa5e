"""A raw table as a Parquet copy in scratch, all of its columns text, with the lines beside it that are none of its."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import rmtree
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.sql import parquet
from tenure.sources.readers.reader import RawTable, Reader, Told

BATCH = 10_000
LONGEST_TEXT = 100_000  # of an unreadable line that is kept
UNREADABLE = pa.schema({"line": pa.int64(), "text": pa.string(), "error": pa.string()})


class TextReader(Reader):
    """A reader of files whose cells are text first. A subclass writes the copy, once per staging."""

    def write(self, raw: RawTable, folder: Path) -> Told:
        """Write ``rows.parquet`` into a folder, and ``unreadable.parquet`` where there are such lines.

        Raises
        ------
        DataContractError : an unreadable file.
        """
        raise NotImplementedError

    is_text = True

    def relation(self, raw: RawTable) -> str:
        return parquet(self.rows(raw))

    def rows(self, raw: RawTable) -> Path:
        """Return the path of the copy."""
        return self._copy(raw) / "rows.parquet"

    def told(self, raw: RawTable) -> Told:
        folder = self._copy(raw)
        told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
        unreadable = folder / "unreadable.parquet"
        return Told(
            **{key: tuple(value) for key, value in told.items()},
            unreadable=unreadable if unreadable.is_file() else None,
        )

    def _copy(self, raw: RawTable) -> Path:
        def write(folder: Path) -> None:
            rmtree(folder, ignore_errors=True)  # of an attempt that failed
            folder.mkdir()
            told = self.write(raw, folder)
            lists = {"said": told.said, "warnings": told.warnings, "repeated": told.repeated}
            (folder / "told.json").write_text(json.dumps(lists), encoding="utf-8")

        return raw.copy(".text", write)


def repeated_names(place: str, repeated: Iterable[str]) -> tuple[str, ...]:
    """Say which names of columns stand more than once in a header."""
    return tuple(
        f"{place}: the header names {column!r} more than once; the first is read as {column!r}, the next as '{column}_1'"
        for column in repeated
    )


class Unreadable:
    """The file of lines that are none of a table's; there is none where there is no such line."""

    def __init__(self, folder: Path):
        self.count = 0
        self.first = (0, "", "")
        self._path = folder / "unreadable.parquet"
        self._rows: list[tuple[int, str, str]] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, line: int, text: str, error: str) -> None:
        self.count += 1
        self.first = self.first if self.first[0] else (line, text[:LONGEST_TEXT], error)
        self._rows.append((line, text[:LONGEST_TEXT], error))
        if len(self._rows) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer = self._writer or pq.ParquetWriter(self._path, UNREADABLE)
            self._writer.write_table(pa.table(list(map(list, zip(*self._rows, strict=True))), schema=UNREADABLE))
            self._rows = []

    def __enter__(self) -> Unreadable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        if self._writer:
            self._writer.close()


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Sequence[str | None]]) -> int:
    """Write rows of texts; return how many."""
    schema = pa.schema([(name, pa.string()) for name in names])
    count, batch = 0, []
    with pq.ParquetWriter(path, schema) as writer:
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH:
                writer.write_table(_table(batch, schema))
                count, batch = count + len(batch), []
        writer.write_table(_table(batch, schema))
    return count + len(batch)


def _table(rows: list[Sequence[str | None]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=schema)

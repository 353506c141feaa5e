"""Staged facts as numpy rows, some customers at a time: read once; what memory cannot hold waits on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from tempfile import TemporaryFile
from typing import IO

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.memory import engine_memory
from tenure.snapshots.engines.bucket_plan import Measure, TablePlan, is_exact, measures_of
from tenure.snapshots.engines.buckets import Buckets, Rows, Values

EPOCH = date(1970, 1, 1)
BATCH_ROWS = 500_000
# Customer, day, first cutoff; each measure adds a flag and perhaps a number.
ROW_BYTES, FLAG_BYTES, NUMBER_BYTES = 10, 1, 8

# The rows of each chunk of customers, in pieces, by the chunk's first customer.
Chunks = dict[int, list[Rows]]


def read_chunks(
    connection: duckdb.DuckDBPyConnection,
    plan: TablePlan,
    facts: str,
    rows: int,
    ids: pa.ChunkedArray,
    buckets: Buckets,
    size: int,
) -> Iterator[tuple[list[int], Chunks]]:
    """Read the facts of the customers ``ids``, numbered by their places, in chunks of ``size`` customers.

    => as many chunks as fit into memory: their first customers; their rows, numbering customers within the chunk
    """
    held = rows * (ROW_BYTES + sum(_bytes_of(measure) for measure in measures_of(plan.parts)))
    turns = max(1, -(-held // (engine_memory() // 2)))
    firsts = np.arange(0, len(ids), size)
    groups = np.array_split(firsts, min(turns, len(firsts))) if len(ids) else []
    begins = np.array([group[0] for group in groups])
    (spill,) = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0]
    with ExitStack() as files:
        waiting = [_Aside(files.enter_context(TemporaryFile(dir=spill)), plan) for _ in groups[1:]]
        chunks: Chunks = {}
        for read in _read(connection, plan, facts, ids, buckets):
            for turn, piece in _split(read, np.searchsorted(begins, read.customer, side="right") - 1, len(groups)):
                if turn == 0:
                    _deal(piece, groups[0], size, chunks)
                else:
                    waiting[turn - 1].add(piece)
        for turn, group in enumerate(groups):
            if turn:
                for piece in waiting[turn - 1].pieces():
                    _deal(piece, group, size, chunks)
            yield group.tolist(), chunks
            chunks.clear()


class _Aside:
    """Rows that wait in a file, which goes with the process."""

    def __init__(self, file: IO[bytes], plan: TablePlan) -> None:
        self._file = file
        self._measures = measures_of(plan.parts)
        self._pieces = 0

    def add(self, rows: Rows) -> None:
        for array in (rows.customer, rows.day, rows.seen):
            np.save(self._file, array)
        for measured in rows.measures.values():
            np.save(self._file, measured.present)
            if measured.values is not None:
                np.save(self._file, measured.values)
        self._pieces += 1

    def pieces(self) -> Iterator[Rows]:
        self._file.seek(0)
        for _ in range(self._pieces):
            customer, day, seen = (np.load(self._file) for _ in range(3))
            yield Rows(customer, day, seen, {measure: self._load(measure) for measure in self._measures})

    def _load(self, measure: Measure) -> Values:
        present = np.load(self._file)
        return Values(present, np.load(self._file) if measure.argument else None)


def _split(rows: Rows, parts: npt.NDArray[np.int64], count: int) -> Iterator[tuple[int, Rows]]:
    """Split rows by the number of the part each belongs to."""
    if count == 1:
        yield 0, rows
        return
    parts = parts.astype(np.min_scalar_type(count))  # a short number sorts in one go
    order = np.argsort(parts, kind="stable")
    bounds = np.searchsorted(parts[order], np.arange(count + 1))
    rows = rows.take(order)
    for number in range(count):
        if bounds[number] < bounds[number + 1]:
            yield number, rows.take(slice(bounds[number], bounds[number + 1]))


def _deal(rows: Rows, firsts: npt.NDArray[np.int64], size: int, chunks: Chunks) -> None:
    """Give each chunk of customers its rows."""
    for number, piece in _split(rows, (rows.customer - firsts[0]) // size, len(firsts)):
        first = int(firsts[number])
        within = Rows((piece.customer - first).astype(np.int32), piece.day, piece.seen, piece.measures)
        chunks.setdefault(first, []).append(within)


def _bytes_of(measure: Measure) -> int:
    return FLAG_BYTES + (NUMBER_BYTES if measure.argument else 0)


def _read(
    connection: duckdb.DuckDBPyConnection, plan: TablePlan, facts: str, ids: pa.ChunkedArray, buckets: Buckets
) -> Iterator[Rows]:
    measures = measures_of(plan.parts)
    connection.register("numbered", pa.table({"customer_id": ids, "number": np.arange(len(ids), dtype=np.int32)}))
    selected = "".join(f", {sql}" for sql in _measured(plan, measures))
    first, last = (to_date(int(buckets.cutoffs[place])) for place in (0, -1))
    since = f"AND occurred_at >= DATE '{first - timedelta(plan.longest_window)}'" if plan.longest_window else ""
    query = f"""
        SELECT
            number,
            date_diff('day', DATE '{EPOCH}', CAST(occurred_at AS DATE))::INTEGER AS day,
            date_diff('day', DATE '{EPOCH}', CAST(known_at AS DATE))::INTEGER AS known
            {selected}
        FROM (
            SELECT *
            FROM {facts}
            WHERE occurred_at < DATE '{last}' AND known_at < DATE '{last}' {since}
        )
        JOIN numbered USING (customer_id)
    """
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        yield _rows(batch, measures, buckets)
    connection.unregister("numbered")


def to_day(day: date) -> int:
    return (day - EPOCH).days


def to_date(day: int) -> date:
    return date.fromordinal(day + EPOCH.toordinal())


def _measured(plan: TablePlan, measures: Sequence[Measure]) -> Iterator[str]:
    hashed = {part.measure for part in plan.parts if part.how == "distinct"}
    for number, measure in enumerate(measures):
        condition = measure.condition or "true"
        if not measure.argument:
            yield f"coalesce({condition}, false) AS m{number}"
            continue
        value = measure.argument
        if not is_exact(measure.kind):
            value = f"hash({value})" if measure in hashed else "CAST(1 AS BIGINT)"
        elif not measure.kind.startswith("DECIMAL"):
            value = f"CAST({value} AS BIGINT)"
        yield f"CASE WHEN {condition} AND ({measure.argument}) IS NOT NULL THEN {value} END AS m{number}"


def _rows(batch: pa.RecordBatch, measures: Sequence[Measure], buckets: Buckets) -> Rows:
    day = batch.column("day").to_numpy()
    # A fact is seen once it has both occurred and become known: by the first cutoff after both days.
    known = np.maximum(batch.column("known").to_numpy(), day)
    seen = np.searchsorted(buckets.cutoffs, known, side="right").astype(np.int16)
    values = {measure: _values(batch.column(f"m{number}"), measure) for number, measure in enumerate(measures)}
    return Rows(batch.column("number").to_numpy(), day, seen, values)


def _values(column: pa.Array, measure: Measure) -> Values:
    if not measure.argument:
        return Values(column.to_numpy(zero_copy_only=False))
    present = column.is_valid().to_numpy(zero_copy_only=False)
    # Of the 128 bits of a decimal the lower half: it has 18 digits at most.
    step = column.type.bit_width // 64
    numbers = np.frombuffer(column.buffers()[1], dtype=np.int64)[::step][column.offset : column.offset + len(column)]
    return Values(present, numbers if not column.null_count else np.where(present, numbers, 0))

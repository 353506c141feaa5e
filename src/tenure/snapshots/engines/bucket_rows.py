"""Staged facts as numpy rows, some customers at a time: read once; what memory cannot hold waits on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import pairwise
from tempfile import TemporaryFile

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.core.memory import engine_memory
from tenure.snapshots.engines.bucket_plan import Measure, TablePlan, is_exact, measures_of
from tenure.snapshots.engines.buckets import Buckets, rows_schema

EPOCH = date(1970, 1, 1)
BATCH_ROWS = 500_000
# Customer, day, first cutoff; each measure adds a flag and perhaps a number.
ROW_BYTES, FLAG_BYTES, NUMBER_BYTES = 10, 1, 8

# The rows of each chunk of customers, in pieces, by the chunk's first customer.
Chunks = dict[int, list[pa.RecordBatch]]


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
    measures = measures_of(plan.parts)
    held = rows * (ROW_BYTES + sum(FLAG_BYTES + NUMBER_BYTES * bool(measure.argument) for measure in measures))
    turns = max(1, -(-held // (engine_memory() // 2)))
    firsts = np.arange(0, len(ids), size)
    groups = np.array_split(firsts, min(turns, len(firsts))) if len(ids) else []
    begins = np.array([group[0] for group in groups])
    (spill,) = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0]
    with ExitStack() as files:
        # Rows that wait do so in files, which go with the process.
        waiting = [files.enter_context(TemporaryFile(dir=spill)) for _ in groups[1:]]
        writers = [pa.ipc.new_stream(file, rows_schema(measures)) for file in waiting]
        chunks: Chunks = {}
        for read in _read(connection, plan, facts, ids, buckets):
            turn_of = np.searchsorted(begins, read["customer"].to_numpy(), side="right") - 1
            for turn, piece in _split(read, turn_of, len(groups)):
                if turn == 0:
                    _deal(piece, groups[0], size, chunks)
                else:
                    writers[turn - 1].write_batch(piece)
        for turn, group in enumerate(groups):
            if turn:
                writers[turn - 1].close()
                waiting[turn - 1].seek(0)
                for piece in pa.ipc.open_stream(waiting[turn - 1]):
                    _deal(piece, group, size, chunks)
            yield group.tolist(), chunks
            chunks.clear()


def _split(rows: pa.RecordBatch, parts: npt.NDArray[np.int64], count: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Split rows by the number of the part each belongs to."""
    if count == 1:
        yield 0, rows
        return
    parts = parts.astype(np.min_scalar_type(count))  # a short number sorts in one go
    order = np.argsort(parts, kind="stable")
    rows = rows.take(pa.array(order))
    for number, (begin, end) in enumerate(pairwise(np.searchsorted(parts[order], np.arange(count + 1)))):
        if begin < end:
            yield number, rows.slice(begin, end - begin)


def _deal(rows: pa.RecordBatch, firsts: npt.NDArray[np.int64], size: int, chunks: Chunks) -> None:
    """Give each chunk of customers its rows."""
    for number, piece in _split(rows, (rows["customer"].to_numpy() - firsts[0]) // size, len(firsts)):
        first = int(firsts[number])
        within = pa.array((piece["customer"].to_numpy() - first).astype(np.int32))
        chunks.setdefault(first, []).append(piece.set_column(0, "customer", within))


def _read(
    connection: duckdb.DuckDBPyConnection, plan: TablePlan, facts: str, ids: pa.ChunkedArray, buckets: Buckets
) -> Iterator[pa.RecordBatch]:
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
        day = batch["day"].to_numpy()
        # A fact is seen once it has both occurred and become known: by the first cutoff after both days.
        known = np.maximum(batch["known"].to_numpy(), day)
        seen = np.searchsorted(buckets.cutoffs, known, side="right").astype(np.int16)
        arrays = [batch["number"], batch["day"], pa.array(seen), *map(_whole, batch.columns[3:])]
        yield pa.record_batch(arrays, rows_schema(measures))
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


def _whole(column: pa.Array) -> pa.Array:
    """Give a decimal as an integer of its last digit, and a hash as any integer; flags stay."""
    if not pa.types.is_decimal(column.type):
        return column.view(pa.int64()) if pa.types.is_uint64(column.type) else column
    # Of the 128 bits of a decimal the lower half: it has 18 digits at most.
    step = column.type.bit_width // 64
    numbers = np.frombuffer(column.buffers()[1], dtype=np.int64)[::step][column.offset : column.offset + len(column)]
    return pa.array(numbers, mask=column.is_null().to_numpy(zero_copy_only=False))

"""Staged facts to feature columns by way of buckets: DuckDB reads and writes, numpy merges, some customers at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from functools import partial

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tenure.engines.bucket_plan import Measure, Part, TablePlan, digits, fill, is_exact, measures_of
from tenure.engines.buckets import NONE, Buckets, Rows, Values, merge
from tenure.memory import engine_memory
from tenure.sources.raw_files import quoted

EPOCH = date(1970, 1, 1)
# Chunks merged at once; numpy leaves the interpreter's lock while it works.
THREADS = 2
BATCH_ROWS = 100_000
# Bytes of one chunk's buckets: small enough to stay near the processor, large enough that numpy has work.
CHUNK_BYTES = 32 << 20
MOST_CUSTOMERS = 8_192
# Customer, day, first cutoff; each measure adds a flag and perhaps a number.
ROW_BYTES, FLAG_BYTES, NUMBER_BYTES = 10, 1, 8


def build_bucketed(
    connection: duckdb.DuckDBPyConnection,
    plan: TablePlan,
    facts: str,
    rows: int,
    customers: str,
    cutoffs: Sequence[date],
    name: str,
) -> None:
    """Write a table's bucketed aggregates into the table ``name``: customer_id, cutoff, one column each.

    A customer has a row at a cutoff where a window holds one; where another window holds none, its columns are null.
    ``facts`` gives the table's rows, ``rows`` says how many; ``customers`` gives the customer_id of those to look at.

    Raises
    ------
    OverflowError : a sum may not fit into 64 bits.
    """
    ids = connection.sql(f"SELECT customer_id FROM ({customers}) ORDER BY customer_id").to_arrow_table()["customer_id"]
    buckets = Buckets.cut([_day(cutoff) for cutoff in cutoffs], {w for asked in plan.windows.values() for w in asked})
    size = int(np.clip(CHUNK_BYTES // (8 * len(buckets) * len(plan.parts)), 1, MOST_CUSTOMERS))
    columns = _columns(plan)
    connection.register("merged", _merged([], ids[:0], plan, buckets))
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS {columns}")
    held = rows * (ROW_BYTES + sum(_bytes_of(measure) for measure in measures_of(plan.parts)))
    passes = max(1, -(-held // (engine_memory() // 2)))
    firsts = np.arange(0, len(ids), size)
    for some in np.array_split(firsts, min(passes, len(firsts))) if len(ids) else ():
        chunks = _read(connection, plan, facts, buckets, some, ids, size)

        def merged(first: int, chunks: dict[int, list[Rows]] = chunks) -> pa.Table:
            return _merged(chunks.pop(first, []), ids[first : first + size], plan, buckets)

        for table in _ahead(merged, some.tolist()):
            connection.register("merged", table)
            connection.execute(f"INSERT INTO {name} {columns}")
    connection.unregister("merged")
    connection.unregister("numbered")


def _ahead(work: Callable[[int], pa.Table], arguments: Sequence[int]) -> Iterator[pa.Table]:
    """Do the work of some arguments in threads, and only a little ahead of who takes it: results are large."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[Future[pa.Table]] = deque()
        for argument in arguments:
            waiting.append(pool.submit(work, argument))
            if len(waiting) > THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _day(day: date) -> int:
    return (day - EPOCH).days


def _bytes_of(measure: Measure) -> int:
    return FLAG_BYTES + (NUMBER_BYTES if measure.argument else 0)


def _read(
    connection: duckdb.DuckDBPyConnection,
    plan: TablePlan,
    facts: str,
    buckets: Buckets,
    firsts: npt.NDArray[np.int64],
    ids: pa.ChunkedArray,
    size: int,
) -> dict[int, list[Rows]]:
    """Read the facts of some chunks of customers. => the chunk's first customer: its rows, in pieces"""
    measures = measures_of(plan.parts)
    first, end = int(firsts[0]), min(int(firsts[-1]) + size, len(ids))
    numbered = pa.table({"customer_id": ids[first:end], "number": np.arange(first, end, dtype=np.int32)})
    connection.register("numbered", numbered)
    selected = "".join(f", {sql}" for sql in _measured(plan, measures))
    since = (
        f" AND occurred_at >= DATE '{_date(int(buckets.cutoffs[0]) - plan.longest_window)}'"
        if plan.longest_window
        else ""
    )
    last = f"DATE '{_date(int(buckets.cutoffs[-1]))}'"
    query = (
        f"SELECT number, date_diff('day', DATE '{EPOCH}', CAST(occurred_at AS DATE))::INTEGER AS day, "
        f"date_diff('day', DATE '{EPOCH}', CAST(known_at AS DATE))::INTEGER AS known{selected} "
        f"FROM (SELECT *, isodow(occurred_at) AS weekday, hour(occurred_at) AS hour FROM {facts} "
        f"WHERE occurred_at < {last} AND known_at < {last}{since}) "
        f"JOIN numbered USING (customer_id)"
    )
    chunks: dict[int, list[Rows]] = {}
    for batch in connection.sql(query).to_arrow_reader(BATCH_ROWS):
        rows = _rows(batch, measures, buckets)
        chunk = ((rows.customer - first) // size).astype(np.min_scalar_type(len(firsts)))
        order = np.argsort(chunk, kind="stable")
        bounds = np.searchsorted(chunk[order], np.arange(len(firsts) + 1))
        for number, begins in enumerate(firsts):
            if bounds[number] < bounds[number + 1]:
                piece = rows.take(order[bounds[number] : bounds[number + 1]])
                piece.customer[:] -= begins
                chunks.setdefault(int(begins), []).append(piece)
    return chunks


def _date(day: int) -> date:
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


def _merged(pieces: Sequence[Rows], ids: pa.ChunkedArray, plan: TablePlan, buckets: Buckets) -> pa.Table:
    """Merge one chunk. => customer_id, cutoff_day, and p<part>_<window> as whole numbers; one row per cutoff and customer"""
    rows = _concatenated(pieces or [_none(measures_of(plan.parts))])
    merged = merge(rows, len(ids), plan.parts, plan.windows, buckets)
    columns = {f"p{part}_{window or 'ever'}": values.reshape(-1) for (part, window), values in merged.items()}
    customers = pa.chunked_array(ids.chunks * len(buckets.cutoffs), ids.type)
    return pa.table({"customer_id": customers, "cutoff_day": np.repeat(buckets.cutoffs, len(ids)), **columns})


def _none(measures: Sequence[Measure]) -> Rows:
    values = {measure: Values(np.empty(0, np.bool_), np.empty(0, np.int64)) for measure in measures}
    return Rows(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int16), values)


def _concatenated(pieces: Sequence[Rows]) -> Rows:
    measures = {}
    for measure, first in pieces[0].measures.items():
        values = [piece.measures[measure].values for piece in pieces]
        measures[measure] = Values(
            np.concatenate([piece.measures[measure].present for piece in pieces]),
            None if first.values is None else np.concatenate([v for v in values if v is not None]),
        )
    return Rows(
        np.concatenate([piece.customer for piece in pieces]),
        np.concatenate([piece.day for piece in pieces]),
        np.concatenate([piece.seen for piece in pieces]),
        measures,
    )


def _columns(plan: TablePlan) -> str:
    """Give the SQL from merged parts to columns; where a window holds no row, a column is null: absence is stated later."""
    selected, longest = [], plan.windows[0][-1]
    for entry in plan.bucketed:
        window = entry.column.window_days or "ever"
        sql = fill(entry.formula, partial(_restored, plan.parts, window))
        selected.append(f"CASE WHEN p0_{window} > 0 THEN {sql} END AS {quoted(entry.column.name)}")
    return (
        f"SELECT customer_id, DATE '{EPOCH}' + cutoff_day AS cutoff, {', '.join(selected)} FROM merged "
        f"WHERE p0_{longest or 'ever'} > 0"
    )


def _restored(parts: Sequence[Part], window: int | str, number: int) -> str:
    """Give a merged whole number the type that the same aggregate has on the direct path."""
    part, value = parts[number], f"p{number}_{window}"
    if part.how in ("count", "distinct"):
        return value
    if part.how in NONE:
        value = f"nullif({value}, {NONE[part.how]})"
    kind = part.measure.kind
    if kind == "DATE":
        return f"(cutoff_day - {value})"
    scale = digits(kind)[1]
    if scale:
        value = f"CAST({value} AS DECIMAL(19, 0)) * CAST(1e-{scale} AS DECIMAL({scale + 1}, {scale}))"
    whole = f"DECIMAL(38, {scale})" if kind.startswith("DECIMAL") else "HUGEINT"
    return f"CAST({value} AS {whole if part.how == 'sum' else kind})"

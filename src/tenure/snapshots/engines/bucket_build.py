"""Staged facts to feature columns by buckets: DuckDB reads and writes, numpy merges, some customers at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from tenure.core.sql import quoted
from tenure.snapshots.engines.bucket_plan import DAY, Part, TablePlan, digits, fill, measures_of
from tenure.snapshots.engines.bucket_rows import EPOCH, Chunks, read_chunks, to_day
from tenure.snapshots.engines.buckets import NONE, Buckets, merge, rows_schema
from tenure.snapshots.engines.duckdb_session import types_of

# Chunks merged at once; numpy leaves the interpreter's lock while it works.
THREADS = 2
# Bytes of one chunk's buckets: small enough to stay near the processor, large enough that numpy has work.
CHUNK_BYTES = 32 << 20
MOST_CUSTOMERS = 8_192


def build_bucketed(
    connection: duckdb.DuckDBPyConnection,
    plan: TablePlan,
    facts: str,
    rows: int,
    customers: str,
    cutoffs: Sequence[date],
    name: str,
) -> dict[str, str]:
    """Write a table's bucketed aggregates into the table ``name``; return the types they have on the direct path.

    => customer_id, cutoff, one column for each aggregate; one row per customer and cutoff

    A customer has a row at a cutoff where a window holds one; where another window holds none, its columns are null.
    ``facts`` gives the table's rows, ``rows`` says how many; ``customers`` gives the customer_id of those to look at.

    Raises
    ------
    OverflowError : a sum may not fit into 64 bits.
    """
    ids = connection.sql(f"SELECT customer_id FROM ({customers}) ORDER BY customer_id").to_arrow_table()["customer_id"]
    buckets = Buckets.cut([to_day(cutoff) for cutoff in cutoffs], {w for asked in plan.windows.values() for w in asked})
    size = int(np.clip(CHUNK_BYTES // (8 * len(buckets) * len(plan.parts)), 1, MOST_CUSTOMERS))
    connection.register("merged", _merged([], ids[:0], plan, buckets))
    kinds = types_of(connection, _columns(plan))
    columns = _stored(plan, kinds)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS {columns}")
    for firsts, chunks in read_chunks(connection, plan, facts, rows, ids, buckets, size):

        def merged(first: int, chunks: Chunks = chunks) -> pa.Table:
            return _merged(chunks.pop(first, []), ids[first : first + size], plan, buckets)

        for table in _ahead(merged, firsts):
            connection.register("merged", table)
            connection.execute(f"INSERT INTO {name} {columns}")
    connection.unregister("merged")
    return kinds


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


def _merged(pieces: Sequence[pa.RecordBatch], ids: pa.ChunkedArray, plan: TablePlan, buckets: Buckets) -> pa.Table:
    """Merge one chunk.

    => customer_id, cutoff_day, p<part>_<window> ... as whole numbers; one row per cutoff and customer
    """
    rows = pa.Table.from_batches(pieces, rows_schema(measures_of(plan.parts))).combine_chunks()
    merged = merge(rows, len(ids), plan.parts, plan.windows, buckets)
    columns = {f"p{part}_{window or 'ever'}": values.reshape(-1) for (part, window), values in merged.items()}
    customers = pa.chunked_array(ids.chunks * len(buckets.cutoffs), ids.type)
    return pa.table({"customer_id": customers, "cutoff_day": np.repeat(buckets.cutoffs, len(ids)), **columns})


def _columns(plan: TablePlan) -> str:
    """Give the SQL from merged parts to columns; null where a window holds no row: absence is stated later."""
    selected, longest = [], plan.windows[0][-1]
    for entry in plan.bucketed:
        window = entry.column.window_days or "ever"
        sql = fill(entry.formula, partial(_restored, plan.parts, window))
        selected.append(f"CASE WHEN p0_{window} > 0 THEN {sql} END AS {quoted(entry.column.name)}")
    return f"""
        SELECT customer_id, DATE '{EPOCH}' + cutoff_day AS cutoff, {", ".join(selected)}
        FROM merged
        WHERE p0_{longest or "ever"} > 0
    """


def _stored(plan: TablePlan, kinds: Mapping[str, str]) -> str:
    """Give the SQL of the columns in half the room.

    Exact numbers leave the engine as DOUBLE anyway, and counts have few digits.
    """
    casts = []
    for entry in plan.bucketed:
        name, kind = quoted(entry.column.name), kinds[entry.column.name]
        if isinstance(entry.formula, exp.Placeholder) and plan.parts[int(entry.formula.name)].is_count:
            kind = "INTEGER"
        elif kind in ("BIGINT", "HUGEINT") or kind.startswith("DECIMAL"):
            kind = "DOUBLE"
        casts.append(f"CAST({name} AS {kind}) AS {name}")
    return f"SELECT customer_id, cutoff, {', '.join(casts)} FROM ({_columns(plan)})"


def _restored(parts: Sequence[Part], window: int | str, number: int) -> str:
    """Give a merged whole number the type that the same aggregate has on the direct path."""
    part, value = parts[number], f"p{number}_{window}"
    if part.is_count:
        return value
    if part.how in NONE:
        value = f"nullif({value}, {NONE[part.how]})"
    kind = part.measure.kind
    if kind == DAY:
        return f"(cutoff_day - {value})"
    scale = digits(kind)[1]
    if scale:
        value = f"CAST({value} AS DECIMAL(19, 0)) * CAST(1e-{scale} AS DECIMAL({scale + 1}, {scale}))"
    whole = f"DECIMAL(38, {scale})" if kind.startswith("DECIMAL") else "HUGEINT"
    return f"CAST({value} AS {whole if part.how == 'sum' else kind})"

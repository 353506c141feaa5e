"""Taking a customer out of what is known of identity."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.sql import literal, parquet
from tenure.identity.evidence import UNIQUE_ID

# Columns of events and reviews that name a customer.
PARTIES = ("customer_id", "unified_id", "apart_from", "left", "right")


def drop_customer(folder: Path, names: Collection[str]) -> int:
    """Drop every event and every review that names a customer by one of these names; return how many.

    Who was one person with the customer is themselves again. The files keep their numbers, so the next one follows.
    """
    dropped = 0
    for path in sorted((*folder.glob("events-*.parquet"), *folder.glob("reviews-*.parquet"))):
        table = pq.read_table(path)
        kept = table
        for column in set(PARTIES) & set(table.column_names):
            kept = kept.filter(pc.invert(pc.is_in(kept[column], pa.array(names, pa.string()))))
        if kept.num_rows < table.num_rows:
            dropped += table.num_rows - kept.num_rows
            with replaced_file(path) as fresh:
                pq.write_table(kept, fresh, compression="zstd")
    return dropped


def drop_seen(seen: Path, records: Path) -> int:
    """Drop records that are no longer staged from those seen before; return how many.

    A record's own id tells whose it is.
    """
    if not seen.is_file():
        return 0
    with duckdb.connect() as connection, replaced_file(seen) as fresh:
        staged = f"SELECT {UNIQUE_ID} AS unique_id FROM {parquet(records)}"
        if not records.is_file():
            staged = "SELECT '' AS unique_id WHERE false"
        known = parquet(seen)
        connection.execute(
            f"COPY (SELECT * FROM {known} SEMI JOIN ({staged}) USING (unique_id)) "
            f"TO {literal(str(fresh))} (FORMAT parquet)"
        )
        counts = f"SELECT (SELECT count(*) FROM {known}) - (SELECT count(*) FROM {parquet(fresh)})"
        return int(connection.execute(counts).fetchall()[0][0])

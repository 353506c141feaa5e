"""A source, or a sample of its customers, staged aside: raw rows beside the staged rows they became."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from tenure.core.sql import describe, literal, parquet, quoted
from tenure.core.workspace import Workspace
from tenure.intake.checked import CheckedTable
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.ingest import check_ids_meet, map_tables
from tenure.sources.inputs import Inputs
from tenure.sources.mapping import MappedTable
from tenure.sources.raw_files import open_locked, raw_relation, split_reference
from tenure.sources.readers.registry import find_readers
from tenure.sources.staged_source import StagedSource
from tenure.sources.staging_names import StagingNames
from tenure.sources.table_staging import judged_rows, stage_table
from tenure.sources.unions import FILE

# Rows of a table that are staged within seconds; of a larger one whole customers are drawn.
ROWS_AT_MOST = 1_000_000
LOOKED_AT, SHOWN = 1_000, 3
APART = "(kept apart)"


def stage_aside(inputs: Inputs, aside: Workspace) -> tuple[StagedSource, dict[str, CheckedTable], int]:
    """Stage a source in a workspace aside; of one with a large table about one in so many customers.

    => staged facts, what is to be seen of each table, one in how many customers

    Raises
    ------
    DataContractError : as staging.
    """
    source, folder = inputs.source, aside.staged(inputs.source.name)
    for inner in ("rejected", "known"):
        (folder / inner).mkdir(parents=True)
    inputs = inputs.with_hashes(dict.fromkeys(inputs.servers, "not looked at"))
    staged = StagedSource(source, folder, "", {}, {}, identity_events=aside.identity_events(source.name))
    with aside.scratch(source.name) as made, closing(open_locked(inputs.folder, Path(made), folder)) as connection:
        scratch = Path(made)
        names = StagingNames.open(inputs.identities, connection)
        every = map_tables(names, inputs, scratch, inputs.mappings)
        names.check_same(aside.identity_events(source.name))
        one_in = _one_in(connection, every)
        beside = {mapped.name: _rows_beside(names, inputs, mapped, scratch) for mapped in every}
        if one_in > 1:
            every = [_drawn(connection, mapped, one_in, scratch) for mapped in every]
        tables = {}
        for mapped in every:
            summary = stage_table(names, inputs, mapped, staged, scratch, aside.private_records(source.name))
            tables[mapped.name] = CheckedTable(
                mapped.name, mapped.raw_name, summary, beside[mapped.name],
                _rejected(connection, staged.rejected_path(mapped.name)), _unused(connection, mapped),
            )  # fmt: skip
        summaries = {name: table.summary for name, table in tables.items()}
        check_ids_meet(connection, source, staged, summaries)
    return replace(staged, tables=summaries), tables, one_in


def _one_in(connection: duckdb.DuckDBPyConnection, every: list[MappedTable]) -> int:
    counts = [
        connection.execute(f"SELECT count(*) FROM {mapped.raw_view}").fetchall()[0][0]
        for mapped in every
        if mapped.is_dated
    ]
    return int(-(-max(counts) // ROWS_AT_MOST))


def _drawn(connection: duckdb.DuckDBPyConnection, mapped: MappedTable, one_in: int, scratch: Path) -> MappedTable:
    """Draw customers by a hash of their id, each with all rows; of rows that name nobody, as many.

    A funnel and its positives are then right of each customer.
    """
    if not mapped.is_dated:
        return mapped
    rows = scratch / f"drawn_{mapped.name}.parquet"
    drawn = f"hash(coalesce({mapped.casts['customer_id']}, CAST(source_row AS VARCHAR))) % {one_in} = 0"
    connection.execute(
        f"COPY (SELECT * FROM {mapped.raw_view} source_row WHERE {drawn}) TO {literal(str(rows))} (FORMAT parquet)"
    )
    return replace(mapped, raw_view=parquet(rows))


def _rows_beside(names: StagingNames, inputs: Inputs, mapped: MappedTable, scratch: Path) -> pd.DataFrame:
    """Show the first staged rows of different customers beside what the file says of them.

    => row, raw_column, raw_value, staged_column, staged_value; one line per staged column and raw column it is made of
    """
    few = replace(mapped, raw_view=f"(SELECT * FROM {mapped.raw_view} LIMIT {LOOKED_AT})")
    judged, _ = judged_rows(names, inputs, few, with_raw_of_staged=True)
    columns = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in mapped.staged_columns)
    of_others = "QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY raw_row) = 1" if mapped.is_dated else ""
    texts = _first_texts(names.connection, inputs, mapped, scratch)
    found = names.connection.execute(
        f"SELECT {columns}, raw_row, raw FROM ({judged}) WHERE rule IS NULL {of_others} ORDER BY raw_row LIMIT {SHOWN}"
    ).fetchall()
    lines = []
    for number, (*values, raw_row, raw) in enumerate(found, 1):
        read = texts.get(raw_row) or json.loads(raw)
        for column, value in zip(mapped.staged_columns, values, strict=True):
            made_of = mapped.raw_columns.get(column)
            if made_of is None and (value is None or column in ("occurred_at", "known_at")):
                continue  # no expression makes it, and nothing is in it
            for raw_column in made_of or ("",):
                lines.append((number, raw_column, read.get(raw_column, APART) if raw_column else "", column, value))
    return pd.DataFrame(
        lines, columns=["row", "raw_column", "raw_value", "staged_column", "staged_value"], dtype=object
    )


def _first_texts(
    connection: duckdb.DuckDBPyConnection, inputs: Inputs, mapped: MappedTable, scratch: Path
) -> dict[int, dict[str, str]]:
    """Give the first rows of a table's file as they are written there, before anything took them for a date or number.

    There are none of a query, of several files, of files that state types, and where ids are not to be seen.
    """
    source, files = inputs.source, inputs.files[mapped.name]
    if inputs.mappings[mapped.name].query or len(files) != 1 or inputs.identities.are_needed:
        return {}
    if not find_readers(source.folder).of(split_reference(files[0])[0]).is_text:
        return {}
    relation = raw_relation(source, inputs.folder, scratch, files[0])
    rows = connection.execute(f"SELECT * FROM {relation} LIMIT {LOOKED_AT}")
    names = [column[0] for column in rows.description or ()]
    return {number: dict(zip(names, row, strict=True)) for number, row in enumerate(rows.fetchall(), 1)}


def _rejected(connection: duckdb.DuckDBPyConnection, path: Path) -> pd.DataFrame:
    """Show which rules rejected rows broke. => rule, rows, first"""
    found = connection.execute(
        f"SELECT rule, count(*), CAST(arg_min(raw, raw_row) AS VARCHAR) FROM {parquet(path)} GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return pd.DataFrame(found, columns=["rule", "rows", "first"])


def _unused(connection: duckdb.DuckDBPyConnection, mapped: MappedTable) -> tuple[str, ...]:
    """Name the raw columns that nothing is made of."""
    used = {column for columns in mapped.raw_columns.values() for column in columns} | {FILE}
    return tuple(name for name in describe(connection, mapped.raw_view) if name not in used)


def shared_customers(staged: StagedSource) -> pd.DataFrame:
    """Count the customers that tables share. => table, customers, other, in_both"""
    tables = [name for name in staged.tables if STAGED_TABLES[name].is_dated and staged.tables[name].staged]
    named = " UNION ALL ".join(
        f"SELECT DISTINCT customer_id, {literal(name)} AS tab FROM {parquet(staged.path(name))}" for name in tables
    )
    flags = ", ".join(f"bool_or(tab = {literal(name)}) AS {name}" for name in tables)
    pairs = list(combinations(tables, 2))
    if not pairs:
        return pd.DataFrame(columns=["table", "customers", "other", "in_both"])
    counted = ", ".join(f"count(*) FILTER ({one} AND {other})" for one, other in pairs)
    with closing(duckdb.connect()) as connection:
        counts: tuple[Any, ...] = connection.execute(
            f"SELECT {counted} FROM (SELECT {flags} FROM ({named}) GROUP BY customer_id)"
        ).fetchall()[0]
    lines = [
        (one, staged.tables[one].customers, other, count) for (one, other), count in zip(pairs, counts, strict=True)
    ]
    return pd.DataFrame(lines, columns=["table", "customers", "other", "in_both"])

"""What can be proven of raw files: when each row was known. A file that does not say so is static."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from shutil import rmtree
from typing import Any

import duckdb

from tenure.core.atomic_files import link_file
from tenure.core.sql import describe, literal, parquet
from tenure.core.workspace import Workspace
from tenure.sources.casts import business_time
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.identities import Identities
from tenure.sources.ingest import stage_source, stage_tables
from tenure.sources.inputs import Inputs, effective_mappings, files_of
from tenure.sources.raw_files import inside, open_locked, raw_relation, raw_table, split_reference
from tenure.sources.raw_mapping import RawFile
from tenure.sources.readers.delimited import DelimitedReader
from tenure.sources.readers.dialect import find_dialect
from tenure.sources.readers.parquet import ParquetReader
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import Source
from tenure.sources.staged_source import StagedSource
from tenure.sources.text_lineage import mentioned_in, written_in

# How a file that was cut is read again.
AS_WRITTEN: dict[str, Any] = {"delimiter": ",", "quote": '"', "encoding": "utf-8", "skip": 0, "stop": ""}


def raw_files_of(source: Source, folder: Path) -> dict[str, tuple[str, ...]]:
    """Map each staged table to the raw files it is made from."""
    files, _ = files_of(source, folder, effective_mappings(source, folder))
    return {name: tuple(split_reference(reference)[0] for reference in read) for name, read in files.items()}


def known_at_expression(connection: duckdb.DuckDBPyConnection, source: Source, folder: Path, file: str) -> str:
    """Give the SQL that says when a row of a raw file was known.

    It is empty where nobody declared it, or the file cannot be cut.

    ``[raw."<file>"] known_at`` in the TOML; a file that carries the staged names says it by its own columns.
    """
    if type(find_readers(source.folder).of(file)) not in (ParquetReader, DelimitedReader):
        return ""
    if file in source.raw and source.raw[file].known_at:
        return source.raw[file].known_at
    stem = file.split(".")[0]
    if stem in source.tables or stem not in STAGED_TABLES or not STAGED_TABLES[stem].is_dated:
        return ""
    columns = {name.lower() for name in _columns(connection, source, folder, file)}
    if "occurred_at" not in columns:
        return ""
    return "greatest(coalesce(known_at, occurred_at), occurred_at)" if "known_at" in columns else "occurred_at"


def _columns(connection: duckdb.DuckDBPyConnection, source: Source, folder: Path, file: str) -> Iterable[str]:
    if file.lower().endswith(ParquetReader.endings):
        return describe(connection, parquet(folder / file))
    return find_dialect(raw_table(source, folder, folder, file)).names


def static_tables(source: Source, folder: Path) -> set[str]:
    """Name the staged tables with at least one raw file whose rows do not say when they were known."""
    files = raw_files_of(source, folder)
    known = _known_at(source, folder, files)
    return {table for table, names in files.items() if not names or not all(known[file] for file in names)}


def unproven_tables(staged: StagedSource, folder: Path) -> set[str]:
    """Name the staged tables for which nothing but their own dates says when a row was known.

    They are static, or ``occurred_at`` stands in for ``known_at``: the replay cuts such files, and proves nothing by it.
    """
    source = staged.source
    files = raw_files_of(source, folder)
    known = _known_at(source, folder, files)
    unproven = {table for table, names in files.items() if not names or not all(known[file] for file in names)}
    with duckdb.connect() as connection:
        for table, names in files.items():
            own = all(_says_more(source, table, known[file]) for file in names)
            if table not in unproven and not own and not _arrives_late(connection, staged.path(table)):
                unproven.add(table)
    return unproven


def _says_more(source: Source, table: str, known_at: str) -> bool:
    """Say whether the SQL of when rows were known reads a column that their dates are not made of."""
    mapping = source.tables.get(table)
    occurred_at = "occurred_at"
    if mapping is not None and not mapping.is_as_staged:
        by_name = written_in(mapping.query, ["occurred_at"]) if mapping.query else mapping.columns
        if "occurred_at" not in by_name:
            return False  # where the dates come from cannot be seen: the facts have to show it
        occurred_at = by_name["occurred_at"]
    read, dates = mentioned_in(f"SELECT {known_at}"), mentioned_in(f"SELECT {occurred_at}")
    return bool(read and dates and read - dates)


def _arrives_late(connection: duckdb.DuckDBPyConnection, staged: Path) -> bool:
    """Say whether any fact was known later than it happened."""
    late = f"SELECT 1 FROM {parquet(staged)} WHERE known_at > occurred_at LIMIT 1"
    return "known_at" in describe(connection, parquet(staged)) and bool(connection.execute(late).fetchall())


def _known_at(source: Source, folder: Path, files: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Give each raw file's SQL that says when a row was known.

    To open an engine takes longer than to read a file's columns: one reads them all.
    """
    connection = open_locked(folder, folder)
    try:
        every = sorted({file for names in files.values() for file in names})
        return {file: known_at_expression(connection, source, folder, file) for file in every}
    finally:
        connection.close()


def stage_as_known(
    source: Source,
    folder: Path,
    cutoff: date,
    scratch: Workspace,
    *,
    identities: Identities | None = None,
    at_hand: StagedSource | None = None,
) -> tuple[StagedSource, int]:
    """Stage raw files in a workspace of their own as they stood at a cutoff's midnight.

    ``identities`` name the customers, and leave the forgotten out, as they do today. Tables that cannot be cut are
    those of the staging ``at_hand``, where one is: neither their files nor a server is read again.
    => staged facts, raw rows left out
    """
    files = raw_files_of(source, folder)
    known = _known_at(source, folder, files)
    cut = {name: read for name, read in files.items() if at_hand is None or any(known[file] for file in read)}
    if at_hand and not cut:
        return at_hand, 0
    used = {file: known[file] for read in cut.values() for file in read}
    left_out = truncate_raw(source, folder, scratch.raw(source.name), cutoff, used)
    # What was cut was written anew, as all are.
    raw = source.raw | {file: replace(source.raw.get(file, RawFile()), **AS_WRITTEN) for file in left_out}
    then = replace(source, raw=raw)
    if at_hand is None:
        return stage_source(scratch, then, allow_empty=True, identities=identities), sum(left_out.values())
    then = replace(then, tables={name: mapping for name, mapping in source.tables.items() if name in cut})
    inputs = Inputs.of(then, scratch.raw(source.name), identities or Identities.of(scratch, source))
    others = {name: table for name, table in at_hand.tables.items() if name not in cut}
    with scratch.scratch(source.name) as spill:
        staged = stage_tables(scratch, inputs, Path(spill), replace(at_hand, tables=others), allow_empty=True)
    return replace(staged, source=source), sum(left_out.values())


def truncate_raw(
    source: Source, folder: Path, destination: Path, cutoff: date, known_at: Mapping[str, str]
) -> dict[str, int]:
    """Copy raw files as they stood at a cutoff's midnight: rows known before it, by the SQL of each.

    Static files, which have no such SQL, are copied whole.

    Returns the rows left out, per file that was cut. Rows whose time cannot be read stay: staging judges them.
    """
    left_out: dict[str, int] = {}
    readers = find_readers(source.folder)
    destination.mkdir(parents=True)
    texts = destination / "texts"
    connection = open_locked(folder, destination)
    try:
        for file in sorted(file for file in known_at if not readers.is_server(file)):
            path, copy = inside(folder, file, source.where), destination / file
            expression = known_at[file]
            if not expression:
                link_file(path, copy)
                continue
            # Everything as text, so that what is written is what was read.
            relation = raw_relation(source, folder, texts, file)
            kind = next(iter(describe(connection, f"(SELECT ({expression}) AS x FROM {relation})").values()))
            known = f"({business_time(expression, kind, source)})"
            keep = f"({known} < TIMESTAMP '{cutoff}' OR {known} IS NULL)"
            is_parquet = path.name.lower().endswith(ParquetReader.endings)
            how = "FORMAT parquet" if is_parquet else "FORMAT csv, HEADER, DELIMITER ','"
            connection.execute(f"COPY (SELECT * FROM {relation} WHERE {keep}) TO {literal(str(copy))} ({how})")
            left_out[file] = int(
                connection.execute(f"SELECT count(*) FROM {relation} WHERE NOT {keep}").fetchall()[0][0]
            )
    finally:
        connection.close()
        rmtree(texts, ignore_errors=True)
    return left_out

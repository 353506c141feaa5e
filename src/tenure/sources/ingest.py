"""Raw files to staged facts: every table of a source, staged anew only where something changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from zoneinfo import ZoneInfo

import duckdb

from tenure.errors import DataContractError, RunError
from tenure.lock import sole_writer
from tenure.sources.contract import RECORDS, STAGED_TABLES
from tenure.sources.identities import Identities
from tenure.sources.mapping import MappedTable, map_table
from tenure.sources.raw_files import (
    READABLE,
    SERVERS,
    choose_raw_file,
    fingerprint_file,
    inside,
    literal,
    open_locked,
    split_reference,
)
from tenure.sources.rejected_rows import clear_unreadable
from tenure.sources.retention import first_days_kept
from tenure.sources.source import Source, TableMapping
from tenure.sources.staged_source import (
    StagedSource,
    TableSummary,
    read_manifest,
    write_manifest,
)
from tenure.sources.table_staging import stage_table
from tenure.workspace import Workspace, replaced_folder

# Part of every fingerprint: raise it when staging changes what it writes.
STAGING_VERSION = 6


def stage_source(
    workspace: Workspace,
    source: Source,
    *,
    clock: datetime | None = None,
    allow_empty: bool = False,
    identities: Identities | None = None,
) -> StagedSource:
    """Stage a source, or reuse what is staged when neither raw files nor mapping changed.

    ``clock`` is the time of the run, with its zone; now by default: facts dated after it are rejected. ``allow_empty`` stages tables
    without rows as they are: of files as they stood on an early day. ``identities`` are the workspace's own unless others are given.

    Raises
    ------
    UsageError : ids are to be hashed and the key is missing, or another one; or persons were found under other names. LockedError : another process writes.
    DataContractError : a missing file or column, an unreadable or empty table, most rows rejected, ids that never meet.
    """
    folder = workspace.raw(source.name)
    mappings = effective_mappings(source, folder)
    identities = identities or Identities.of(workspace, source)
    key, raw_hashes = _made_of(source, folder, mappings, identities, clock)
    if staged := _opened(workspace, source, mappings, key):
        return staged
    target = workspace.staged(source.name)
    events = workspace.identity_events(source.name)
    private = workspace.private_records(source.name) if source.pseudonymise and RECORDS in mappings else None
    with sole_writer(workspace, source.name, f"staging {source.name}"), replaced_folder(target) as fresh:
        tables = _stage_tables(source, folder, mappings, fresh, identities, private, events, allow_empty=allow_empty)
        write_manifest(fresh, key, raw_hashes, tables)
    if private is None:
        workspace.private_records(source.name).unlink(missing_ok=True)
    return StagedSource(source, target, key, raw_hashes, tables, identity_events=events, private_records=private)


def current_staging(workspace: Workspace, source: Source, *, clock: datetime | None = None) -> StagedSource | None:
    """Open what is staged if it is certainly current; None where something changed, or a server would have to be asked.

    Raises
    ------
    UsageError, DataContractError : as ``stage_source``.
    """
    folder = workspace.raw(source.name)
    mappings = effective_mappings(source, folder)
    if any(mapping.file_names & SERVERS for mapping in mappings.values()):
        return None
    key, _ = _made_of(source, folder, mappings, Identities.of(workspace, source), clock)
    return _opened(workspace, source, mappings, key)


def read_staging(workspace: Workspace, source: Source, fingerprint: str = "") -> StagedSource:
    """Open the staging of a fingerprint, by default whichever there is; nothing raw is read.

    Raises
    ------
    RunError : another one lies there now, or none.
    """
    staged = read_manifest(source, workspace.staged(source.name))
    if staged is None or fingerprint not in ("", staged.fingerprint):
        found = f"is staged as {staged.fingerprint}" if staged else "is not staged"
        raise RunError(
            f"{source.name} {found}. Expected the staging {fingerprint}, which this run began with: another run has staged it since. Run again."
        )
    return _with_private_parts(workspace, staged, staged.tables)


def _made_of(
    source: Source, folder: Path, mappings: dict[str, TableMapping], identities: Identities, clock: datetime | None
) -> tuple[str, dict[str, str]]:
    raw_hashes = _raw_hashes(source, folder, mappings)
    kept_from = first_days_kept(
        source.retention, (clock or datetime.now(UTC)).astimezone(ZoneInfo(source.timezone)).date()
    )
    kept = {name: str(day) for name, day in kept_from.items()}
    made_from = [STAGING_VERSION, source.definition, raw_hashes, identities.state(), kept]
    return blake2b(json.dumps(made_from, sort_keys=True).encode(), digest_size=16).hexdigest(), raw_hashes


def _opened(workspace: Workspace, source: Source, mappings: Iterable[str], key: str) -> StagedSource | None:
    staged = read_manifest(source, workspace.staged(source.name))
    if staged is None or staged.key != key:
        return None
    staged = _with_private_parts(workspace, staged, mappings)
    return staged if staged.private_records is None or staged.private_records.is_file() else None


def _with_private_parts(workspace: Workspace, staged: StagedSource, tables: Iterable[str]) -> StagedSource:
    source = staged.source
    private = workspace.private_records(source.name) if source.pseudonymise and RECORDS in tables else None
    return replace(staged, identity_events=workspace.identity_events(source.name), private_records=private)


def effective_mappings(source: Source, folder: Path) -> dict[str, TableMapping]:
    """Join the TOML's mappings with the files that carry staged names and need none.

    Raises
    ------
    DataContractError : the folder holds nothing that can be staged.
    """
    mappings = dict(source.tables)
    for name, table in STAGED_TABLES.items():
        found = [f"{name}{ending}" for ending in READABLE if (folder / f"{name}{ending}").is_file()]
        if name not in mappings and found:
            mappings[name] = TableMapping(table, raw_files=(found[0],))
    if not any(STAGED_TABLES[name].is_dated for name in mappings):
        present = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
        raise DataContractError(
            f"{folder}: no raw data. Found: {', '.join(present) or 'nothing'}. Expected a source.toml, or files named as "
            f"the staged tables ({', '.join(STAGED_TABLES)}). Put them there, or run 'tenure fetch {source.name} --from FOLDER'."
        )
    return {name: mappings[name] for name in STAGED_TABLES if name in mappings}


def _raw_hashes(source: Source, folder: Path, mappings: dict[str, TableMapping]) -> dict[str, str]:
    files: set[Path] = set()
    for name, mapping in mappings.items():
        if mapping.query:
            files |= {path for path in folder.glob("*") if path.name.lower().endswith(READABLE)}
        else:
            file = split_reference(choose_raw_file(folder, mapping.raw_files, f"{source.where} [{name}]"))[0]
            files |= set() if file in SERVERS else {inside(folder, file, source.where)}
    hashes = {path.name: fingerprint_file(path) for path in sorted(files)}
    for server in SERVERS & {file for mapping in mappings.values() for file in mapping.file_names}:
        hashes[server] = datetime.now().isoformat()  # a server's content has no hash: read it every time
    return hashes


def _stage_tables(
    source: Source,
    folder: Path,
    mappings: dict[str, TableMapping],
    fresh: Path,
    identities: Identities,
    private: Path | None,
    events: Path,
    *,
    allow_empty: bool,
) -> dict[str, TableSummary]:
    clock = datetime.now(ZoneInfo(source.timezone)).replace(tzinfo=None)
    (fresh / "rejected").mkdir()
    connection = open_locked(folder, fresh)
    tables: dict[str, TableSummary] = {}
    try:
        identities.open(connection)
        # Who is a customer is known before the first table is staged: a text of it may name one of the last.
        every = [
            _map_and_learn(connection, source, folder, fresh, m, identities, allow_empty) for m in mappings.values()
        ]
        identities.check_same_names(connection, events)
        for mapped in every:
            tables[mapped.name] = stage_table(connection, source, mapped, fresh, clock, identities, private)
        if not allow_empty:
            _check_ids_meet(connection, source, fresh, tables)
        identities.close(connection)
    finally:
        connection.close()
    for scratch in ("converted", "spill"):
        rmtree(fresh / scratch, ignore_errors=True)
    return tables


def _map_and_learn(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    fresh: Path,
    mapping: TableMapping,
    identities: Identities,
    allow_empty: bool,
) -> MappedTable:
    mapped = map_table(connection, source, folder, fresh, mapping, allow_empty=allow_empty)
    identities.learn(connection, mapped)
    if mapped.keeps_unreadable:
        clear_unreadable(connection)  # they are met again, and kept, when the table is staged
    return mapped


def _check_ids_meet(
    connection: duckdb.DuckDBPyConnection, source: Source, fresh: Path, tables: dict[str, TableSummary]
) -> None:
    """Refuse a table none of whose customers appears in any other: its ids are written differently."""
    dated = [name for name, table in tables.items() if table.customers >= 10]
    for name in dated:
        others = [other for other in dated if other != name]
        if not others:
            continue
        union = " UNION ALL ".join(
            f"SELECT customer_id FROM read_parquet({literal(str(fresh / o) + '.parquet')})" for o in others
        )
        own = f"read_parquet({literal(str(fresh / name) + '.parquet')})"
        if connection.execute(f"SELECT 1 FROM {own} WHERE customer_id IN ({union}) LIMIT 1").fetchall():
            continue
        examples = [
            connection.execute(
                f"SELECT min(customer_id) FROM read_parquet({literal(str(fresh / t) + '.parquet')})"
            ).fetchall()[0][0]
            for t in (name, others[0])
        ]
        raise DataContractError(
            f"{source.where} [{name}]: none of its {tables[name].customers:,} customers appears in another table (here '{examples[0]}', in "
            f"{others[0]} '{examples[1]}'). Expected the same ids; mend the customer_id expression of one of them."
        )

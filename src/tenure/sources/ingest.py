"""Raw files to staged facts: every table of a source, each staged anew only where something it is made of changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from tenure.core.atomic_files import link_file, replaced_folder
from tenure.core.errors import DataContractError, RunError
from tenure.core.lock import sole_writer
from tenure.core.sql import first_line, literal, parquet
from tenure.core.workspace import Workspace
from tenure.sources.content import content_of, digest_by_day
from tenure.sources.contract import RECORDS, STAGED_TABLES, UNDATED
from tenure.sources.deliveries import keep_first
from tenure.sources.identities import Identities
from tenure.sources.inputs import Inputs
from tenure.sources.mapping import MappedTable, map_table
from tenure.sources.private_records import key_of
from tenure.sources.raw_files import open_locked, raw_relation
from tenure.sources.rejected_rows import clear_unreadable
from tenure.sources.source import Source
from tenure.sources.staged_source import StagedSource, TableSummary, fingerprint_of, read_manifest, write_manifest
from tenure.sources.staging_names import StagingNames
from tenure.sources.table_staging import stage_table


def stage_source(
    workspace: Workspace,
    source: Source,
    *,
    clock: datetime | None = None,
    allow_empty: bool = False,
    identities: Identities | None = None,
) -> StagedSource:
    """Stage a source: the tables made of what has changed, while the others stay; ``reused`` where none has.

    ``clock`` is the time of the run, with its zone; now by default: facts dated after it are rejected. ``allow_empty``
    stages tables without rows as they are: of files as they stood on an early day. ``identities`` are the workspace's
    own unless others are given.

    Raises
    ------
    UsageError : ids are to be hashed and the key is missing, or another one; or persons were found under other names.
    LockedError : another process writes.
    DataContractError : a missing file or column, an unreadable or empty table, most rows rejected, ids that never meet.
    StoredFormatError : a newer Tenure staged the source.
    """
    inputs = _inputs(workspace, source, clock, identities)
    if not inputs.servers and _is_whole(inputs, staged := _unchanged(workspace, inputs)):
        return staged
    with sole_writer(workspace, source.name, f"staging {source.name}"), workspace.scratch(source.name) as folder:
        scratch = Path(folder)
        inputs = inputs.with_hashes(_read_servers(inputs, scratch))
        staged = _unchanged(workspace, inputs)
        if _is_whole(inputs, staged):
            return staged
        return stage_tables(workspace, inputs, scratch, staged, allow_empty=allow_empty)


def current_staging(workspace: Workspace, source: Source, *, clock: datetime | None = None) -> StagedSource | None:
    """Open what is staged if it is certainly current; None where something changed, or a server would have to be asked.

    Raises
    ------
    UsageError, DataContractError, StoredFormatError : as ``stage_source``.
    """
    inputs = _inputs(workspace, source, clock)
    return staged if not inputs.servers and _is_whole(inputs, staged := _unchanged(workspace, inputs)) else None


def read_staging(workspace: Workspace, source: Source, fingerprint: str = "") -> StagedSource:
    """Open the staging of a fingerprint, by default whichever there is; nothing raw is read.

    Raises
    ------
    RunError : other facts lie there now, or none. StoredFormatError : a newer Tenure staged them.
    """
    staged = read_manifest(source, workspace.staged(source.name))
    if staged is None or fingerprint not in ("", staged.fingerprint):
        found = f"is staged as {staged.fingerprint}" if staged else "is not staged"
        raise RunError(
            f"{source.name} {found}. Expected {fingerprint}, which this run began with: another run has staged the "
            "source since. Run again."
        )
    return _with_private_parts(workspace, staged)


def stage_tables(
    workspace: Workspace, inputs: Inputs, scratch: Path, unchanged: StagedSource, *, allow_empty: bool
) -> StagedSource:
    """Put a source's tables in the place of what is staged: the ``unchanged`` as they are, all others anew."""
    source = inputs.source
    with replaced_folder(workspace.staged(source.name)) as fresh:
        for folder in ("rejected", "known"):
            (fresh / folder).mkdir()
        staged = replace(unchanged, folder=fresh, raw_hashes=inputs.hashes, reused=False)
        for name in unchanged.tables:
            for path, place in zip(unchanged.files(name), staged.files(name), strict=True):
                link_file(path, place)
        tables = unchanged.tables | _stage_anew(workspace, inputs, scratch, staged, allow_empty=allow_empty)
        ordered = {name: tables[name] for name in STAGED_TABLES if name in tables}
        staged = _with_private_parts(workspace, replace(staged, tables=ordered, fingerprint=fingerprint_of(ordered)))
        staged = keep_first(read_manifest(source, workspace.staged(source.name)), staged)
        write_manifest(staged)
    if staged.private_records is None:
        workspace.private_records(source.name).unlink(missing_ok=True)
    return replace(staged, folder=workspace.staged(source.name))


def _inputs(
    workspace: Workspace, source: Source, clock: datetime | None, identities: Identities | None = None
) -> Inputs:
    return Inputs.of(source, workspace.raw(source.name), identities or Identities.of(workspace, source), clock)


def _unchanged(workspace: Workspace, inputs: Inputs) -> StagedSource:
    """Open what is staged, without the tables that staging anew would not only repeat."""
    folder = workspace.staged(inputs.source.name)
    staged = read_manifest(inputs.source, folder) or StagedSource(inputs.source, folder, "", {}, {})
    staged = _with_private_parts(workspace, staged)
    tables = {
        name: table
        for name, table in staged.tables.items()
        if inputs.is_current(name, table) and all(path.is_file() for path in staged.files(name))
    }
    if staged.private_records and key_of(staged.private_records) != staged.tables[RECORDS].key:
        tables.pop(RECORDS, None)
    return replace(staged, tables={} if inputs.are_one and tables.keys() != inputs.mappings.keys() else tables)


def _is_whole(inputs: Inputs, unchanged: StagedSource) -> bool:
    tables = unchanged.tables
    return tables.keys() == inputs.mappings.keys() and unchanged.fingerprint == fingerprint_of(tables)


def _with_private_parts(workspace: Workspace, staged: StagedSource) -> StagedSource:
    source = staged.source
    private = workspace.private_records(source.name) if source.pseudonymise and RECORDS in staged.tables else None
    return replace(staged, identity_events=workspace.identity_events(source.name), private_records=private)


def _read_servers(inputs: Inputs, scratch: Path) -> dict[str, str]:
    """Copy the tables of servers, each once; return a digest of what each holds."""
    if not inputs.servers:
        return {}
    hashes = {}
    connection = open_locked(scratch, scratch)
    try:
        for reference in inputs.servers:
            relation = raw_relation(inputs.source, inputs.folder, scratch, reference)
            hashes[reference] = content_of(digest_by_day(connection, relation, literal(UNDATED)))
    except duckdb.Error as error:
        raise DataContractError(f"{inputs.source.where}: {reference} cannot be read: {first_line(error)}") from None
    finally:
        connection.close()
    return hashes


def _stage_anew(
    workspace: Workspace, inputs: Inputs, scratch: Path, staged: StagedSource, *, allow_empty: bool
) -> dict[str, TableSummary]:
    """Write the tables that ``staged`` lacks into its folder."""
    private = workspace.private_records(inputs.source.name)
    connection = open_locked(inputs.folder, scratch, staged.folder)
    try:
        names = StagingNames.open(inputs.identities, connection)
        wanted = [name for name in inputs.mappings if name not in staged.tables]
        every = map_tables(names, inputs, scratch, wanted, allow_empty=allow_empty)
        names.check_same(workspace.identity_events(inputs.source.name))
        tables = {mapped.name: stage_table(names, inputs, mapped, staged, scratch, private) for mapped in every}
        if not allow_empty:
            check_ids_meet(connection, inputs.source, staged, staged.tables | tables)
        names.close()
    finally:
        connection.close()
    return tables


def map_tables(
    names: StagingNames, inputs: Inputs, scratch: Path, tables: Iterable[str], *, allow_empty: bool = False
) -> list[MappedTable]:
    """Map tables, and learn who their customers are, before the first is staged: a text of it may name one of the last.

    Raises
    ------
    DataContractError : a mapping does not fit its raw files.
    """
    return [_map_and_learn(names, inputs, scratch, name, allow_empty=allow_empty) for name in tables]


def _map_and_learn(names: StagingNames, inputs: Inputs, scratch: Path, name: str, *, allow_empty: bool) -> MappedTable:
    mapping, files = inputs.mappings[name], inputs.files[name]
    mapped = map_table(names.connection, inputs.source, inputs.folder, scratch, mapping, files, allow_empty=allow_empty)
    names.learn(mapped)
    if mapped.keeps_unreadable:
        clear_unreadable(names.connection)  # they are met again, and kept, when the table is staged
    return mapped


def check_ids_meet(
    connection: duckdb.DuckDBPyConnection, source: Source, staged: StagedSource, tables: dict[str, TableSummary]
) -> None:
    """Refuse a table none of whose customers appears in any other: its ids are written differently.

    Raises
    ------
    DataContractError : there is one.
    """
    # The smallest first: one common customer is enough, and most tables share some with it.
    dated = sorted(
        (name for name, table in tables.items() if table.customers >= 10), key=lambda name: tables[name].staged
    )
    relations = {name: parquet(staged.path(name)) for name in dated}

    def meet(name: str, other: str) -> bool:
        asked = (
            f"SELECT 1 FROM {relations[name]} WHERE customer_id IN (SELECT customer_id FROM {relations[other]}) LIMIT 1"
        )
        return bool(connection.execute(asked).fetchall())

    for name in dated:
        others = [other for other in dated if other != name]
        if not others or any(meet(name, other) for other in others):
            continue
        examples = [
            connection.execute(f"SELECT min(customer_id) FROM {relations[table]}").fetchall()[0][0]
            for table in (name, others[0])
        ]
        raise DataContractError(
            f"{source.where} [{name}]: none of its {tables[name].customers:,} customers appears in another table (here "
            f"'{examples[0]}', in {others[0]} '{examples[1]}'). Expected the same ids; mend the customer_id expression "
            "of one of them."
        )

"""What each staged table is made of: its mapping, the raw files it reads, who is whom.

What has not changed is not staged again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.hashing import digest, fingerprint_file
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.identities import Identities
from tenure.sources.raw_files import files_to_read, inside, split_reference
from tenure.sources.raw_mapping import TableMapping
from tenure.sources.readers.registry import Readers, find_readers
from tenure.sources.retention import first_days_kept
from tenure.sources.source import Source, zone_of
from tenure.sources.staged_source import TableSummary

# Part of every key: raise it when staging changes what it writes.
STAGING_VERSION = 11


@dataclass(frozen=True)
class Inputs:
    """What a source is staged from, and at which local time of the business.

    ``files`` maps each staged table to what it reads: ``file``, ``file#part`` or ``server#table``. ``hashes`` maps
    files, and the tables of servers once they were read, to digests of what they hold. ``naming`` says how customers
    are named. ``are_one``: some table reads what only all files together show, so each is made of all.
    """

    source: Source
    folder: Path
    clock: datetime
    identities: Identities
    mappings: dict[str, TableMapping]
    files: dict[str, tuple[str, ...]]
    hashes: dict[str, str]
    naming: list[str]
    are_one: bool
    readers: Readers

    @classmethod
    def of(cls, source: Source, folder: Path, identities: Identities, clock: datetime | None = None) -> Inputs:
        """Look at a source's raw files and hash each once.

        Raises
        ------
        DataContractError : the folder holds nothing that can be staged, or not a file that the mapping names.
        UsageError : ids are to be hashed, and the key is missing.
        """
        readers = find_readers(source.folder)
        mappings = effective_mappings(source, folder)
        files, all_named = files_of(source, folder, mappings)
        names = {split_reference(reference)[0] for read in files.values() for reference in read}
        paths = {name: inside(folder, name, source.where) for name in sorted(names) if not readers.is_server(name)}
        hashes = {name: fingerprint_file(path) for name, path in paths.items()}
        now = (clock or datetime.now(UTC)).astimezone(zone_of(source)).replace(tzinfo=None)
        are_one = identities.are_needed or not all_named
        return cls(source, folder, now, identities, mappings, files, hashes, identities.state(), are_one, readers)

    @property
    def servers(self) -> list[str]:
        """The tables of servers: only reading them tells whether they have changed."""
        every = dict.fromkeys(reference for read in self.files.values() for reference in read)
        return [reference for reference in every if self.readers.is_server(split_reference(reference)[0])]

    def with_hashes(self, hashes: dict[str, str]) -> Inputs:
        return replace(self, hashes=self.hashes | hashes)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Each staged table as one text of all it is made of, the ingest clock aside."""
        kept = first_days_kept(self.source.retention, self.clock.date())
        zones = (self.source.timezone, self.source.raw_timezone, self.source.earliest_day)
        return {
            name: digest(
                STAGING_VERSION, name, zones, self.naming, str(kept.get(name)),
                [self._read_by(one) for one in (self.mappings if self.are_one else (name,))],
            )
            for name in self.mappings
        }  # fmt: skip

    @cached_property
    def meanings(self) -> dict[str, str]:
        """Each staged table as one text of how it is made, whatever the raw files hold and however far back they reach."""
        zones = (self.source.timezone, self.source.raw_timezone, self.source.earliest_day)
        return {
            name: digest(STAGING_VERSION, duckdb.__version__, name, zones, self.naming, *self._made_by(name))
            for name in self.mappings
        }

    def _read_by(self, name: str) -> list[object]:
        read = self.files[name]
        hashes = [self.hashes.get(reference) or self.hashes[split_reference(reference)[0]] for reference in read]
        return [read, hashes, *self._made_by(name)]

    def _made_by(self, name: str) -> list[object]:
        names = {split_reference(reference)[0] for reference in self.files[name]}
        told = sorted(
            (file, repr(about)) for file, about in self.source.raw.items() if split_reference(file)[0] in names
        )
        # What a plugin's reader makes of a file depends on its code, too.
        codes = [code for file in sorted(names) if (code := self.readers.code(file))]
        return [repr(self.mappings[name]), told, *codes]

    def is_current(self, name: str, table: TableSummary) -> bool:
        """Say whether staging a table anew would only repeat it."""
        now = str(self.clock)
        return table.key == self.keys.get(name) and table.latest <= now and (now < table.due or not table.due)


def effective_mappings(source: Source, folder: Path) -> dict[str, TableMapping]:
    """Join the TOML's mappings with the files that carry staged names and need none.

    Raises
    ------
    DataContractError : the folder holds nothing that can be staged.
    """
    mappings = dict(source.tables)
    endings = find_readers(source.folder).endings
    for name, table in STAGED_TABLES.items():
        found = [f"{name}{ending}" for ending in endings if (folder / f"{name}{ending}").is_file()]
        if name not in mappings and found:
            mappings[name] = TableMapping(table, raw_files=(found[0],))
    if not any(STAGED_TABLES[name].is_dated for name in mappings):
        present = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
        if mappings:
            dated = ", ".join(name for name, table in STAGED_TABLES.items() if table.is_dated)
            raise DataContractError(
                f"{source.where}: only {', '.join(mappings)}, whose rows have no dates. Expected at least one table of dated "
                f"facts ({dated}): map one in source.toml, or put a file of that name into {folder}."
            )
        raise DataContractError(
            f"{folder}: no raw data. Found: {', '.join(present) or 'nothing'}. Expected a source.toml, or files named "
            f"as the staged tables ({', '.join(STAGED_TABLES)}). Put them there, or run 'tenure fetch {source.name} "
            "--from FOLDER'."
        )
    return {name: mappings[name] for name in STAGED_TABLES if name in mappings}


def files_of(
    source: Source, folder: Path, mappings: Mapping[str, TableMapping]
) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Map each staged table to what it reads, and say whether all of them name that.

    A query that does not name what it reads may read any file.

    Raises
    ------
    DataContractError : a file that a mapping names is missing.
    """
    readers = find_readers(source.folder)
    named = {name: _named_files(readers, source, folder, mapping) for name, mapping in mappings.items()}
    return {name: read or _readable(readers, folder) for name, read in named.items()}, all(named.values())


def _readable(readers: Readers, folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.glob("*") if path.name.lower().endswith(readers.endings)))


def _named_files(readers: Readers, source: Source, folder: Path, mapping: TableMapping) -> tuple[str, ...]:
    """Name what a table reads; nothing where its SQL reads what is none of the files by name, so that it may be any."""
    expressions = (*mapping.columns.values(), *mapping.attributes.values(), *mapping.extra.values())
    known_at = (about.known_at for about in source.raw.values())
    if any(_parsed(f"SELECT {sql}").find(exp.Table) for sql in (*expressions, *known_at) if "from" in sql.lower()):
        return ()
    if not mapping.query:
        return files_to_read(readers, folder, mapping, f"{source.where} [{mapping.table.name}]")
    parsed, read = _parsed(mapping.query), set[str]()
    ours = {cte.alias.lower() for cte in parsed.find_all(exp.CTE)}
    for table in parsed.find_all(exp.Table):
        name = table.name.lower()
        named = {file for file in _readable(readers, folder) if name in (file.lower(), file.lower().split(".")[0])}
        if not (named or name in ours or isinstance(table.this, exp.GenerateSeries)):
            return ()
        read |= named
    return tuple(sorted(read))


def _parsed(sql: str) -> exp.Expr:
    """Parse a text of SQL; one that cannot be parsed reads nothing, and is refused where it is run."""
    try:
        return sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return exp.Select()

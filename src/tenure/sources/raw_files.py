"""Raw files: where they lie, which of a mapping's alternatives is there, and the SQL that reads one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from tenure.core.addresses import ALLOWED, OWN_PREFIX, may_hold_address
from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal
from tenure.sources.raw_mapping import RawFile, TableMapping
from tenure.sources.readers.reader import RawTable
from tenure.sources.readers.registry import Readers, find_readers
from tenure.sources.source import Source


def open_locked(folder: Path, scratch: Path, *others: Path) -> duckdb.DuckDBPyConnection:
    """Connect to DuckDB; it reads and writes only in the source's folder, a scratch folder, and others."""
    connection = duckdb.connect()
    folders = ", ".join(literal(f"{path.resolve()}/") for path in (folder, scratch, *others))
    for setting, value in {
        "temp_directory": literal(str(scratch / "spill")),
        "TimeZone": "'UTC'",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": f"'{engine_memory()}B'",
        "allowed_directories": f"[{folders}]",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }.items():
        connection.execute(f"SET {setting} = {value}")
    return connection


def split_reference(reference: str) -> tuple[str, str]:
    """Split ``file#part`` (a sheet or a table inside the file).

    Examples
    --------
    >>> split_reference("book.xlsx#May"), split_reference("orders.csv")
    (('book.xlsx', 'May'), ('orders.csv', ''))
    """
    file, _, part = reference.partition("#")
    return file, part


def choose_raw_file(readers: Readers, folder: Path, alternatives: Iterable[str], place: str) -> str:
    """Return the first alternative that is present.

    Raises
    ------
    DataContractError : none of them is; names what is there instead.
    """
    alternatives = tuple(alternatives)
    for reference in alternatives:
        file = split_reference(reference)[0]
        if readers.is_server(file) or inside(folder, file, place).is_file():
            return reference
    raise DataContractError(
        f"{place}: {' or '.join(alternatives)} is missing in {folder}. Present: {_present(folder)}. "
        f"Put the file there, or run 'tenure fetch {folder.name} --from FOLDER'."
    )


def files_to_read(readers: Readers, folder: Path, mapping: TableMapping, place: str) -> tuple[str, ...]:
    """Return what a table without a query is read from: one of its alternatives, or its files one below the other.

    Raises
    ------
    DataContractError : a file is missing, a pattern finds none; names what is there instead.
    """
    if mapping.one_of:
        return (choose_raw_file(readers, folder, mapping.one_of, place),)
    found: dict[str, None] = {}
    for reference in mapping.raw_files:
        file, part = split_reference(reference)
        if not set(file) & set("*?[") or inside(folder, file, place).is_file():
            try:
                found[choose_raw_file(readers, folder, [reference], place)] = None
            except DataContractError as error:
                if len(mapping.raw_files) == 1:
                    raise
                raise DataContractError(
                    f"{error} All files of a list in from are read, one below the other; alternatives are listed in one_of."
                ) from None
            continue
        names = sorted(path.relative_to(folder).as_posix() for path in folder.glob(file) if path.is_file())
        if not names:
            raise DataContractError(
                f"{place}: no file in {folder} is named as in {file!r}. Present: {_present(folder)}. Put the files there, "
                "or name them as they are."
            )
        found |= dict.fromkeys(f"{name}#{part}" if part else name for name in names)
    return tuple(found)


def _present(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
    return ", ".join(names) or "nothing"


def inside(folder: Path, file: str, place: str) -> Path:
    """Return the file's path, refusing one that leaves the folder."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataContractError(
            f"{place}: {file!r} lies outside {folder}. A source reads only its own folder; copy the file there."
        )
    return path


def raw_relation(
    source: Source, folder: Path, scratch: Path, reference: str, *, text_columns: Iterable[str] = ()
) -> str:
    """Return the SQL that reads a raw file; what the engine does not read itself is copied into ``scratch`` first.

    Raises
    ------
    DataContractError : an ending that no reader has, a sheet or table that is not in the file, an unreadable file.
    """
    raw = raw_table(source, folder, scratch, reference, text_columns=text_columns)
    return find_readers(source.folder).relation(raw)


def raw_table(
    source: Source, folder: Path, scratch: Path, reference: str, *, text_columns: Iterable[str] = ()
) -> RawTable:
    """Return a raw file as its reader is given it, with all that the source says of it.

    Raises
    ------
    DataContractError : its address is said to stand in a variable that may hold none.
    """
    file, part = split_reference(reference)
    about = source.raw.get(reference, source.raw.get(file, RawFile()))
    if about.url_env and not may_hold_address(about.url_env):
        raise DataContractError(
            f'{source.where} [raw."{file}"]: url_env is {about.url_env!r}. Expected a variable whose name begins with '
            f"{OWN_PREFIX}, or one that the environment variable {ALLOWED} lists: else a mapping could read out any secret."
        )
    named = {split_reference(name) for table in source.tables.values() for name in (*table.raw_files, *table.one_of)}
    return RawTable(
        reference=reference,
        path=folder / file if find_readers(source.folder).is_server(file) else inside(folder, file, source.where),
        part=part,
        scratch=scratch,
        delimiter=about.delimiter,
        quote=about.quote,
        encoding=about.encoding,
        skip=about.skip,
        stop=about.stop,
        url_env=about.url_env,
        other_parts=tuple(sorted(other for name, other in named if name == file)),
        text_columns=tuple(text_columns),
    )

"""Raw files: where they lie, which of a mapping's alternatives is there, and the SQL that reads one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError
from tenure.core.memory import engine_memory
from tenure.core.sql import literal
from tenure.sources.raw_mapping import RawFile
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
    present = sorted(path.name for path in folder.glob("*") if not path.name.startswith(".")) if folder.is_dir() else []
    raise DataContractError(
        f"{place}: {' or '.join(alternatives)} is missing in {folder}. Present: {', '.join(present) or 'nothing'}. "
        f"Put the file there, or run 'tenure fetch {folder.name} --from FOLDER'."
    )


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
    file, part = split_reference(reference)
    about = source.raw.get(reference, source.raw.get(file, RawFile()))
    readers = find_readers(source.folder)
    return readers.relation(
        RawTable(
            reference=reference,
            path=folder / file if readers.is_server(file) else inside(folder, file, source.where),
            part=part,
            scratch=scratch,
            delimiter=about.delimiter,
            encoding=about.encoding,
            url_env=about.url_env,
            text_columns=tuple(text_columns),
        )
    )

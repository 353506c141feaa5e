"""A first look at a source's mapping, before anything slow begins: what does not fit is told within seconds.

Small files are mapped whole. Of a large text file only the head is, which shows its columns: an unknown column or
unreadable SQL is told at once, while dates and numbers can only be judged when all of it has been read.
"""

from __future__ import annotations

import gzip
import re
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from tenure.core.atomic_files import link_file
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.inputs import effective_mappings, files_of
from tenure.sources.mapping import map_table
from tenure.sources.raw_files import inside, open_locked, split_reference
from tenure.sources.readers.delimited import DelimitedReader
from tenure.sources.readers.parquet import ParquetReader
from tenure.sources.readers.registry import Readers, find_readers
from tenure.sources.source import Source

# What is mapped whole within two seconds, of all files together.
WHOLE_BYTES = 24 << 20
# What stands for a larger file: so much of a text, so many rows of a Parquet file.
HEAD_BYTES, HEAD_ROWS = 1 << 20, 1_000
HEADER_BYTES = 64 << 10
# What is wrong with columns or SQL shows in a file's head; how its values are written shows only in all of it.
OF_THE_HEAD = (
    " is not defined. Defined: ", "not readable SQL", "expected one expression", "expected one SELECT",
    "not found in FROM clause", "has no column", "does not exist", "Parser Error",
)  # fmt: skip


def look_first(workspace: Workspace, source: Source, *, at_small_files: bool = True) -> None:
    """Refuse a mapping that does not fit its raw files, as far as this is seen within seconds; nothing is kept.

    Who maps all files next need not look ``at_small_files``.

    Raises
    ------
    DataContractError : a missing file, an unknown column, unreadable SQL; of small files also dates and numbers that
        are not read as they stand.
    """
    folder = workspace.raw(source.name)
    mappings = effective_mappings(source, folder)
    read, _ = files_of(source, folder, mappings)
    files = {table: {split_reference(reference)[0] for reference in named} for table, named in read.items()}
    readers = find_readers(source.folder)
    on_disk = {file for named in files.values() for file in named if not readers.is_server(file)}
    is_small = sum(inside(folder, file, source.where).stat().st_size for file in on_disk) <= WHOLE_BYTES
    if is_small and not at_small_files:
        return
    with workspace.scratch(source.name) as made:
        scratch = Path(made)
        place = folder if is_small else scratch / "heads"
        there = on_disk if is_small else {file for file in on_disk if _write_head(readers, folder, place, file)}
        with closing(open_locked(folder, scratch)) as connection:
            for table in (table for table in mappings if files[table] <= there):
                try:
                    map_table(connection, source, place, scratch, mappings[table], read[table])
                except DataContractError as error:
                    if is_small or (_is_of_the_head(error) and not _stands_in(error, place, files[table])):
                        raise


def _is_of_the_head(error: DataContractError) -> bool:
    return any(words in str(error) for words in OF_THE_HEAD)


def _stands_in(error: DataContractError, place: Path, files: set[str]) -> bool:
    """Say whether a column that is said to be missing stands in a head all the same: all of a file may part otherwise."""
    names = re.findall(r"'([^']+)' is not defined", str(error))
    heads = [(place / file).read_bytes() for file in files if file.lower().endswith(DelimitedReader.endings)]
    return any(name.lower().encode() in head[:HEADER_BYTES].lower() for name in names for head in heads)


def _write_head(readers: Readers, folder: Path, place: Path, file: str) -> bool:
    """Write the head of a file, all of a small one; say whether there is one.

    A sheet, or a plugin's file, has none; lines of JSON have keys that no head holds.
    """
    path, head = folder / file, place / file
    head.parent.mkdir(parents=True, exist_ok=True)
    kind = type(readers.of(file))
    if path.stat().st_size <= HEAD_BYTES:
        link_file(path, head)
    elif kind is ParquetReader:
        rows = pq.ParquetFile(path)
        with pq.ParquetWriter(head, rows.schema_arrow) as writer:
            writer.write_batch(next(rows.iter_batches(HEAD_ROWS)))
    elif kind is DelimitedReader:
        is_packed = file.lower().endswith(".gz")
        with (gzip.open if is_packed else open)(path, "rb") as text:
            first = text.read(HEAD_BYTES)
        # What is cut in the middle of a line is none.
        whole = first[: first.rfind(b"\n") + 1] or first
        head.write_bytes(gzip.compress(whole, 1) if is_packed else whole)
    else:
        return False
    return True

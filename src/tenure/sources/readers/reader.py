"""What a reader is: it gives the engine one raw file, or one table of a server, as a relation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class RawTable:
    """A raw file or a server's table, as a mapping names it (``file``, ``file#part`` or ``server#part``).

    ``delimiter``, ``quote``, ``encoding``, ``skip``, ``stop`` and ``url_env`` are what ``[raw."<file>"]`` says.
    ``text_columns`` are to be read as text even where every value looks like a number: '00017' is an id.
    """

    reference: str
    path: Path  # of a file; a server has none
    part: str  # the sheet or table, if one is named
    scratch: Path
    delimiter: str = ""
    quote: str = ""
    encoding: str = ""
    skip: int | None = None  # lines above the header; none said: it is found
    stop: str = ""  # how the first line below the table begins
    url_env: str = ""
    other_parts: tuple[str, ...] = ()  # of the same file that the source reads, too
    text_columns: tuple[str, ...] = ()

    def copy(self, ending: str, write: Callable[[Path], object]) -> Path:
        """Return the path of a copy in the scratch folder; ``write`` writes it, once however often it is asked for."""
        name = blake2b(self.reference.encode(), digest_size=8).hexdigest()
        path = self.scratch / "converted" / f"{name}{ending}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f"fresh-{path.name}")
            write(fresh)
            fresh.rename(path)
        return path


@dataclass(frozen=True)
class Told:
    """What is to be told of how a raw table was read.

    ``said`` informs, ``warnings`` warn; ``repeated`` are names that the header has more than once. ``unreadable`` is a
    Parquet file of the lines that are none of the table's (line, text, error).
    """

    said: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    unreadable: Path | None = None


@runtime_checkable
class Reader(Protocol):
    """A reader of the files with certain ``endings``; one without any reads the server that is called as the reader is.

    A subclass gives ``relation``, and of the rest what differs from the defaults.
    """

    endings: tuple[str, ...] = ()
    # Whether unreadable lines are set aside (``read_csv`` with ``store_rejects``); otherwise the first ends the run.
    sets_aside: bool = False
    # Whether types are guessed from the values, so that text columns have to be named.
    guesses_types: bool = False
    # Whether all columns come as texts: they are typed by the evidence of all their values.
    is_text: bool = False

    def relation(self, raw: RawTable) -> str:
        """Return the SQL (DuckDB) that stands in a FROM clause; it may read the source's folder and scratch only.

        Raises
        ------
        DataContractError : an unreadable file, a sheet or table that is not there.
        """
        ...

    def told(self, raw: RawTable) -> Told:
        """Tell how a raw table is read, where there is something to tell.

        Raises
        ------
        DataContractError : as ``relation``.
        """
        return Told()

    def said(self, raw: RawTable) -> tuple[str, ...]:
        """Return all that is told, as plain sentences."""
        told = self.told(raw)
        return told.said + told.warnings

"""What a ``source.toml`` says of one staged table and of one raw file."""

from __future__ import annotations

from dataclasses import dataclass, field

from tenure.sources.contract import StagedTable


@dataclass(frozen=True)
class TableMapping:
    """How one staged table comes from the raw files: SQL expressions (DuckDB) over the raw columns.

    ``raw_files`` are read one below the other, and may be patterns (``orders_*.csv``); ``one_of`` are alternatives, of
    which the first that is present is read. ``columns`` may be empty: then the file carries the staged names already.
    """

    table: StagedTable
    raw_files: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    query: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    max_rejected_share: float | None = None
    max_no_customer_share: float = 0.5

    @property
    def is_as_staged(self) -> bool:
        return not (self.columns or self.query)

    @property
    def file_names(self) -> set[str]:
        """The files without the part of them that one may name (``book.xlsx#Sheet1``)."""
        return {name.partition("#")[0] for name in (*self.raw_files, *self.one_of)}


@dataclass(frozen=True)
class RawFile:
    """What is said of one raw file: when each of its rows was known, how to read it."""

    known_at: str = ""
    url_env: str = ""
    delimiter: str = ""
    quote: str = ""
    encoding: str = ""
    skip: int | None = None
    stop: str = ""

"""Which reader reads what: Tenure's own, and those that plugins bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tenure.core.errors import DataContractError, DefinitionError, TenureError, describe_unforeseen
from tenure.core.plugins import Plugin, plugins
from tenure.sources.readers.delimited import DelimitedReader
from tenure.sources.readers.json_lines import JsonLinesReader
from tenure.sources.readers.parquet import ParquetReader
from tenure.sources.readers.postgresql import PostgresqlReader
from tenure.sources.readers.reader import RawTable, Reader, Told
from tenure.sources.readers.sheets import SheetsReader
from tenure.sources.readers.spark import SparkReader
from tenure.sources.readers.sqlite import SqliteReader

Answer = TypeVar("Answer")
BUILT_IN: dict[str, Reader] = {
    "parquet": ParquetReader(),
    "delimited": DelimitedReader(),
    "json_lines": JsonLinesReader(),
    "sheets": SheetsReader(),
    "sqlite": SqliteReader(),
    "postgresql": PostgresqlReader(),
    "spark": SparkReader(),
}


@dataclass(frozen=True)
class Readers:
    """The readers of a source by name, the name that each ending belongs to, and which of them are plugins."""

    named: dict[str, Reader]
    by_ending: dict[str, str]
    plugins: dict[str, Plugin]

    @property
    def endings(self) -> tuple[str, ...]:
        return tuple(self.by_ending)

    def is_server(self, file: str) -> bool:
        """Say whether a reference names a server: its content has no file and no hash."""
        return file in self.named and not self.named[file].endings

    def of(self, file: str) -> Reader:
        """Return the reader of a file or server.

        Raises
        ------
        DataContractError : no reader has its ending.
        """
        return self.named[self._name(file)]

    def code(self, file: str) -> str:
        """Return what names the code of a file's reader if a plugin brings it, else nothing."""
        plugin = self.plugins.get(self._name(file))
        return plugin.code if plugin else ""

    def relation(self, raw: RawTable) -> str:
        """Return the SQL that reads a raw table.

        Raises
        ------
        DataContractError : no reader has its ending, it cannot be read, or a plugin's reader fails.
        """
        return self._asked(raw, lambda reader: reader.relation(raw))

    def told(self, raw: RawTable) -> Told:
        """Return what is to be told of how a raw table is read.

        Raises
        ------
        DataContractError : as ``relation``.
        """
        return self._asked(raw, lambda reader: reader.told(raw))

    def _asked(self, raw: RawTable, ask: Callable[[Reader], Answer]) -> Answer:
        name = self._name(raw.path.name)
        try:
            return ask(self.named[name])
        except TenureError:
            raise
        except Exception as error:
            if name not in self.plugins:
                raise
            where = self.plugins[name].where
            raise DataContractError(
                f"{raw.reference}: its reader, {where}, fails: {describe_unforeseen(error)}. Mend it or the file."
            ) from error

    def _name(self, file: str) -> str:
        if self.is_server(file):
            return file
        # The longest says most: a plugin may read '.bank.txt', and every other '.txt' stays delimited.
        endings = sorted((e for e in self.by_ending if file.lower().endswith(e)), key=len)
        if not endings:
            raise DataContractError(f"{file}: unknown ending. Expected one of {', '.join(self.endings)}.")
        return self.by_ending[endings[-1]]


def find_readers(folder: Path | None) -> Readers:
    """Find the readers of a source: the built-in ones and those of plugins, which come first where endings are equal.

    Raises
    ------
    DefinitionError : a plugin holds no reader, takes the name of a built-in one, or two plugins read one ending.
    """
    brought = plugins("readers", folder, BUILT_IN)
    by_ending = {ending: name for name, reader in BUILT_IN.items() for ending in reader.endings}
    for name, plugin in brought.items():
        if not isinstance(plugin.value, Reader):
            raise DefinitionError(
                f"{plugin.where} brings no reader but a {type(plugin.value).__name__}. "
                "Expected an object of a class that extends tenure.sources.readers.reader.Reader."
            )
        for ending in plugin.value.endings:
            if other := brought.get(by_ending.get(ending, "")):
                raise DefinitionError(
                    f"{other.where} and {plugin.where} both read {ending!r}. Expected one; remove one."
                )
            by_ending[ending] = name
    return Readers(BUILT_IN | {name: plugin.value for name, plugin in brought.items()}, by_ending, brought)

"""Delimited text: read by the engine, which finds delimiter and types; lines it cannot read are set aside."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tenure.core.sql import literal
from tenure.sources.readers.reader import RawTable, Reader


class DelimitedReader(Reader):
    """Reads CSV, TSV and other delimited text."""

    endings = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
    sets_aside = True
    guesses_types = True

    def relation(self, raw: RawTable) -> str:
        return read_csv(raw.path, raw.text_columns, delimiter=raw.delimiter, encoding=raw.encoding)


def read_csv(path: Path, text_columns: Iterable[str], *, delimiter: str = "", encoding: str = "") -> str:
    """Return the SQL that reads delimited text, each type guessed from all of its values."""
    options = ["all_varchar = true", "store_rejects = true", "header = true"]
    if delimiter:
        options.append(f"delim = {literal(delimiter)}")
    if encoding:
        options.append(f"encoding = {literal(encoding)}")
    if types := ", ".join(f"{literal(column)}: 'VARCHAR'" for column in text_columns):
        options.append(f"types = {{{types}}}")
    return f"read_csv({literal(str(path))}, {', '.join(options)})"


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)

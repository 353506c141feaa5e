"""Sheets of workbooks: copied to delimited text, by default the first of a book."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.sources.readers.delimited import read_csv, write_csv
from tenure.sources.readers.reader import RawTable, Reader


class SheetsReader(Reader):
    """Reads XLSX, XLS and ODS."""

    endings = (".xlsx", ".xls", ".ods")
    guesses_types = True

    def relation(self, raw: RawTable) -> str:
        return read_csv(raw.copy(".csv", lambda copy: _copy_sheet(raw.path, raw.part, copy)), raw.text_columns)


def _copy_sheet(path: Path, sheet: str, copy: Path) -> None:
    from python_calamine import CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
    except Exception as error:  # calamine raises several kinds, all meaning the same to the reader
        raise DataContractError(f"{path}: not a readable workbook ({error}). Save it again as XLSX.") from None
    sheet = sheet or book.sheet_names[0]
    if sheet not in book.sheet_names:
        raise DataContractError(f"{path}: {UnknownNameError('Sheet', sheet, book.sheet_names)}")
    rows: Iterator[list[Any]] = iter(book.get_sheet_by_name(sheet).to_python())
    header = [str(cell) for cell in next(rows, [])]
    write_csv(copy, header, ([_as_text(cell) for cell in row] for row in rows))


def _as_text(cell: Any) -> Any:
    # A workbook keeps every number as a float: 17850.0 is the id 17850.
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell

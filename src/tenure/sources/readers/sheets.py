"""Sheets of workbooks: the cells of one as texts, by default of the first of a book."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.sources.readers.layout import LONGEST_FOOTER, Figures, Row, find_header, footer_rows, names_of
from tenure.sources.readers.reader import RawTable, Told
from tenure.sources.readers.text_copy import TextReader, Unreadable, repeated_names, write_rows


class SheetsReader(TextReader):
    """Reads XLSX, XLS and ODS."""

    endings = (".xlsx", ".xls", ".ods")

    def write(self, raw: RawTable, folder: Path) -> Told:
        sheet, rows, unread = _read_sheet(raw)
        file = raw.path.name
        below = [row for row in rows if row.line > (raw.skip or 0)]
        if not below:
            raise DataContractError(
                f"{raw.reference}: sheet {sheet!r} holds no rows. Expected names of columns and rows."
            )
        where = f'[raw."{raw.reference}"]'
        body = [row.cells for row in below[1:]]
        header = find_header(below[:60], body, raw.reference, where) if raw.skip is None else below[0]
        while header.cells and not header.cells[-1] and not any(row.cells[len(header.cells) - 1] for row in below):
            header.cells.pop()
        names, repeated = names_of(header.cells)
        below = [row for row in below if row.line > header.line]
        if raw.stop:
            ends = (number for number, row in enumerate(below) if _first(row).startswith(raw.stop))
            below = below[: next(ends, len(below))]
        figures = Figures.of([row.cells for row in below[: max(3, 2 * len(below) // 3)]], 0.9)
        footer = footer_rows(below[-LONGEST_FOOTER:], figures) if len(below) > 3 and not raw.stop else []
        with Unreadable(folder) as unreadable:
            for row in footer:
                text = " | ".join(filter(None, row.cells))
                unreadable.add(row.line, text, 'a total or note below the table; name its first word with stop = "..."')
        kept = below[: len(below) - len(footer)]
        write_rows(folder / "rows.parquet", names, ([cell or None for cell in row.cells[: len(names)]] for row in kept))
        said = f"{file}: sheet {sheet!r} is read, names of {len(names):,} columns in row {header.line:,}"
        return Told((said,), (*unread, *repeated_names(raw.reference, repeated)), repeated)


def _read_sheet(raw: RawTable) -> tuple[str, list[Row], tuple[str, ...]]:
    """Return the name of a book's sheet, its rows that are not empty, and what is to be told of other sheets."""
    from python_calamine import CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(raw.path))
    except Exception as error:  # calamine raises several kinds, all meaning the same to the reader
        raise DataContractError(f"{raw.path}: not a readable workbook ({error}). Save it again as XLSX.") from None
    names = list(book.sheet_names)
    sheet = raw.part or names[0]
    if sheet not in names:
        raise DataContractError(f"{raw.path}: {UnknownNameError('Sheet', sheet, names)}")
    read = book.get_sheet_by_name(sheet)
    first = (read.start or (0, 0))[0] + 1
    rows = [Row(number, [_as_text(cell) for cell in row]) for number, row in enumerate(read.to_python(), first)]
    unread = [name for name in names if name not in {sheet, *(part or names[0] for part in raw.other_parts)}]
    listed = ", ".join(f'"{raw.path.name}#{name}"' for name in unread)
    told = f"{raw.path.name}: {len(names):,} sheets, of which {sheet!r} is read and not {', '.join(map(repr, unread))}; name"
    return sheet, [row for row in rows if row.filled], (f"{told} the others in from, as {listed}",) if unread else ()


def _first(row: Row) -> str:
    return next((cell.strip() for cell in row.cells if cell.strip()), "")


def _as_text(cell: Any) -> str:
    # A workbook keeps every number as a float: 17850.0 is the id 17850.
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, date) else str(cell)

"""Writers of files, from the formats' public documentation alone: RFC 4180, ECMA-376 (XLSX), JSON lines."""

import gzip
import io
import json
import random
import zipfile
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class Dialect:
    """How a program writes delimited text; ``quoted`` is the share of cells in quotes that need none."""

    delimiter: str = ","
    end: str = "\n"
    quoted: float = 0.0
    bom: bool = False
    last_end: bool = True


def draw_dialect(rng: random.Random, delimiters: str = ",,;\t|") -> Dialect:
    """English Excel writes commas, German and French Excel semicolons, databases tabs and bars."""
    return Dialect(
        rng.choice(delimiters), rng.choice(["\n", "\r\n"]), rng.choice([0, 0, 0.3, 0.7, 1]), rng.random() < 0.15, rng.random() < 0.8
    )  # fmt: skip


def record(cells: list[str], dialect: Dialect, rng: random.Random) -> str:
    """RFC 4180: a cell that holds a delimiter, a quote or a line break stands in quotes, its quotes doubled."""
    texts = []
    for cell in cells:
        must = any(mark in cell for mark in (dialect.delimiter, '"', "\n", "\r"))
        texts.append('"' + cell.replace('"', '""') + '"' if must or rng.random() < dialect.quoted else cell)
    return dialect.delimiter.join(texts)


def records(table: list[list[str]], dialect: Dialect, rng: random.Random) -> list[str]:
    return [record(cells, dialect, rng) for cells in table]


def text_file(lines: list[str], dialect: Dialect, encoding: str = "utf-8") -> bytes:
    text = dialect.end.join(lines) + (dialect.end if dialect.last_end else "")
    return (("\ufeff" if dialect.bom and encoding == "utf-8" else "") + text).encode(encoding)


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def json_lines(header: list[str], table: list[list[Any]]) -> bytes:
    lines = [json.dumps(dict(zip(header, cells, strict=True)), ensure_ascii=False) for cells in table]
    return ("\n".join(lines) + "\n").encode()


def parquet(columns: dict[str, pa.Array]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


# --- XLSX, as ECMA-376 describes it: a zip of XML parts ---

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_FORMAT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Style 0 is general, 1 a date with its time (built-in format 22), 2 a date (built-in format 14).
_STYLES = (
    f'<styleSheet {_MAIN}><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def serial_day(moment: datetime, *, since_1904: bool = False) -> float:
    """The number that a spreadsheet keeps for a date: days since 1899-12-30, or since 1904-01-01 on old Macs."""
    passed = moment - (datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30))
    return passed.days + passed.seconds / 86_400


def _cell(value: Any, place: str, since_1904: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
    if isinstance(value, datetime):
        return f'<c r="{place}" s="1"><v>{serial_day(value, since_1904=since_1904)!r}</v></c>'
    if isinstance(value, date):
        return f'<c r="{place}" s="2"><v>{int(serial_day(datetime(value.year, value.month, value.day), since_1904=since_1904))}</v></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def _put(book: zipfile.ZipFile, name: str, text: str) -> None:
    """Add a part, always of the same time, so that the same sheets are the same bytes."""
    book.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


def workbook(sheets: dict[str, list[list[Any]]], *, since_1904: bool = False) -> bytes:
    """Write sheets of rows; at most 26 columns."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as book:
        parts = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_FORMAT}.worksheet+xml"/>' for n in range(1, len(sheets) + 1)
        )  # fmt: skip
        _put(
            book,
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="{_FORMAT}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_FORMAT}.styles+xml"/>{parts}</Types>',
        )  # fmt: skip
        _put(
            book,
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" Type="{_DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )  # fmt: skip
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1)
        )
        epoch = '<workbookPr date1904="1"/>' if since_1904 else "<workbookPr/>"
        _put(
            book,
            "xl/workbook.xml",
            f'<workbook {_MAIN} xmlns:r="{_DOCUMENT}">{epoch}<sheets>{listed}</sheets></workbook>',
        )
        related = "".join(
            f'<Relationship Id="rId{n}" Type="{_DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(sheets) + 1)
        )  # fmt: skip
        related += f'<Relationship Id="rId{len(sheets) + 1}" Type="{_DOCUMENT}/styles" Target="styles.xml"/>'
        _put(
            book,
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">{related}</Relationships>',
        )
        _put(book, "xl/styles.xml", _STYLES)
        for n, table in enumerate(sheets.values(), 1):
            rows = "".join(
                f'<row r="{y}">' + "".join(_cell(value, f"{chr(65 + x)}{y}", since_1904) for x, value in enumerate(cells)) + "</row>"
                for y, cells in enumerate(table, 1)
            )  # fmt: skip
            _put(book, f"xl/worksheets/sheet{n}.xml", f"<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>")
    return buffer.getvalue()

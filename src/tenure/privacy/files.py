"""One file at a time: taking a person out of it, and looking whether it still names them."""

from __future__ import annotations

import csv
import json
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.privacy.log_files import is_log, read_log, write_log
from tenure.privacy.person import Person, holds_ids
from tenure.sources.staging_names import MARKER

BATCH_ROWS = 200_000
PARQUET, TABLES, PAGES, DOCUMENTS, TEXTS = (
    (".parquet",), (".csv", ".tsv"), (".html", ".svg"), (".ipynb", ".json"), (".md", ".txt", ".yaml"),
)  # fmt: skip


def take_out(person: Person, path: Path) -> int:
    """Remove a person's rows from a table, blot out their name elsewhere; return how many places changed.

    The file is replaced whole (a log is written in place), and only where something changed.
    """
    if path.suffix in PARQUET:
        return _from_parquet(person, path)
    if path.suffix in TABLES:
        return _from_table(person, path)
    if path.suffix not in PAGES + DOCUMENTS + TEXTS and not is_log(path):
        return 0
    text = _read(path)
    if not any(name in text for name in person.names):
        return 0
    if path.suffix in DOCUMENTS:
        changed = _blotted_document(person, text)
    elif path.suffix in PAGES:
        changed = person.blot_page(text)
    else:
        changed = "\n".join(person.blot(line) for line in text.split("\n"))
    if changed == text:
        return 0
    if is_log(path):
        write_log(path, changed)
    else:
        with replaced_file(path) as fresh:
            fresh.write_text(changed, encoding="utf-8")
    return max(1, changed.count(MARKER) - text.count(MARKER))


def names_person(person: Person, path: Path) -> bool:
    """Say whether a file names a person.

    Of a table each value is searched, of a document each string, of a page each text; of other files the bytes.
    """
    if path.suffix in PARQUET:
        return any(_named_rows(person, batch) for batch in _text_batches(path))
    if path.suffix in DOCUMENTS:
        text = _read(path)
        if not any(name in text for name in person.names):
            return False
        try:
            return bool(_blotted(person, document := json.loads(text), of_customers=None) != document)
        except ValueError:
            return person.is_in(text)
    if path.suffix in TABLES:
        return _table_names(person, path)
    text = _read(path)
    return (person.blot_page(text) != text) if path.suffix in PAGES else any(map(person.is_in, text.split("\n")))


def _read(path: Path) -> str:
    return read_log(path) if is_log(path) else path.read_bytes().decode("utf-8", errors="replace")


# --- Parquet ---


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _text_batches(path: Path) -> Iterable[pa.RecordBatch]:
    file = pq.ParquetFile(path)
    columns = [field.name for field in file.schema_arrow if _is_text(field.type)]
    return file.iter_batches(BATCH_ROWS, columns=columns) if columns else ()


def _candidates(person: Person, column: pa.Array) -> list[int]:
    """Find the rows of a column that hold a name anywhere: few, to be looked at one by one."""
    texts = column.cast(pa.string())
    found = [pc.fill_null(pc.match_substring(texts, name), False) for name in person.names]
    return sorted({row for mask in found for row in pc.indices_nonzero(mask).to_pylist()})


def _is_named(person: Person, column: str, value: str) -> bool:
    return person.is_value(value) if holds_ids(column) else person.is_in(value)


def _named_rows(person: Person, batch: pa.RecordBatch) -> int:
    return sum(
        _is_named(person, name, column[row].as_py())
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        for row in _candidates(person, column)
    )


def _from_parquet(person: Person, path: Path) -> int:
    if not names_person(person, path):
        return 0
    table = pq.read_table(path).combine_chunks()
    kept = table
    if "customer_id" in table.column_names:
        kept = table.filter(pc.invert(pc.is_in(table["customer_id"].cast(pa.string()), pa.array(person.names))))
    changed = table.num_rows - kept.num_rows
    for number, field in enumerate(kept.schema):
        if _is_text(field.type):
            values = kept.column(number).to_pylist()
            blotted = [
                MARKER if person.is_value(v) and holds_ids(field.name) else person.blot(v) if v else v for v in values
            ]
            if blotted != values:
                changed += sum(old != new for old, new in zip(values, blotted, strict=True))
                kept = kept.set_column(number, field, pa.array(blotted, pa.string()).cast(field.type))
    with replaced_file(path) as fresh:
        pq.write_table(kept, fresh, compression="zstd")
    return int(changed)


# --- CSV ---


def _encoding(path: Path) -> str:
    """Say how a table is written: the mark that a spreadsheet needs is no part of its first column's name."""
    with path.open("rb") as file:
        return "utf-8-sig" if file.read(len(BOM_UTF8)) == BOM_UTF8 else "utf-8"


def _rows(path: Path) -> Iterable[list[str]]:
    csv.field_size_limit(1 << 30)
    with path.open(newline="", encoding=_encoding(path), errors="replace") as file:
        yield from csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")


def _table_names(person: Person, path: Path) -> bool:
    header: list[str] = []
    for row in _rows(path):
        header = header or row
        if any(_is_named(person, column, cell) for column, cell in zip(header, row, strict=False)):
            return True
    return False


def _from_table(person: Person, path: Path) -> int:
    if not _table_names(person, path):
        return 0
    header: list[str] = []
    changed = 0
    with replaced_file(path) as fresh, fresh.open("w", newline="", encoding=_encoding(path)) as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        for row in _rows(path):
            header = header or row
            named = [column for column, cell in zip(header, row, strict=False) if _is_named(person, column, cell)]
            changed += len(named)
            if "customer_id" in named:
                continue
            cells = zip(header, row, strict=False)
            writer.writerow(
                [MARKER if c in named and person.is_value(cell) else person.blot(cell) for c, cell in cells]
            )
    return changed


# --- JSON and notebooks ---


def _blotted_document(person: Person, text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return person.blot(text)
    blotted = _blotted(person, document, of_customers=None)
    return text if blotted == document else json.dumps(blotted, indent=1, ensure_ascii=False) + "\n"


def _blotted(person: Person, value: Any, *, of_customers: bool | None) -> Any:
    if isinstance(value, dict):
        return {
            person.blot(key): _blotted(person, held, of_customers=of_customers or holds_ids(key) or None)
            for key, held in value.items()
        }
    if isinstance(value, list):
        if _is_text_in_lines(value):
            text = _blotted(person, whole := "".join(value), of_customers=of_customers)
            return value if text == whole else text.splitlines(keepends=True)
        return [_blotted(person, held, of_customers=of_customers) for held in value]
    if isinstance(value, str):
        return person.blot_page(value) if "<table" in value else person.blot(value, of_customers=of_customers)
    return MARKER if of_customers and _is_id(person, value) else value


def _is_text_in_lines(value: list[Any]) -> bool:
    """Tell a text, which a notebook keeps as a list of its lines, from a list of texts."""
    return len(value) > 1 and all(isinstance(line, str) and line.endswith("\n") for line in value[:-1])


def _is_id(person: Person, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and str(value) in person.names

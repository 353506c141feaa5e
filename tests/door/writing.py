"""What all kinds share: rows as cells of text, the naive mapping, the file around them."""

import random
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from door.files import Dialect, draw_dialect, json_lines, record, records, text_file, workbook
from door.rows import Case, Row

HEADERS = (
    ("client", "at", "no", "amt"),
    ("Customer ID", "Created", "Order", "Total"),
    ("kunde", "datum", "beleg", "betrag"),
    ("customer_id", "order_date", "order_id", "amount"),
    ("Customer ID", "Created (UTC)", "id", "Amount"),
)
NOTES = (
    "",
    "plain",
    "a note, with a comma",
    "semi; colon",
    'she said "yes"',
    "two\nlines",
    "tab\there",
    "it's 5 o'clock",
    "a | b",
    "Müller",
)


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%d}" if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{at:%Y-%m-%d %H:%M:%S}"


def full_iso(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def plain(amount: Decimal) -> str:
    return f"{amount:.2f}"


def cells_of(row: Row, at: Callable[[datetime], str] = iso, amount: Callable[[Decimal], str] = plain) -> list[str]:
    return [row.customer, at(row.at), row.order, amount(row.amount)]


def mapping_of(file: Any, header: tuple[str, ...], zone: str = "UTC", **top: Any) -> dict[str, Any]:
    """The mapping a user naively writes: bare column names."""
    columns = dict(zip(("customer_id", "occurred_at", "order_id", "amount"), header, strict=False))
    return {"currency": "EUR", "timezone": zone} | top | {"order_lines": {"from": file} | columns}


class Text:
    """A delimited file in the making: a header, one list of cells for each row, a note at the end of each."""

    def __init__(
        self,
        rng: random.Random,
        rows: list[Row],
        *,
        notes: tuple[str, ...] = NOTES,
        dialect: Dialect | None = None,
        **how: Any,
    ) -> None:
        self.rng, self.rows = rng, rows
        self.dialect = dialect or draw_dialect(rng)
        self.header = rng.choice(HEADERS)
        self.table = [[*cells_of(row, **how), rng.choice(notes)] for row in rows]
        self.lines = records([[*self.header, "note"], *self.table], self.dialect, rng)

    def damage(self, place: int, line: str) -> None:
        """Put another line in the place of a row's."""
        self.lines[place + 1] = line

    def start_of(self, place: int) -> str:
        """The mapped cells of a row, as they stand in the file, and the delimiter after them."""
        return record(self.table[place][:4], self.dialect, self.rng) + self.dialect.delimiter

    def case(
        self,
        kind: str,
        name: str,
        rows: list[Row] | None = None,
        *,
        encoding: str = "utf-8",
        raw: dict[str, Any] | None = None,
        **flags: Any,
    ) -> Case:
        file = "orders.tsv" if self.dialect.delimiter == "\t" else "orders.csv"
        mapping = mapping_of(file, self.header)
        if raw:
            mapping["raw"] = {file: raw}
        return Case(
            kind,
            name,
            {file: text_file(self.lines, self.dialect, encoding)},
            mapping,
            self.rows if rows is None else rows,
            **flags,
        )


def in_some_file(
    rng: random.Random, table: list[list[str]], kinds: tuple[str, ...] = ("csv", "csv", "jsonl", "xlsx")
) -> tuple[str, tuple[str, ...], bytes]:
    """Write cells of text as one of several kinds of files; return its name, its header, its content."""
    header, kind = rng.choice(HEADERS), rng.choice(kinds)
    if kind == "jsonl":
        return "orders.jsonl", header, json_lines(list(header), table)
    if kind == "xlsx":
        return "orders.xlsx", header, workbook({"Orders": [list(header), *table]})
    dialect = draw_dialect(rng)
    return "orders.csv", header, text_file(records([list(header), *table], dialect, rng), dialect)


def value_case(rng: random.Random, kind: str, name: str, rows: list[Row], table: list[list[str]], zone: str = "UTC", top: dict[str, str] | None = None, **flags: bool) -> Case:  # fmt: skip
    file, header, content = in_some_file(rng, table)
    return Case(
        kind,
        f"{name} ({file.rpartition('.')[2]})",
        {file: content},
        mapping_of(file, header, zone, **(top or {})),
        rows,
        **flags,
    )


def some_csv(rng: random.Random, header: list[str], table: list[list[str]]) -> bytes:
    dialect = draw_dialect(rng, ",,;")
    return text_file(records([header, *table], dialect, rng), dialect)

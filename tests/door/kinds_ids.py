"""Kind 6: ids of all sorts, plain, in expressions and in queries."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa

from door.files import json_lines, parquet, workbook
from door.rows import Case, Row, damaged, draw_rows, few
from door.writing import HEADERS, cells_of, full_iso, in_some_file, mapping_of, some_csv

IDS = "6 ids"


def _uuid(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


ID_STYLES: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("leading zeros", lambda rng: rng.choice(["00017", "17", "017", "00018", "18", "1", "01"])),
    ("21 digits", lambda rng: f"1000000000000000000{rng.randrange(30):02d}"),
    ("20 digits", lambda rng: str(12345678901234567890 + rng.randrange(20))),
    ("18 digits", lambda rng: str(900719925474099300 + rng.randrange(20))),
    ("e in digits", lambda rng: rng.choice(["1E5", "100000", "1e5", "3E10", "10E4", "30000000000"])),
    ("UUID", lambda rng: _uuid(random.Random(rng.randrange(9))).upper()),
    ("UUID in both cases", lambda rng: rng.choice([str.upper, str.lower])(_uuid(random.Random(rng.randrange(5))))),
    ("like dates", lambda rng: f"{rng.randrange(1, 29):02d}-{rng.randrange(1, 13):02d}-2025"),
    ("like ISO dates", lambda rng: f"2025-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"),
    ("like booleans", lambda rng: rng.choice(["true", "TRUE", "True", "false", "t", "1", "0"])),
    ("hexadecimal", lambda rng: rng.choice(["0x1F", "0x1f", "31", "1F", "0b11"])),
    ("like numbers", lambda rng: rng.choice(["1.0", "1", "1.00", "+1", "1.50", "1.5", "-1", "1_000", "1000"])),
    ("words for nothing", lambda rng: rng.choice(["NULL", "nan", "None", "NA", "N/A", "inf", "-"])),
    ("accents", lambda rng: rng.choice(["\u00c9", "E\u0301", "Zoë", "ZOË", "😀", "עברית"])),
)


def _with_ids(rng: random.Random, rows: list[Row], draw: Callable[[random.Random], str]) -> list[Row]:
    return [replace(row, customer=draw(rng)) for row in rows]


def ids_as_text(rng: random.Random, count: int) -> Case:
    """An id is the text that stands in the file."""
    name, draw = rng.choice(ID_STYLES)
    rows = _with_ids(rng, draw_rows(rng, count), draw)
    file, header, content = in_some_file(rng, [cells_of(row) for row in rows], ("csv", "csv", "csv", "jsonl", "xlsx"))
    return Case(
        IDS, f"{name} ({file.rpartition('.')[2]})", {file: content}, mapping_of(file, header), rows, honest=True
    )


# what the mapping says of {c}, and what becomes of the id
EXPRESSIONS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("trim({c})", lambda text: text),
    ("CAST({c} AS VARCHAR)", lambda text: text),
    ("coalesce(merged_into, {c})", lambda text: text),
    ("'EU-' || {c}", lambda text: f"EU-{text}"),
    ("concat('EU-', {c})", lambda text: f"EU-{text}"),
    ("nullif({c}, '')", lambda text: text),
    ("CASE WHEN {c} IS NOT NULL THEN {c} END", lambda text: text),
)


def ids_in_expressions(rng: random.Random, count: int) -> Case:
    """Whatever expression touches an id, it is the text of the file."""
    (name, draw), (expression, meant) = rng.choice(ID_STYLES), rng.choice(EXPRESSIONS)
    rows = _with_ids(rng, draw_rows(rng, count), draw)
    header = ["client", "at", "no", "amt", "merged_into"]
    cells = [[*cells_of(row), ""] for row in rows]
    if "coalesce" in expression:  # some customers were merged into another
        for n in range(count):
            if rng.random() < 0.3:
                cells[n][4] = draw(rng)
                rows[n] = replace(rows[n], customer=cells[n][4])
    mapping = mapping_of("orders.csv", HEADERS[0])
    mapping["order_lines"]["customer_id"] = expression.format(c="client")
    truth = [replace(row, customer=meant(row.customer)) for row in rows]
    return Case(
        IDS,
        f"{name} in {expression.split('(')[0].split(' ')[0]}",
        {"orders.csv": some_csv(rng, header, cells)},
        mapping,
        truth,
        honest=True,
    )


def ids_in_queries(rng: random.Random, count: int) -> Case:
    name, draw = rng.choice(ID_STYLES)
    rows = _with_ids(rng, draw_rows(rng, count), draw)
    mapping = {
        "currency": "EUR",
        "order_lines": {
            "query": "SELECT client AS customer_id, day AS occurred_at, num AS order_id, amt AS amount FROM orders"
        },
    }
    table, header = [cells_of(row) for row in rows], ["client", "day", "num", "amt"]
    file, content = (
        ("orders.csv", some_csv(rng, header, table))
        if rng.random() < 0.7
        else ("orders.jsonl", json_lines(header, table))
    )
    return Case(IDS, f"{name} in a query", {file: content}, mapping, rows, honest=True)


def numbers_in_json(rng: random.Random, count: int) -> Case:
    """JSON numbers of any length, alone or beside strings."""
    digits = rng.choice([6, 16, 19, 21, 25])
    base, beside = 10 ** (digits - 1), rng.random() < 0.4
    rows = [replace(row, customer=str(base + rng.randrange(20))) for row in draw_rows(rng, count)]
    if beside:
        rows = [replace(row, customer=f"00{row.customer}") if rng.random() < 0.4 else row for row in rows]
    lines = []
    for row in rows:
        shown = json.dumps(row.customer) if row.customer.startswith("0") else row.customer
        lines.append(
            f'{{"client": {shown}, "at": "{full_iso(row.at)}", "no": {json.dumps(row.order)}, "amt": {row.amount}}}'
        )
    content = ("\n".join(lines) + "\n").encode()
    return Case(IDS, f"JSON numbers of {digits} digits{' beside texts' if beside else ''}", {"orders.jsonl": content}, mapping_of("orders.jsonl", HEADERS[0]), rows, honest=True)  # fmt: skip


def ids_in_parquet(rng: random.Random, count: int) -> Case:
    rows = [replace(row, customer=str(rng.randrange(1, 90))) for row in draw_rows(rng, count)]
    name = rng.choice(
        ["binary", "int64", "uint64", "decimal", "whole floats", "floats with NaN", "dictionary", "int64 with null"]
    )
    places = few(rng, count) if name in ("floats with NaN", "int64 with null") else []
    if name == "binary":
        rows = [replace(row, customer=rng.choice(["Zoë-1", "c2", "Müller", "😀"])) for row in rows]
        ids = pa.array([row.customer.encode() for row in rows], pa.binary())
    elif name == "uint64":
        rows = [replace(row, customer=str(2**64 - 1 - rng.randrange(9))) for row in rows]
        ids = pa.array([int(row.customer) for row in rows], pa.uint64())
    elif name == "decimal":
        rows = [replace(row, customer=str(10**24 + rng.randrange(9))) for row in rows]
        ids = pa.array([Decimal(row.customer) for row in rows], pa.decimal128(38, 0))
    elif name == "dictionary":
        ids = pa.array([row.customer for row in rows]).dictionary_encode()
    elif name.startswith("int64"):
        ids = pa.array([None if n in places else int(row.customer) for n, row in enumerate(rows)], pa.int64())
    else:
        ids = pa.array(
            [float("nan") if n in places else float(row.customer) for n, row in enumerate(rows)], pa.float64()
        )
    columns = {"client": ids, "at": pa.array([row.at for row in rows], pa.timestamp("us")), "no": pa.array([row.order for row in rows]), "amt": pa.array([float(row.amount) for row in rows])}  # fmt: skip
    return Case(
        IDS,
        f"Parquet {name}",
        {"orders.parquet": parquet(columns)},
        mapping_of("orders.parquet", HEADERS[0]),
        damaged(rows, places, "told"),
        honest=True,
    )


def numbers_in_sheets(rng: random.Random, count: int) -> Case:
    """A spreadsheet keeps `17` as a number and `00017` as a text."""
    rows = [
        replace(row, customer=rng.choice(["00017", "17", "100000", "1E5", "123456789012345"]))
        for row in draw_rows(rng, count)
    ]
    table = [
        [
            row.customer if row.customer in ("00017", "1E5") else int(row.customer),
            row.at.date(),
            row.order,
            float(row.amount),
        ]
        for row in rows
    ]
    rows = [replace(row, at=row.at.replace(hour=0, minute=0, second=0)) for row in rows]
    return Case(IDS, "spreadsheet numbers beside texts", {"orders.xlsx": workbook({"Orders": [list(HEADERS[0]), *table]})}, mapping_of("orders.xlsx", HEADERS[0]), rows, honest=True)  # fmt: skip


def blanks_around(rng: random.Random, count: int) -> Case:
    """Blanks, tabs, line breaks and a mark of the byte order around an id are no part of it."""
    rows = draw_rows(rng, count)
    around = rng.choice([" {} ", "{}\t", "\t{}", "{}\n", "\ufeff{}", "{}\u00a0", "{}\r", "\x01{}"])
    table = [[around.format(row.customer) if rng.random() < 0.4 else row.customer, *cells_of(row)[1:]] for row in rows]
    file, header, content = in_some_file(rng, table, ("csv", "csv", "jsonl"))
    return Case(IDS, f"{around.format('')!r} around ids", {file: content}, mapping_of(file, header), rows, honest=True)


def guests(rng: random.Random, count: int) -> Case:
    """Orders of guests have no customer: told, in their own share."""
    rows = draw_rows(rng, count)
    places = sorted(rng.sample(range(count), max(1, int(count * rng.uniform(0.1, 0.4)))))
    table = [["", *cells_of(row)[1:]] if n in places else cells_of(row) for n, row in enumerate(rows)]
    file, header, content = in_some_file(rng, table, ("csv", "csv", "jsonl"))
    return Case(IDS, "guests", {file: content}, mapping_of(file, header), damaged(rows, places, "told"), honest=True)


ID_MAKERS = (ids_as_text, ids_as_text, ids_as_text, ids_in_expressions, ids_in_expressions, ids_in_expressions, ids_in_queries, ids_in_queries, numbers_in_json, numbers_in_json, ids_in_parquet, ids_in_parquet, numbers_in_sheets, blanks_around, guests)  # fmt: skip

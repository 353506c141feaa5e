"""Kinds 5, 6 and 7: several files and sheets, ids, an impossible past."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from door.files import draw_dialect, json_lines, parquet, records, text_file, workbook
from door.rows import Case, Row, damaged, draw_rows, few, is_few
from door.writing import HEADERS, cells_of, full_iso, in_some_file, iso, mapping_of, plain

FILES, IDS, PAST = "5 several files", "6 ids", "7 impossible past"


def _csv(rng: random.Random, header: list[str], table: list[list[str]]) -> bytes:
    dialect = draw_dialect(rng, ",,;")
    return text_file(records([header, *table], dialect, rng), dialect)


# --- several files and sheets ---


def _parts(rng: random.Random, count: int) -> tuple[list[Row], list[list[Row]]]:
    """Rows, and the same in two to four parts of at least one row."""
    rows = draw_rows(rng, max(count, 6))
    cuts = sorted(rng.sample(range(1, len(rows)), rng.randint(1, 3)))
    return rows, [rows[start:end] for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]


def _of_years(rng: random.Random, count: int, shape: Callable[[int, list[str], list[list[str]]], tuple[list[str], list[list[str]]]]) -> tuple[list[Row], tuple[str, ...], dict[str, bytes]]:  # fmt: skip
    rows, parts = _parts(rng, count)
    header = rng.choice(HEADERS)
    files = {}
    for number, part in enumerate(parts):
        columns, table = shape(number, list(header), [cells_of(row) for row in part])
        files[f"orders_{2021 + number}.csv"] = _csv(rng, columns, table)
    return rows, header, files


def _as_it_is(number: int, columns: list[str], table: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return columns, table


def _in_another_order(number: int, columns: list[str], table: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return (columns[::-1], [cells[::-1] for cells in table]) if number % 2 else (columns, table)


def _with_one_more(number: int, columns: list[str], table: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    return (["channel", *columns], [["web", *cells] for cells in table]) if number % 2 else (columns, table)


def list_of_files(rng: random.Random, count: int) -> Case:
    rows, header, files = _of_years(rng, count, rng.choice([_as_it_is, _in_another_order]))
    return Case(FILES, "list", files, mapping_of(sorted(files), header), rows, honest=True)


def pattern_of_files(rng: random.Random, count: int) -> Case:
    rows, header, files = _of_years(rng, count, rng.choice([_as_it_is, _in_another_order]))
    return Case(FILES, "pattern", files, mapping_of("orders_*.csv", header), rows, honest=True)


def columns_that_differ(rng: random.Random, count: int) -> Case:
    rows, header, files = _of_years(rng, count, _with_one_more)
    return Case(
        FILES,
        "columns that differ",
        files,
        mapping_of(rng.choice([sorted(files), "orders_*.csv"]), header),
        rows,
        honest=True,
        must_say="channel",
    )


def forms_of_the_same_data(rng: random.Random, count: int) -> Case:
    """The same rows as CSV and as Parquet, in a list: alternatives, not a union."""
    rows, header = draw_rows(rng, count), rng.choice(HEADERS)
    columns = {
        name: pa.array(values)
        for name, values in zip(header, zip(*(cells_of(row) for row in rows), strict=True), strict=True)
    }
    files = {"orders.csv": _csv(rng, list(header), [cells_of(row) for row in rows]), "orders.parquet": parquet(columns)}
    return Case(FILES, "forms of the same data", files, mapping_of(list(files), header), rows)


def a_copy_of_a_file(rng: random.Random, count: int) -> Case:
    """`orders.csv` and `orders (1).csv`: a browser's second download, byte by byte the same."""
    rows, header = draw_rows(rng, max(count, 3)), rng.choice(HEADERS)
    content = _csv(rng, list(header), [cells_of(row) for row in rows])
    files = {"orders.csv": content, "orders (1).csv": content}
    return Case(FILES, "a copy of a file", files, mapping_of(list(files), header), rows)


def alternatives(rng: random.Random, count: int) -> Case:
    case = forms_of_the_same_data(rng, count)
    case.mapping["order_lines"] = {"one_of": case.mapping["order_lines"].pop("from"), **case.mapping["order_lines"]}
    case.name, case.honest = "one_of", True
    return case


def _sheet(rows: list[Row], header: tuple[str, ...]) -> list[list[Any]]:
    return [list(header), *([row.customer, full_iso(row.at), row.order, float(row.amount)] for row in rows)]


def sheets(rng: random.Random, count: int) -> Case:
    """One sheet a year, and a mapping that names none: the others are not lost in silence."""
    rows, parts = _parts(rng, count)
    header = rng.choice(HEADERS)
    book = workbook({str(2021 + n): _sheet(part, header) for n, part in enumerate(parts)})
    return Case(
        FILES,
        "sheets",
        {"orders.xlsx": book},
        mapping_of("orders.xlsx", header),
        parts[0],
        must_say=str(2020 + len(parts)),
        also_right=[rows],
    )


def one_sheet_named(rng: random.Random, count: int) -> Case:
    _, parts = _parts(rng, count)
    header, n = rng.choice(HEADERS), rng.randrange(len(parts))
    book = workbook({f"Year {2021 + n}": _sheet(part, header) for n, part in enumerate(parts)})
    return Case(
        FILES,
        "a named sheet",
        {"orders.xlsx": book},
        mapping_of(f"orders.xlsx#Year {2021 + n}", header),
        parts[n],
        honest=True,
    )


def a_header_twice(rng: random.Random, count: int) -> Case:
    """Two columns of one name, such as net and gross: said which is read, or refused."""
    rows, header = draw_rows(rng, count), rng.choice(HEADERS)
    gross = [replace(row, amount=row.amount * 2 + 1) for row in rows]
    table = [[*cells_of(row), plain(other.amount)] for row, other in zip(rows, gross, strict=True)]
    columns = [*header, header[3]]
    file, content = (
        ("orders.csv", _csv(rng, columns, table))
        if rng.random() < 0.7
        else ("orders.xlsx", workbook({"Orders": [columns, *table]}))
    )
    return Case(
        FILES,
        "a header twice",
        {file: content},
        mapping_of(file, header),
        rows,
        must_say=rf"(?i)\b{header[3]}\b",
        also_right=[gross],
    )


# --- ids ---


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
        {"orders.csv": _csv(rng, header, cells)},
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
        ("orders.csv", _csv(rng, header, table)) if rng.random() < 0.7 else ("orders.jsonl", json_lines(header, table))
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


# --- an impossible past ---

PLACEHOLDERS = (
    "0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1904-01-01", "1970-01-01", "1969-12-31 19:00:00", "1970-01-01 01:00:00",
    "9999-12-31", "0001-01-01 00:00:00", "1900-01-01 00:00:00", "1970-01-01T00:00:00Z", "9999-12-31 23:59:59",
)  # fmt: skip


def placeholders(rng: random.Random, count: int) -> Case:
    """What a database writes where it knows no date."""
    rows, places = draw_rows(rng, count), few(rng, count)
    words = PLACEHOLDERS if rng.random() < 0.6 else (rng.choice(PLACEHOLDERS),)
    table = [
        cells_of(row, at=lambda at, n=n: rng.choice(words) if n in places else iso(at)) for n, row in enumerate(rows)
    ]
    file, header, content = in_some_file(rng, table)
    return Case(
        PAST,
        f"placeholders ({file.rpartition('.')[2]})",
        {file: content},
        mapping_of(file, header),
        damaged(rows, places, "told"),
        honest=is_few(places, count),
    )


def placeholders_in_parquet(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count), few(rng, count)
    odd = [
        datetime(1, 1, 1),
        datetime(1753, 1, 1),
        datetime(1899, 12, 30),
        datetime(1900, 1, 1),
        datetime(1970, 1, 1),
        datetime(9999, 12, 31),
    ]
    times = [rng.choice(odd) if n in places else row.at for n, row in enumerate(rows)]
    columns = {"client": pa.array([row.customer for row in rows]), "at": pa.array(times, pa.timestamp("us")), "no": pa.array([row.order for row in rows]), "amt": pa.array([float(row.amount) for row in rows])}  # fmt: skip
    return Case(
        PAST,
        "placeholders (parquet)",
        {"orders.parquet": parquet(columns)},
        mapping_of("orders.parquet", HEADERS[0]),
        damaged(rows, places, "told"),
        honest=is_few(places, count),
    )


def long_history(rng: random.Random, count: int) -> Case:
    """A company since 1985: old, but possible."""
    rows = draw_rows(rng, count, first=1985)
    rows += [
        replace(row, order=f"later-{row.order}", at=row.at.replace(year=2023, day=min(row.at.day, 28)))
        for row in rows[: max(1, count // 2)]
    ]
    file, header, content = in_some_file(rng, [cells_of(row) for row in rows])
    return Case(
        PAST, f"since 1985 ({file.rpartition('.')[2]})", {file: content}, mapping_of(file, header), rows, honest=True
    )


def since_the_fifties(rng: random.Random, count: int) -> Case:
    """An insurer with contracts from 1955 on, in every year: its past is possible, or the source says from when."""
    rows = [
        replace(row, at=row.at.replace(year=1955 + n % 69, day=min(row.at.day, 28)))
        for n, row in enumerate(draw_rows(rng, max(count, 140)))
    ]
    file, header, content = in_some_file(rng, [cells_of(row) for row in rows])
    return Case(PAST, "since 1955", {file: content}, mapping_of(file, header), rows)


def on_the_edge(rng: random.Random, count: int) -> Case:
    """The first days of a business are no placeholders because they are early: 1 January 1999, 2 January 1990."""
    firsts = [datetime(1999, 1, 1), datetime(2000, 1, 1), datetime(1990, 1, 2), datetime(1985, 6, 1)]
    rows = [replace(row, at=rng.choice(firsts)) if rng.random() < 0.3 else row for row in draw_rows(rng, count)]
    file, header, content = in_some_file(rng, [cells_of(row) for row in rows])
    return Case(PAST, "early, but possible", {file: content}, mapping_of(file, header), rows, honest=True)


def one_day_too_early(rng: random.Random, count: int) -> Case:
    """A year typed wrong: 0203 or 1203 for 2023."""
    rows, place = draw_rows(rng, count), rng.randrange(count)
    table = [
        cells_of(
            row,
            at=lambda at, n=n: f"{rng.choice(['0203', '1203', '0023', '1014'])}-{at:%m-%d}" if n == place else iso(at),
        )
        for n, row in enumerate(rows)
    ]
    file, header, content = in_some_file(rng, table)
    return Case(
        PAST,
        "a year typed wrong",
        {file: content},
        mapping_of(file, header),
        damaged(rows, [place], "told"),
        honest=is_few([place], count),
    )


FILE_MAKERS = (list_of_files, list_of_files, pattern_of_files, columns_that_differ, forms_of_the_same_data, a_copy_of_a_file, alternatives, sheets, one_sheet_named, a_header_twice)  # fmt: skip
ID_MAKERS = (ids_as_text, ids_as_text, ids_as_text, ids_in_expressions, ids_in_expressions, ids_in_expressions, ids_in_queries, ids_in_queries, numbers_in_json, numbers_in_json, ids_in_parquet, ids_in_parquet, numbers_in_sheets, blanks_around, guests)  # fmt: skip
PAST_MAKERS = (
    placeholders,
    placeholders,
    placeholders,
    placeholders_in_parquet,
    long_history,
    one_day_too_early,
    since_the_fifties,
    on_the_edge,
)

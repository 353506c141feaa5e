"""Kind 5: several files and sheets, and headers that are there twice."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa

from door.files import parquet, workbook
from door.rows import Case, Row, draw_rows
from door.writing import HEADERS, cells_of, full_iso, mapping_of, plain, some_csv

FILES = "5 several files"


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
        files[f"orders_{2021 + number}.csv"] = some_csv(rng, columns, table)
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
    files = {
        "orders.csv": some_csv(rng, list(header), [cells_of(row) for row in rows]),
        "orders.parquet": parquet(columns),
    }
    return Case(FILES, "forms of the same data", files, mapping_of(list(files), header), rows)


def a_copy_of_a_file(rng: random.Random, count: int) -> Case:
    """`orders.csv` and `orders (1).csv`: a browser's second download, byte by byte the same."""
    rows, header = draw_rows(rng, max(count, 3)), rng.choice(HEADERS)
    content = some_csv(rng, list(header), [cells_of(row) for row in rows])
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
        ("orders.csv", some_csv(rng, columns, table))
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


FILE_MAKERS = (list_of_files, list_of_files, pattern_of_files, columns_that_differ, forms_of_the_same_data, a_copy_of_a_file, alternatives, sheets, one_sheet_named, a_header_twice)  # fmt: skip

"""Kind 7: dates that no fact has, and early ones that facts do have."""

import random
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from door.files import parquet
from door.rows import Case, damaged, draw_rows, few, is_few
from door.writing import HEADERS, cells_of, in_some_file, iso, mapping_of

PAST = "7 impossible past"

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

"""Kind 3: instants and wall times, marked in the ways of many programs."""

import random
from datetime import date, datetime
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from door.files import parquet
from door.rows import ZONES, Case, draw_rows, instant_of, wall_time
from door.writing import HEADERS, cells_of, mapping_of, value_case

TIMES = "3 time zones"

OFFSETS: tuple[tuple[str, str], ...] = (  # name, what follows the time
    ("Z", "Z"), ("blank UTC", " UTC"), ("blank GMT", " GMT"), ("+00", "+00"), ("+0000", "+0000"), ("+00:00", "+00:00"), ("blank +0000", " +0000"), ("blank +00:00", " +00:00"),
)  # fmt: skip


def _offset(moment: datetime, colon: bool = True) -> str:
    text = f"{moment:%z}"
    return f"{text[:3]}:{text[3:]}" if colon else text


def in_utc(rng: random.Random, count: int) -> Case:
    """BigQuery, Rails, Stripe, PostgreSQL: the instant in UTC, marked in one of many ways."""
    zone, (name, mark) = rng.choice(ZONES), rng.choice(OFFSETS)
    between, part = rng.choice([" ", "T"]), rng.choice(["", "", ".000", ".000000"])
    rows = draw_rows(rng, count, zone)
    lower = mark == "Z" and between == "T" and rng.random() < 0.3
    table = [
        cells_of(row, at=lambda at: f"{instant_of(at, zone):%Y-%m-%d{between}%H:%M:%S}{part}{mark}") for row in rows
    ]
    if lower:
        table = [[cells[0], cells[1].lower(), *cells[2:]] for cells in table]
    return value_case(rng, TIMES, f"UTC as {name}", rows, table, zone, honest=True)


def in_offsets(rng: random.Random, count: int) -> Case:
    """git and shops write the time of a place with its offset, each row in its own place."""
    zone, colon, blank = rng.choice(ZONES), rng.random() < 0.5, rng.choice(["", " "])
    rows, table = draw_rows(rng, count, zone), []
    for row in rows:
        there = instant_of(row.at, zone).astimezone(ZoneInfo(rng.choice(ZONES)))
        table.append(
            cells_of(row, at=lambda _, there=there: f"{there:%Y-%m-%d %H:%M:%S}{blank}{_offset(there, colon)}")
        )
    return value_case(rng, TIMES, "offsets of many places", rows, table, zone, honest=True)


def some_without_offset(rng: random.Random, count: int) -> Case:
    """Rows without an offset are in raw_timezone, or that of the business where none is set."""
    zone, place = rng.choice(ZONES), rng.choice(ZONES)
    top = {"raw_timezone": place} if rng.random() < 0.6 else {}
    rows, table = [], []
    for row in draw_rows(rng, count, zone):
        there = wall_time(instant_of(row.at, zone), top.get("raw_timezone", zone))
        if instant_of(there, top.get("raw_timezone", zone)) != instant_of(row.at, zone):
            continue  # the hour that a change of the clock repeats there
        marked = rng.random() < 0.5
        rows.append(row)
        table.append(cells_of(row, at=lambda _, row=row, there=there, marked=marked: f"{instant_of(row.at, zone):%Y-%m-%dT%H:%M:%SZ}" if marked else f"{there:%Y-%m-%d %H:%M:%S}"))  # fmt: skip
    return value_case(rng, TIMES, "some without an offset", rows, table, zone, top, honest=True)


def wall_times(rng: random.Random, count: int) -> Case:
    """No row has an offset, and the source says where its clock stands."""
    zone, place = rng.choice(ZONES), rng.choice(ZONES)
    rows = [
        row
        for row in draw_rows(rng, count, zone)
        if instant_of(wall_time(instant_of(row.at, zone), place), place) == instant_of(row.at, zone)
    ]
    table = [cells_of(row, at=lambda at: f"{wall_time(instant_of(at, zone), place):%Y-%m-%d %H:%M:%S}") for row in rows]
    return value_case(rng, TIMES, "raw_timezone", rows, table, zone, {"raw_timezone": place}, honest=True)


def in_mail_form(rng: random.Random, count: int) -> Case:
    """RFC 5322, as mail programs and git's --date=rfc write it."""
    zone = rng.choice(ZONES)
    rows = draw_rows(rng, count, zone)
    return value_case(
        rng,
        TIMES,
        "RFC 5322",
        rows,
        [cells_of(row, at=lambda at: format_datetime(instant_of(at, zone))) for row in rows],
        zone,
    )


def with_zone_names(rng: random.Random, count: int) -> Case:
    """Exports of American programs write EST and EDT."""
    zone = "America/New_York"
    rows = draw_rows(rng, count, zone)
    table = [
        cells_of(row, at=lambda at: f"{instant_of(at, zone).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}")
        for row in rows
    ]
    return value_case(rng, TIMES, "EST and EDT", rows, table, zone)


def in_parquet(rng: random.Random, count: int) -> Case:
    zone, unit, place = (
        rng.choice(ZONES),
        rng.choice(["s", "ms", "us", "ns"]),
        rng.choice([None, "UTC", "America/New_York", "+02:00"]),
    )
    rows, header = draw_rows(rng, count, zone), rng.choice(HEADERS)
    times = [row.at if place is None else instant_of(row.at, zone) for row in rows]
    columns = [
        pa.array([row.customer for row in rows]),
        pa.array(times, pa.timestamp(unit, place)),
        pa.array([row.order for row in rows], rng.choice([pa.string(), pa.large_string()])),
        pa.array([row.amount for row in rows], pa.decimal128(12, 2))
        if rng.random() < 0.5
        else pa.array([float(row.amount) for row in rows]),
    ]
    content = parquet(dict(zip(header, columns, strict=True)))
    return Case(
        TIMES,
        f"Parquet {unit}, {'zoned' if place else 'no zone'}",
        {"orders.parquet": content},
        mapping_of("orders.parquet", header, zone),
        rows,
        honest=True,
    )


def dates_in_parquet(rng: random.Random, count: int) -> Case:
    rows = draw_rows(rng, count, days_only=True)
    days: list[date] = [row.at.date() for row in rows]
    columns = {"client": pa.array([row.customer for row in rows]).dictionary_encode(), "at": pa.array(days, rng.choice([pa.date32(), pa.date64()])), "no": pa.array([row.order for row in rows]), "amt": pa.array([row.amount for row in rows])}  # fmt: skip
    return Case(
        TIMES,
        "Parquet dates",
        {"orders.parquet": parquet(columns)},
        mapping_of("orders.parquet", HEADERS[0]),
        rows,
        honest=True,
    )


ZONE_MAKERS = (in_utc, in_utc, in_utc, in_offsets, in_offsets, some_without_offset, some_without_offset, wall_times, in_mail_form, with_zone_names, in_parquet, in_parquet, dates_in_parquet)  # fmt: skip

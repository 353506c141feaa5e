"""Kinds 2, 3 and 4: dates, time zones and numbers in the forms that programs and countries write."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from door.files import json_lines, parquet, serial_day, workbook
from door.rows import ZONES, Case, Row, damaged, draw_rows, few, instant_of, is_few, wall_time
from door.writing import HEADERS, cells_of, in_some_file, iso, mapping_of, plain

DATES, TIMES, NUMBERS = "2 dates", "3 time zones", "4 numbers"
Write = Callable[[datetime], str]


def _case(rng: random.Random, kind: str, name: str, rows: list[Row], table: list[list[str]], zone: str = "UTC", top: dict[str, str] | None = None, **flags: bool) -> Case:  # fmt: skip
    file, header, content = in_some_file(rng, table)
    return Case(
        kind,
        f"{name} ({file.rpartition('.')[2]})",
        {file: content},
        mapping_of(file, header, zone, **(top or {})),
        rows,
        **flags,
    )


# --- dates ---

# name, how it is written, whether it holds no time of the day, whether a year of two digits may be taken for a day
FORMS: tuple[tuple[str, str, bool, bool], ...] = (
    ("US", "%m/%d/%Y", True, False),
    ("US, two-digit year", "%m/%d/%y", True, True),
    ("US with AM and PM", "%m/%d/%Y %I:%M:%S %p", False, False),
    ("US with time", "%m/%d/%Y %H:%M:%S", False, False),
    ("British", "%d/%m/%Y", True, False),
    ("British with time", "%d/%m/%Y %H:%M:%S", False, False),
    ("German", "%d.%m.%Y", True, False),
    ("German, two-digit year", "%d.%m.%y", True, True),
    ("German with time", "%d.%m.%Y %H:%M:%S", False, False),
    ("Dutch", "%d-%m-%Y", True, False),
    ("Dutch with time", "%d-%m-%Y %H:%M:%S", False, False),
    ("Oracle", "%d-%b-%y", True, True),
    ("Oracle, four-digit year", "%d-%b-%Y", True, False),
    ("month's name first", "%b %d, %Y", True, False),
    ("month's full name first", "%B %d, %Y", True, False),
    ("day and month's name", "%d %B %Y", True, False),
    ("digits", "%Y%m%d", True, False),
    ("digits with time", "%Y%m%d%H%M%S", False, False),
    ("C's ctime", "%a %b %d %H:%M:%S %Y", False, False),
    ("year first, slashes", "%Y/%m/%d", True, False),
)


def _with_some_late_day(rows: list[Row]) -> list[Row]:
    """Have one day after the twelfth, so that day and month cannot be taken for each other."""
    return [replace(rows[0], at=rows[0].at.replace(day=13 + rows[0].at.day % 15)), *rows[1:]]


def written_form(rng: random.Random, count: int) -> Case:
    name, form, days_only, ambiguous = rng.choice(FORMS)
    rows = _with_some_late_day(draw_rows(rng, count, days_only=days_only))
    table = [cells_of(row, at=lambda at: at.strftime(form)) for row in rows]
    return _case(rng, DATES, name, rows, table, offers=True, ambiguous=ambiguous)


def unpadded_form(rng: random.Random, count: int) -> Case:
    """Excel writes 3/7/2024 in the US and 7.3.2024 in Germany: without leading zeros."""
    american = rng.random() < 0.5
    rows = _with_some_late_day(draw_rows(rng, count, days_only=True))
    table = [
        cells_of(row, at=lambda at: f"{at.month}/{at.day}/{at.year}" if american else f"{at.day}.{at.month}.{at.year}")
        for row in rows
    ]
    return _case(rng, DATES, "no leading zeros", rows, table, offers=True)


def undecidable(rng: random.Random, count: int) -> Case:
    """No day is after the twelfth: nothing in the file says which of the two is the day."""
    form, firsts = rng.choice(["%m/%d/%Y", "%d/%m/%Y"]), rng.random() < 0.4
    rows = [
        replace(row, at=row.at.replace(day=1 if firsts else 1 + row.at.day % 12))
        for row in draw_rows(rng, count, days_only=True)
    ]
    rows[0] = replace(
        rows[0], at=rows[0].at.replace(month=11, day=1)
    )  # where day and month are equal, both readings are one
    table = [cells_of(row, at=lambda at: at.strftime(form)) for row in rows]
    return _case(
        rng,
        DATES,
        "days up to 12" + (", all firsts" if firsts else ""),
        rows,
        table,
        offers=True,
        ambiguous=True,
        undecidable=True,
    )


def excel_serials(rng: random.Random, count: int) -> Case:
    """Dates whose format was lost: as text, or as plain numbers of a spreadsheet."""
    whole = rng.random() < 0.5
    rows = draw_rows(rng, count, days_only=whole)

    def serial(at: datetime) -> float:
        return int(serial_day(at)) if whole else serial_day(at)

    if rng.random() < 0.3:
        header = rng.choice(HEADERS)
        table = [[row.customer, serial(row.at), row.order, float(row.amount)] for row in rows]
        book = workbook({"Orders": [list(header), *table]})
        name = "Excel serial days, unformatted"
        return Case(
            DATES, name, {"orders.xlsx": book}, mapping_of("orders.xlsx", header), rows, offers=True, whole_seconds=True
        )
    table = [cells_of(row, at=lambda at: repr(serial(at))) for row in rows]
    return _case(rng, DATES, "Excel serial days", rows, table, offers=True, whole_seconds=True)


def epochs(rng: random.Random, count: int) -> Case:
    name, factor = rng.choice([("seconds", 1), ("milliseconds", 1_000), ("microseconds", 1_000_000)])
    zone = rng.choice(ZONES)
    rows = draw_rows(rng, count, zone)
    times = [int(instant_of(row.at, zone).timestamp()) * factor for row in rows]
    if rng.random() < 0.4:
        header = rng.choice(HEADERS)
        lines = json_lines(
            list(header),
            [[row.customer, time, row.order, float(row.amount)] for row, time in zip(rows, times, strict=True)],
        )
        return Case(
            DATES,
            f"epoch {name}, JSON numbers",
            {"orders.jsonl": lines},
            mapping_of("orders.jsonl", header, zone),
            rows,
            offers=True,
        )
    table = [cells_of(row, at=lambda _, time=time: str(time)) for row, time in zip(rows, times, strict=True)]
    return _case(rng, DATES, f"epoch {name}", rows, table, zone, offers=True)


def iso_forms(rng: random.Random, count: int) -> Case:
    form, days_only = rng.choice(
        [
            ("%Y-%m-%d", True),
            ("%Y-%m-%d %H:%M:%S", False),
            ("%Y-%m-%dT%H:%M:%S", False),
            ("%Y-%m-%d %H:%M:%S.000", False),
        ]
    )
    rows = draw_rows(rng, count, days_only=days_only)
    return _case(rng, DATES, "ISO", rows, [cells_of(row, at=lambda at: at.strftime(form)) for row in rows], honest=True)


def two_forms(rng: random.Random, count: int) -> Case:
    """Half of the rows come from a program of another country."""
    rows = _with_some_late_day(draw_rows(rng, count, days_only=True))
    form, share = rng.choice(["%d.%m.%Y", "%m/%d/%Y"]), rng.uniform(0.2, 0.8)
    odd = {0, *(n for n in range(count) if rng.random() < share)}
    table = [cells_of(row, at=lambda at, n=n: at.strftime(form) if n in odd else iso(at)) for n, row in enumerate(rows)]
    return _case(rng, DATES, "two forms", rows, table)


def few_of_another_form(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count, days_only=True), few(rng, count)
    form = rng.choice(["%d.%m.%Y", "%m/%d/%Y", "%d-%b-%y"])
    table = [
        cells_of(row, at=lambda at, n=n: at.strftime(form) if n in places else iso(at)) for n, row in enumerate(rows)
    ]
    return _case(rng, DATES, "few in another form", damaged(rows, places, "either"), table)


def no_dates(rng: random.Random, count: int) -> Case:
    """A few cells hold no date at all."""
    rows, places = draw_rows(rng, count), few(rng, count)
    words = ["2024-02-30", "0000-00-00", "n/a", "tba", "2023-13-01", "-", "2021-02-29", "unknown"]
    table = [
        [row.customer, rng.choice(words) if n in places else iso(row.at), row.order, plain(row.amount)]
        for n, row in enumerate(rows)
    ]
    return _case(rng, DATES, "a few no dates", damaged(rows, places, "told"), table, honest=is_few(places, count))


def too_many_no_dates(rng: random.Random, count: int) -> Case:
    """More than one row in twenty holds no date: told by refusing, whatever the rest."""
    rows, places = draw_rows(rng, count), sorted(rng.sample(range(count), max(1, count // 4)))
    table = [
        [row.customer, "unknown" if n in places else iso(row.at), row.order, plain(row.amount)]
        for n, row in enumerate(rows)
    ]
    return _case(rng, DATES, "a quarter no dates", damaged(rows, places, "told"), table, must_refuse=count >= 40)


def sheet_dates(rng: random.Random, count: int) -> Case:
    """Cells that a spreadsheet keeps as dates; old Macs count from 1904."""
    since_1904, days_only = rng.random() < 0.4, rng.random() < 0.5
    rows, header = draw_rows(rng, count, days_only=days_only), rng.choice(HEADERS)
    table = [[row.customer, row.at.date() if days_only else row.at, row.order, float(row.amount)] for row in rows]
    book = workbook({"Orders": [list(header), *table]}, since_1904=since_1904)
    name = "spreadsheet dates" + (" since 1904" if since_1904 else "")
    return Case(
        DATES, name, {"orders.xlsx": book}, mapping_of("orders.xlsx", header), rows, honest=True, whole_seconds=True
    )


def united_by_query(rng: random.Random, count: int) -> Case:
    """A query unites a file of ISO dates with one of US dates."""
    rows = _with_some_late_day(draw_rows(rng, count, days_only=True))
    half = max(1, count // 2)
    old = [cells_of(row, at=lambda at: f"{at:%m/%d/%Y}") for row in rows[:half]]
    new = [cells_of(row) for row in rows[half:]]
    files = {
        f"{name}.csv": "\n".join(",".join(cells) for cells in [["client", "day", "num", "amt"], *table]).encode()
        for name, table in (("old", old), ("new", new))
    }
    select = "SELECT client AS customer_id, day AS occurred_at, num AS order_id, amt AS amount FROM "
    mapping = {"currency": "EUR", "order_lines": {"query": f"{select}old UNION ALL {select}new"}}
    return Case(DATES, "two forms united by a query", files, mapping, rows)


# --- time zones ---

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
    return _case(rng, TIMES, f"UTC as {name}", rows, table, zone, honest=True)


def in_offsets(rng: random.Random, count: int) -> Case:
    """git and shops write the time of a place with its offset, each row in its own place."""
    zone, colon, blank = rng.choice(ZONES), rng.random() < 0.5, rng.choice(["", " "])
    rows, table = draw_rows(rng, count, zone), []
    for row in rows:
        there = instant_of(row.at, zone).astimezone(ZoneInfo(rng.choice(ZONES)))
        table.append(
            cells_of(row, at=lambda _, there=there: f"{there:%Y-%m-%d %H:%M:%S}{blank}{_offset(there, colon)}")
        )
    return _case(rng, TIMES, "offsets of many places", rows, table, zone, honest=True)


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
    return _case(rng, TIMES, "some without an offset", rows, table, zone, top, honest=True)


def wall_times(rng: random.Random, count: int) -> Case:
    """No row has an offset, and the source says where its clock stands."""
    zone, place = rng.choice(ZONES), rng.choice(ZONES)
    rows = [
        row
        for row in draw_rows(rng, count, zone)
        if instant_of(wall_time(instant_of(row.at, zone), place), place) == instant_of(row.at, zone)
    ]
    table = [cells_of(row, at=lambda at: f"{wall_time(instant_of(at, zone), place):%Y-%m-%d %H:%M:%S}") for row in rows]
    return _case(rng, TIMES, "raw_timezone", rows, table, zone, {"raw_timezone": place}, honest=True)


def in_mail_form(rng: random.Random, count: int) -> Case:
    """RFC 5322, as mail programs and git's --date=rfc write it."""
    zone = rng.choice(ZONES)
    rows = draw_rows(rng, count, zone)
    return _case(
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
    return _case(rng, TIMES, "EST and EDT", rows, table, zone)


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


# --- numbers ---


def _german(amount: Decimal) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def _bracketed(amount: Decimal) -> str:
    return f"({-amount:,.2f})" if amount < 0 else f"{amount:,.2f}"


NUMBER_FORMS: tuple[tuple[str, Callable[[Decimal], str]], ...] = (
    ("US thousands", lambda a: f"{a:,.2f}"),
    ("dollars", lambda a: f"-${-a:,.2f}" if a < 0 else f"${a:,.2f}"),
    ("decimal comma", lambda a: f"{a:.2f}".replace(".", ",")),
    ("German", _german),
    ("German with a euro sign", lambda a: f"{_german(a)} €"),
    ("Swiss", lambda a: f"{a:,.2f}".replace(",", "'")),
    ("French", lambda a: _german(a).replace(".", "\u202f")),
    ("no-break blanks", lambda a: _german(a).replace(".", "\u00a0")),
    ("accounting", _bracketed),
    ("minus at the end", lambda a: f"{-a:.2f}-" if a < 0 else f"{a:.2f}"),
    ("currency's code", lambda a: f"EUR {a:.2f}"),
    ("pounds", lambda a: f"£{a:,.2f}"),
)


def number_form(rng: random.Random, count: int) -> Case:
    name, write = rng.choice(NUMBER_FORMS)
    rows = draw_rows(rng, count)
    if name in ("accounting", "minus at the end", "dollars", "German"):
        rows = [replace(row, amount=-row.amount) if n == 0 or rng.random() < 0.2 else row for n, row in enumerate(rows)]
    rows[-1] = replace(rows[-1], amount=Decimal("-1234.5") if rows[0].amount < 0 else Decimal("1234.5"))
    return _case(rng, NUMBERS, name, rows, [cells_of(row, amount=write) for row in rows], offers=True)


def large_ones_with_thousands(rng: random.Random, count: int) -> Case:
    """Only amounts of a thousand and more show the separator: exactly the largest orders."""
    bound = rng.choice([1_000, 1_000, 20_000])
    rows = [row if row.amount >= bound else replace(row, amount=row.amount % 1_000) for row in draw_rows(rng, count)]
    rows[-1] = replace(rows[-1], amount=Decimal("45250.5"))
    table = [cells_of(row, amount=lambda a: f"{a:,.2f}") for row in rows]
    # Where they are few, they may be told; where they are many, the file is refused.
    large = [n for n, row in enumerate(rows) if row.amount >= 1_000]
    truth = damaged(rows, large, "either") if is_few(large, count) else rows
    return _case(rng, NUMBERS, "largest with thousands", truth, table, offers=True)


def whole_thousands(rng: random.Random, count: int) -> Case:
    """`1,250`: with nothing but groups of three, a comma of thousands or of decimals."""
    rows = [replace(row, amount=Decimal(rng.randrange(1_001, 99_999))) for row in draw_rows(rng, count)]
    return _case(
        rng,
        NUMBERS,
        "whole thousands",
        rows,
        [cells_of(row, amount=lambda a: f"{a:,}") for row in rows],
        offers=True,
        ambiguous=True,
    )


def plain_numbers(rng: random.Random, count: int) -> Case:
    write = rng.choice(
        [
            plain,
            lambda a: str(a.normalize().__format__("f")),
            lambda a: f"+{a:.2f}",
            lambda a: f"{a:.4f}",
            lambda a: f" {a:.2f} ",
        ]
    )
    rows = [
        replace(row, amount=-row.amount) if rng.random() < 0.1 and write(Decimal(1))[0] != "+" else row
        for row in draw_rows(rng, count)
    ]
    return _case(rng, NUMBERS, "plain", rows, [cells_of(row, amount=write) for row in rows], honest=True)


def few_numbers_odd(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count), few(rng, count)
    write = rng.choice([lambda a: f"{a:.2f}".replace(".", ","), lambda a: f"€{a:.2f}", lambda a: f"{a:.2f} EUR"])
    table = [cells_of(row, amount=write if n in places else plain) for n, row in enumerate(rows)]
    return _case(rng, NUMBERS, "few in another form", damaged(rows, places, "either"), table)


def no_numbers(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count), few(rng, count)
    table = [
        [*cells_of(row)[:3], rng.choice(["n/a", "-", "free", "NaN", "inf", "1.2.3", "#DIV/0!"])]
        if n in places
        else cells_of(row)
        for n, row in enumerate(rows)
    ]
    return _case(rng, NUMBERS, "a few no numbers", damaged(rows, places, "told"), table, honest=is_few(places, count))


def small_amounts(rng: random.Random, count: int) -> Case:
    """Metered prices, too small for the decimals of an amount: never 0."""
    rows, places = draw_rows(rng, count), few(rng, count)
    rows = [
        replace(row, amount=Decimal(rng.randrange(1, 5)) / 100_000, fate="either") if n in places else row
        for n, row in enumerate(rows)
    ]
    return _case(
        rng, NUMBERS, "below the decimals kept", rows, [cells_of(row, amount=lambda a: f"{a:f}") for row in rows]
    )


VALUE_MAKERS = (
    written_form, written_form, written_form, written_form, written_form, written_form, unpadded_form, undecidable, undecidable, excel_serials, excel_serials, epochs, epochs,
    iso_forms, two_forms, few_of_another_form, no_dates, too_many_no_dates, sheet_dates, united_by_query,
)  # fmt: skip
ZONE_MAKERS = (in_utc, in_utc, in_utc, in_offsets, in_offsets, some_without_offset, some_without_offset, wall_times, in_mail_form, with_zone_names, in_parquet, in_parquet, dates_in_parquet)  # fmt: skip
NUMBER_MAKERS = (number_form, number_form, number_form, number_form, large_ones_with_thousands, large_ones_with_thousands, whole_thousands, plain_numbers, plain_numbers, few_numbers_odd, no_numbers, small_amounts)  # fmt: skip

"""Kind 2: dates in the forms that programs and countries write."""

import random
from dataclasses import replace
from datetime import datetime

from door.files import json_lines, serial_day, workbook
from door.rows import ZONES, Case, Row, damaged, draw_rows, few, instant_of, is_few
from door.writing import HEADERS, cells_of, iso, mapping_of, plain, value_case

DATES = "2 dates"

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
    return value_case(rng, DATES, name, rows, table, offers=True, ambiguous=ambiguous)


def unpadded_form(rng: random.Random, count: int) -> Case:
    """Excel writes 3/7/2024 in the US and 7.3.2024 in Germany: without leading zeros."""
    american = rng.random() < 0.5
    rows = _with_some_late_day(draw_rows(rng, count, days_only=True))
    table = [
        cells_of(row, at=lambda at: f"{at.month}/{at.day}/{at.year}" if american else f"{at.day}.{at.month}.{at.year}")
        for row in rows
    ]
    return value_case(rng, DATES, "no leading zeros", rows, table, offers=True)


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
    return value_case(
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
    return value_case(rng, DATES, "Excel serial days", rows, table, offers=True, whole_seconds=True)


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
    return value_case(rng, DATES, f"epoch {name}", rows, table, zone, offers=True)


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
    return value_case(
        rng, DATES, "ISO", rows, [cells_of(row, at=lambda at: at.strftime(form)) for row in rows], honest=True
    )


def two_forms(rng: random.Random, count: int) -> Case:
    """Half of the rows come from a program of another country."""
    rows = _with_some_late_day(draw_rows(rng, count, days_only=True))
    form, share = rng.choice(["%d.%m.%Y", "%m/%d/%Y"]), rng.uniform(0.2, 0.8)
    odd = {0, *(n for n in range(count) if rng.random() < share)}
    table = [cells_of(row, at=lambda at, n=n: at.strftime(form) if n in odd else iso(at)) for n, row in enumerate(rows)]
    return value_case(rng, DATES, "two forms", rows, table)


def few_of_another_form(rng: random.Random, count: int) -> Case:
    rows, places = draw_rows(rng, count, days_only=True), few(rng, count)
    form = rng.choice(["%d.%m.%Y", "%m/%d/%Y", "%d-%b-%y"])
    table = [
        cells_of(row, at=lambda at, n=n: at.strftime(form) if n in places else iso(at)) for n, row in enumerate(rows)
    ]
    return value_case(rng, DATES, "few in another form", damaged(rows, places, "either"), table)


def no_dates(rng: random.Random, count: int) -> Case:
    """A few cells hold no date at all."""
    rows, places = draw_rows(rng, count), few(rng, count)
    words = ["2024-02-30", "0000-00-00", "n/a", "tba", "2023-13-01", "-", "2021-02-29", "unknown"]
    table = [
        [row.customer, rng.choice(words) if n in places else iso(row.at), row.order, plain(row.amount)]
        for n, row in enumerate(rows)
    ]
    return value_case(rng, DATES, "a few no dates", damaged(rows, places, "told"), table, honest=is_few(places, count))


def too_many_no_dates(rng: random.Random, count: int) -> Case:
    """More than one row in twenty holds no date: told by refusing, whatever the rest."""
    rows, places = draw_rows(rng, count), sorted(rng.sample(range(count), max(1, count // 4)))
    table = [
        [row.customer, "unknown" if n in places else iso(row.at), row.order, plain(row.amount)]
        for n, row in enumerate(rows)
    ]
    return value_case(rng, DATES, "a quarter no dates", damaged(rows, places, "told"), table, must_refuse=count >= 40)


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


DATE_MAKERS = (
    written_form, written_form, written_form, written_form, written_form, written_form, unpadded_form, undecidable, undecidable, excel_serials, excel_serials, epochs, epochs,
    iso_forms, two_forms, few_of_another_form, no_dates, too_many_no_dates, sheet_dates, united_by_query,
)  # fmt: skip

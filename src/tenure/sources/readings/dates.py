"""Dates as files write them: which are plain, and which format explains the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

import duckdb

from tenure.core.sql import literal
from tenure.sources.readings.evidence import Evidence, Reading
from tenure.sources.readings.texts import distinct_sample, weigh

DAY = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"
CLOCK = r"[ Tt]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?"
ZONE = r"\s*(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?|[A-Z][A-Za-z_]+/[A-Za-z_/+-]+)"
# Years first: no other order of the three is in use, so these need no format.
LOCAL, ZONED = f"^{DAY}({CLOCK})?$", f"^{DAY}{CLOCK}{ZONE}$"

DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%y/%m/%d"),
    *("%d.%m.%Y", "%m.%d.%Y", "%d.%m.%y", "%m.%d.%y", "%y.%m.%d", "%Y.%m.%d", "%Y.%m.%d."),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %b %y", "%d %B %Y", "%d. %B %Y", "%d. %b %Y", "%d/%b/%Y", "%d.%b.%Y"),
    *("%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%B %d %Y", "%Y-%b-%d", "%Y %b %d"),
    *("%a, %d %b %Y", "%a %b %d %Y", "%a %d %b %Y", "%A, %B %d, %Y", "%a, %b %d, %Y"),
    *("%Y%m%d", "%a %b %d", "%d/%b/%Y"),
)
CLOCKS = (
    *("%H:%M", "%H:%M:%S", "%H:%M:%S.%f"),
    *("%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I:%M:%S%p"),
    *("%H.%M", "%H.%M.%S", "%H%M%S", "%H:%M:%S %Y"),
)
TAILS = (
    "",
    *("".join(parts) for parts in product((" ", ", ", "T", " at ", ":", ""), CLOCKS, ("", " %z", "%z", " %Z"))),
)
SHAPES = {
    "%d": r"\d{1,2}", "%m": r"\d{1,2}", "%Y": r"\d{4}", "%y": r"\d{2}",
    "%H": r"\d{1,2}", "%I": r"\d{1,2}", "%M": r"\d{2}", "%S": r"\d{2}", "%f": r"\d{1,6}", "%p": "[AaPp][Mm]",
    "%a": "[A-Za-z]{3}", "%A": "[A-Za-z]+", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+", "%z": r"[+-]\d{2}:?\d{2}", "%Z": "[A-Z]{3,4}",
}  # fmt: skip
# A number's range => what it counts. The ranges, 1973 to 2100, do not meet.
NUMBERS = (
    (20_000, 73_050, "Excel serial days", "TIMESTAMP '1899-12-30' + to_seconds(round({x} * 86400))"),
    (1e8, 4.2e9, "epoch seconds", "to_timestamp({x})"),
    (1e11, 4.2e12, "epoch milliseconds", "to_timestamp({x} / 1000)"),
    (1e14, 4.2e15, "epoch microseconds", "to_timestamp({x} / 1000000)"),
    (1e17, 4.2e18, "epoch nanoseconds", "to_timestamp({x} / 1000000000)"),
)

# A date as one number, whose digits are year, month, day and time.
DIGITS = {"yyyymmdd": "%Y%m%d", "yyyymmddhhmm": "%Y%m%d%H%M", "yyyymmddhhmmss": "%Y%m%d%H%M%S"}
AS_NUMBER = "TRY_CAST({x} AS DOUBLE)"


def plain_time(text: str) -> str:
    """Return the SQL of a text's TIMESTAMP where it is a plain one without a zone, else null."""
    return f"CASE WHEN regexp_matches({text}, {literal(LOCAL)}) THEN {as_time(text)} END"


def as_time(text: str) -> str:
    """Return the SQL of a text's TIMESTAMP, if it is known to be a plain one without a zone."""
    return f"TRY_CAST(upper(replace({text}, ',', '.')) AS TIMESTAMP)"


def plain_instant(text: str) -> str:
    """Return the SQL of a text's TIMESTAMPTZ where it is a plain one with its zone or offset, else null."""
    # The engine takes '10:00Z' and '10:00+0200', neither '10:00z' nor '10:00 +0200', nor a small t.
    normal = f"regexp_replace(replace({text}, ',', '.'), '(\\d)t(\\d)', '\\1T\\2')"
    normal = f"regexp_replace({normal}, '\\s*(Z|z|UTC|GMT)$', '+00')"
    normal = f"regexp_replace({normal}, '\\s+([+-][0-9:]+)$', '\\1')"
    return f"CASE WHEN regexp_matches({text}, {literal(ZONED)}) THEN TRY_CAST({normal} AS TIMESTAMPTZ) END"


def date_readings(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> Evidence:
    """Weigh which format explains the values of a text expression; ISO dates, year first, are plain.

    Examples
    --------
    >>> import duckdb
    >>> days = "(VALUES ('13/01/2024'), ('02/01/2024')) AS days (day)"
    >>> [reading.name for reading in date_readings(duckdb.connect(), days, "day").readings]
    ['%d/%m/%Y']
    """
    is_plain = f"coalesce({plain_time('x')}, CAST({plain_instant('x')} AS TIMESTAMP)) IS NOT NULL"
    # Most files have plain dates only: for those no sample is drawn.
    if (found := weigh(connection, relation, expression, is_plain=is_plain, readings=())).is_plain:
        return found
    sample = distinct_sample(connection, relation, expression)
    formats = dict.fromkeys(style for text in sample for style in _formats_of(text))
    readings = [*map(_format, formats), *_counting(AS_NUMBER, AS_NUMBER)]
    return weigh(connection, relation, expression, is_plain=is_plain, readings=readings)


def number_dates(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> Evidence:
    """Weigh what the values of a numeric expression count, if they are dates: no number is a plain one."""
    digits = "try_strptime(CAST(CAST({x} AS BIGINT) AS VARCHAR), '%s')"
    readings = [
        Reading(name, sql := digits.replace("%s", style), sql.replace("{x}", AS_NUMBER))
        for name, style in DIGITS.items()
    ]
    readings += _counting(AS_NUMBER, "CAST({x} AS DOUBLE)")
    return weigh(connection, relation, expression, is_plain="false", readings=readings)


def _formats_of(text: str) -> Iterator[str]:
    """Give the formats whose shape a text has; whether its figures fit is for the engine to say."""
    for day in DAYS:
        if found := _shape(day).match(text):
            tail = text[found.end() :]
            yield from (day + end for end in TAILS if _shape(end).fullmatch(tail))


@cache
def _shape(style: str) -> re.Pattern[str]:
    return re.compile(re.sub("%.", lambda code: SHAPES[code[0]], re.escape(style).replace(r"\%", "%")))


def _format(style: str) -> Reading:
    # A year of four digits that has two is a year of the Romans.
    parsed = f"try_strptime({{x}}, {literal(style)})"
    return Reading(style, parsed, f"CASE WHEN year({parsed}) > 1000 THEN true END" if "%Y" in style else "")


def _counting(number: str, written: str) -> Iterator[Reading]:
    """Give the readings of numbers; ``number`` and ``written`` are SQL of {x} as a number, to judge and to propose."""
    for low, high, name, sql in NUMBERS:
        yield Reading(name, sql.replace("{x}", written), f"CASE WHEN {number} BETWEEN {low} AND {high} THEN true END")

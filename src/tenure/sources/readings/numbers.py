"""Numbers as files write them: separators of thousands, decimal commas, currencies, the brackets of accountants."""

from __future__ import annotations

import duckdb

from tenure.core.sql import literal
from tenure.sources.readings.evidence import Evidence, Reading
from tenure.sources.readings.texts import weigh

PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
CURRENCY = r"([€$£¥₹₽₺₩]|[A-Z]{3}|[A-Z]{1,2}\$|kr\.?|zł|Fr\.)"
# Between thousands: blanks of three kinds and apostrophes of two stand beside either decimal mark.
BLANKS = r" \x{00A0}\x{202F}'’"
POINT = rf"(\d+|\d{{1,3}}([,{BLANKS}]\d{{2,3}})*[,{BLANKS}]\d{{3}})?(\.\d*)?"
COMMA = rf"(\d+|\d{{1,3}}([.{BLANKS}]\d{{3}})+)?(,\d*)?"
# What stands around the figures: a sign or brackets, a currency on either side.
AROUND = rf"^[(]?[+−-]?\s*{CURRENCY}?\s*[+−-]?{{figures}}\s*{CURRENCY}?\s*[−)-]?$"
EXACT = "DECIMAL(24, 6)"
# A minus that stands in front of the figures alone; '(12.00)', '12.00-' and '-$12.00' are less simple.
IN_FRONT = r"^[^(−-]*$|^-[\d.,]"
NEGATIVE = "CASE WHEN regexp_matches({x}, '[(−-]') THEN -1 ELSE 1 END * "


def _reading(figures: str, mark: str, *, has_minus: bool, is_in_front: bool) -> Reading:
    kept = f"0-9{mark}{'-' if has_minus and is_in_front else ''}"
    digits = f"regexp_replace({{x}}, '[^{kept}]', '', 'g')"
    if mark == ",":
        digits = f"replace({digits}, ',', '.')"
    number = f"TRY_CAST({digits} AS {EXACT})"
    shape = literal(AROUND.replace("{figures}", figures))
    return Reading(
        f"numbers with a {'comma' if mark == ',' else 'point'} before the decimals",
        number if is_in_front else NEGATIVE + number,
        f"CASE WHEN regexp_matches({{x}}, {shape}) AND {number} IS NOT NULL THEN true END",
    )


def number_readings(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> Evidence:
    """Weigh which convention explains the values of a text expression; figures with at most a point are plain.

    Examples
    --------
    >>> import duckdb
    >>> prices = "(VALUES ('$1,234.50'), ('(12.00)')) AS prices (price)"
    >>> print(number_readings(duckdb.connect(), prices, "price").readings[0].name)
    numbers with a point before the decimals
    """
    has_minus, is_in_front = connection.execute(
        f"SELECT bool_or(regexp_matches(x, '[(−-]')), bool_and(regexp_matches(x, {literal(IN_FRONT)})) "
        f"FROM (SELECT trim(CAST(({expression}) AS VARCHAR)) AS x FROM {relation})"
    ).fetchall()[0]
    is_plain = f"regexp_matches(x, {literal(PLAIN)})"
    readings = [
        _reading(figures, mark, has_minus=bool(has_minus), is_in_front=bool(is_in_front))
        for figures, mark in ((POINT, "."), (COMMA, ","))
    ]
    return weigh(connection, relation, expression, is_plain=is_plain, readings=readings)


def currencies(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> list[str]:
    """Return the signs and codes of currencies in a text expression, in alphabetical order."""
    found = connection.execute(
        f"SELECT DISTINCT regexp_extract(CAST(({expression}) AS VARCHAR), {literal(CURRENCY)}) AS sign "
        f"FROM {relation} ORDER BY 1"
    ).fetchall()
    return [sign for (sign,) in found if sign]

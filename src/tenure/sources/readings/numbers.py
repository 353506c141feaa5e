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
AROUND = rf"^[(]?[+-−]?\s*{CURRENCY}?\s*[+-−]?{{figures}}\s*{CURRENCY}?\s*[-−)]?$"
# Brackets and minus signs, wherever they stand: '(12.00)', '12.00-', '-$12.00'.
SIGN = "CASE WHEN regexp_matches({x}, '[(−-]') THEN -1 ELSE 1 END"
EXACT = "DECIMAL(24, 6)"


def _reading(name: str, figures: str, kept: str) -> Reading:
    digits = f"regexp_replace({{x}}, '[^0-9{kept}]', '', 'g')"
    if kept == ",":
        digits = f"replace({digits}, ',', '.')"
    sql = f"TRY_CAST({digits} AS {EXACT})"
    shape = literal(AROUND.replace("{figures}", figures).replace("[+-−]", "[+−-]"))
    return Reading(
        name, f"{SIGN} * {sql}", f"CASE WHEN regexp_matches({{x}}, {shape}) AND {sql} IS NOT NULL THEN true END"
    )


READINGS = (
    _reading("a point before the decimals", POINT, "."),
    _reading("a comma before the decimals", COMMA, ","),
)


def number_readings(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> Evidence:
    """Weigh which convention explains the values of a text expression; figures with at most a point are plain.

    Examples
    --------
    >>> import duckdb
    >>> prices = "(VALUES ('$1,234.50'), ('(12.00)')) AS prices (price)"
    >>> [reading.name for reading in number_readings(duckdb.connect(), prices, "price").readings]
    ['a point before the decimals']
    """
    is_plain = f"regexp_matches(x, {literal(PLAIN)})"
    return weigh(connection, relation, expression, is_plain=is_plain, readings=READINGS)


def currencies(connection: duckdb.DuckDBPyConnection, relation: str, expression: str) -> list[str]:
    """Return the signs and codes of currencies in a text expression, in alphabetical order."""
    found = connection.execute(
        f"SELECT DISTINCT regexp_extract(CAST(({expression}) AS VARCHAR), {literal(CURRENCY)}) AS sign "
        f"FROM {relation} ORDER BY 1"
    ).fetchall()
    return [sign for (sign,) in found if sign]

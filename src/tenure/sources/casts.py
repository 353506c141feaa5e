"""From raw values to the contract's types, and the rule a row breaks whose value has no place there."""

from __future__ import annotations

from collections.abc import Iterable

from tenure.core.sql import literal, quoted
from tenure.sources.contract import CONSENT, STATIC_DATE, Column, Kind, sql_type
from tenure.sources.raw_mapping import TableMapping
from tenure.sources.readings.dates import plain_instant, plain_time
from tenure.sources.source import Source

NUMERIC = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "DECIMAL", "FLOAT", "DOUBLE"}
)
INEXACT = ("DOUBLE", "FLOAT", "DECIMAL")
IS = {"decimal": "a number", "integer": "a whole number", "flag": "true or false", "date": "a date"}
NO_CUSTOMER = "no customer"
# What sums of binary fractions leave of a zero, such as 4.44e-16: smaller than any price.
RESIDUE = 1e-12
# Blanks of every kind, and the mark that some programs write at a file's start.
AROUND = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(160) || chr(8203) || chr(65279)"
# Characters that nobody sees, but for line breaks and tabs inside of a text.
CONTROL = r"[\x00-\x08\x0e-\x1f\x7f\x{200B}\x{FEFF}]"
# Of most texts a look tells that they have neither, for a fraction of the time.
PLAIN_TEXT = r"^[!-~]([ -~]*[!-~])?$"
# What databases and programs write where they know no date, and nothing that happened.
PLACEHOLDERS = ", ".join(
    f"DATE '{day}'" for day in ("0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1904-01-01")
)
# Second zero, read in any time zone.
EPOCH = "abs(epoch({x})) <= 14 * 3600"
# Unless the source says otherwise: nobody's facts are older, and those before the other are told.
EARLIEST_DAY, USUAL_DAY = "1950-01-01", "1980-01-01"


def casts_and_rules(
    source: Source, mapping: TableMapping, expressions: dict[str, str], types: dict[str, str], is_static: bool
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Give the SQL that casts each staged column, and the rules with their SQL conditions, in the order they are asked.

    The conditions are over the raw columns and the cast ones, each of which is called as ``cast_name`` says.
    ``types``: what the engine makes of each column's expression. ``is_static``: rows have no date, and get the one
    before any cutoff.
    """
    casts: dict[str, str] = {}
    rules: list[tuple[str, str]] = []
    if mapping.table.is_dated:
        casts["customer_id"] = _text(expressions["customer_id"], types["customer_id"])
        rules.append((NO_CUSTOMER, f"{cast_name('customer_id')} IS NULL"))
        if is_static:
            casts["occurred_at"] = casts["known_at"] = f"TIMESTAMP '{STATIC_DATE}'"
        else:
            occurred = business_time(expressions["occurred_at"], types["occurred_at"], source)
            casts["occurred_at"] = occurred
            rules.append(
                ("occurred_at is missing", f"({_filled(expressions['occurred_at'], types['occurred_at'])}) IS NULL")
            )
            rules.append(("occurred_at is not a date", f"{cast_name('occurred_at')} IS NULL"))
            rules += _impossible_past(cast_name("occurred_at"), source)
            casts["known_at"] = occurred
            if stated := expressions.get("known_at"):
                known = business_time(stated, types["known_at"], source)
                casts["known_at"] = f"greatest({occurred}, coalesce({known}, {occurred}))"
                # Taken for the day it happened, a fact known late would be a feature's too early.
                is_stated = f"nullif(trim(CAST(({stated}) AS VARCHAR)), '') IS NOT NULL"
                rules.append(("known_at is not a date", f"{is_stated} AND ({known}) IS NULL"))
    ages = ages_of(mapping, expressions, types)
    for column in _columns(mapping, expressions, types):
        raw = expressions.get(column.name)
        if column.name in ages:
            day = _attribute_day(expressions[column.name], types[column.name], source)
            is_day = f"({day}) NOT IN ({PLACEHOLDERS})"
            since = f"date_diff('day', {day}, CAST({casts['occurred_at']} AS DATE))"
            casts[column.name] = f"CASE WHEN {is_day} THEN {since} END"
            continue
        if raw is None:
            casts[column.name] = f"CAST(NULL AS {sql_type(column)})"
            continue
        casts[column.name] = _cast(column, raw, types[column.name])
        # What an absent value means is no value that was read.
        cast = f"({casts[column.name]})" if column.absent else cast_name(column.name)
        rules += _rules(column, raw, types[column.name], cast)
    for column in mapping.table.columns:
        if column.absent:
            meant = column.absent.format(**{name: f"({sql})" for name, sql in casts.items()})
            casts[column.name] = f"CAST(coalesce({casts[column.name]}, {meant}) AS {sql_type(column)})"
    named = {name: cast_name(name) for name in casts}
    rules += [(rule, condition.format(**named)) for rule, condition in mapping.table.rules]
    return casts, rules


def cast_name(column: str) -> str:
    """Return what a column that is cast is called in SQL where raw columns may have its name."""
    return quoted(f"staged__{column}")


def ages_of(mapping: TableMapping, expressions: dict[str, str], types: dict[str, str]) -> tuple[str, ...]:
    """Name the attributes of customers that are dates: each is staged as the days from it to its row.

    With the row's age they are the days from the date to any cutoff, and no feature needs to name a date.
    """
    if mapping.table.name != "customers":
        return ()
    known = ("customer_id", "occurred_at", "known_at")
    is_date = {name: types[name].split("(")[0].startswith(("DATE", "TIMESTAMP")) for name in expressions}
    return tuple(name for name in expressions if is_date[name] and name not in known and not name.startswith(CONSENT))


def _attribute_day(raw: str, kind: str, source: Source) -> str:
    return f"CAST(({raw}) AS DATE)" if kind == "DATE" else f"CAST(({business_time(raw, kind, source)}) AS DATE)"


def asides(
    source: Source, mapping: TableMapping, expressions: dict[str, str], types: dict[str, str], casts: dict[str, str]
) -> dict[str, str]:
    """Map what is odd about a row that is staged all the same to its SQL condition over the raw columns."""
    found = {}
    if mapping.table.is_dated and types["customer_id"] == "VARCHAR":
        raw = expressions["customer_id"]
        found["characters that nobody sees taken out of customer_id"] = f"trim(({raw}), ' ') <> {without_unseen(raw)}"
    for name in ages_of(mapping, expressions, types):
        is_placeholder = f"({_attribute_day(expressions[name], types[name], source)}) IN ({PLACEHOLDERS})"
        found[f"{name} is a placeholder, no date: left empty"] = is_placeholder
    for column in mapping.table.columns:
        if _may_lose(column, types.get(column.name, "BIGINT")):
            lost = f"abs(TRY_CAST(({expressions[column.name]}) AS DOUBLE) - CAST(({casts[column.name]}) AS DOUBLE))"
            found[f"{column.name} rounded to {column.decimals} decimals"] = f"{lost} > 1e-{column.decimals + 3}"
    return found


def _may_lose(column: Column, kind: str) -> bool:
    """Say whether values of a type can have more decimals than a column keeps."""
    if column.kind != "decimal":
        return False
    if kind.startswith("DECIMAL("):
        return int(kind.rstrip(")").split(",")[1]) > column.decimals
    return kind in ("DOUBLE", "FLOAT") or kind not in NUMERIC


def is_of_text(expression: str, kind: str) -> bool:
    """Say whether an expression gives texts, of which evidence tells how they are to be read."""
    return kind == "VARCHAR" and expression != "NULL"


def _impossible_past(occurred: str, source: Source) -> list[tuple[str, str]]:
    earliest = source.earliest_day or EARLIEST_DAY
    is_placeholder = f"CAST({occurred} AS DATE) IN ({PLACEHOLDERS}) OR {EPOCH.format(x=occurred)}"
    return [
        ("occurred_at is a placeholder, no date", is_placeholder),
        (f"occurred_at is before {earliest}", f"{occurred} < TIMESTAMP '{earliest}'"),
    ]


def _cast(column: Column, raw: str, kind: str) -> str:
    if column.kind == "text":
        return f"lower({_text(raw, kind)})" if column.allowed else _text(raw, kind)
    if column.kind == "date" and is_of_text(raw, kind):
        return f"CAST(coalesce({plain_time(f'trim({raw})')}, {plain_instant(f'trim({raw})')}) AS DATE)"
    return f"TRY_CAST(({_filled(raw, kind)}) AS {sql_type(column)})"


def _filled(raw: str, kind: str) -> str:
    """Return the SQL of a value, null for a text of blanks."""
    return f"nullif(trim({raw}), '')" if is_of_text(raw, kind) else raw


def _rules(column: Column, raw: str, kind: str, cast: str) -> Iterable[tuple[str, str]]:
    if column.kind != "text":
        yield f"{column.name} is not {IS[column.kind]}", f"({_filled(raw, kind)}) IS NOT NULL AND {cast} IS NULL"
    if _may_lose(column, kind):
        is_lost = f"{cast} = 0 AND abs(TRY_CAST(({raw}) AS DOUBLE)) > {RESIDUE}"
        yield f"{column.name} is smaller than the {column.decimals} decimals kept", is_lost
    if column.required:
        yield f"{column.name} is missing", f"{cast} IS NULL"
    if column.allowed:
        listed = ", ".join(literal(value) for value in column.allowed)
        yield f"{column.name} is none of {', '.join(column.allowed)}", f"{cast} NOT IN ({listed})"


def _columns(mapping: TableMapping, expressions: dict[str, str], types: dict[str, str]) -> Iterable[Column]:
    yield from mapping.table.columns
    known = {*mapping.table.column_names, "customer_id", "occurred_at", "known_at"}
    for name in (name for name in expressions if name not in known):
        engine_type = types[name].split("(")[0]
        kind: Kind = "flag" if engine_type == "BOOLEAN" else "decimal" if engine_type in NUMERIC else "text"
        yield Column(name, kind, "as the source names it")


def _text(sql: str, kind: str) -> str:
    """Return the SQL of a text as it stands in the file, without what nobody sees of it."""
    if kind.split("(")[0] in INEXACT:
        # 17850.0 in one file and 17850 in another are one id. NaN is none; isnan() would trust a Parquet file's minimum
        # and maximum, which leave NaN out.
        sql = (
            f"CASE WHEN CAST(({sql}) AS VARCHAR) = 'nan' THEN NULL WHEN ({sql}) = trunc({sql}) "
            f"THEN coalesce(CAST(TRY_CAST(({sql}) AS HUGEINT) AS VARCHAR), CAST(({sql}) AS VARCHAR)) "
            f"ELSE CAST(({sql}) AS VARCHAR) END"
        )
    if kind == "BLOB":
        sql = f"TRY(decode({sql}))"  # text without its mark, as older programs write it
    if kind != "VARCHAR" and kind != "BLOB":
        return f"nullif(trim(CAST(({sql}) AS VARCHAR)), '')"
    return f"nullif({without_unseen(sql)}, '')"


def without_unseen(sql: str) -> str:
    """Return the SQL of a text without blanks around it, and without control characters."""
    seen = f"trim(regexp_replace(({sql}), {literal(CONTROL)}, '', 'g'), {AROUND})"
    return f"CASE WHEN regexp_matches(({sql}), {literal(PLAIN_TEXT)}) THEN ({sql}) ELSE {seen} END"


def business_time(sql: str, kind: str, source: Source) -> str:
    """Cast to the business's naive local time."""
    zone = literal(source.timezone)
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        return f"CAST(CAST(({sql}) AS TIMESTAMPTZ) AT TIME ZONE {zone} AS TIMESTAMP)"
    if kind != "VARCHAR":
        return (
            _from_raw_zone(f"TRY_CAST(({sql}) AS TIMESTAMP)", source)
            if kind != "DATE"
            else f"CAST(({sql}) AS TIMESTAMP)"
        )
    text = f"trim({sql})"
    # A day without a time is a day of the business.
    day = f"CASE WHEN strlen({text}) <= 10 THEN {plain_time(text)} ELSE {_from_raw_zone(plain_time(text), source)} END"
    local = day if source.raw_timezone else plain_time(text)
    return f"coalesce({local}, CAST({plain_instant(text)} AT TIME ZONE {zone} AS TIMESTAMP))"


def _from_raw_zone(local: str, source: Source) -> str:
    if not source.raw_timezone:
        return local
    raw_zone, zone = literal(source.raw_timezone), literal(source.timezone)
    return f"CAST(({local} AT TIME ZONE {raw_zone}) AT TIME ZONE {zone} AS TIMESTAMP)"

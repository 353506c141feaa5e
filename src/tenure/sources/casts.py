"""From raw values to the contract's types, and the rule a row breaks whose value has no place there."""

from __future__ import annotations

from collections.abc import Iterable

from tenure.core.sql import literal
from tenure.sources.contract import SQL_TYPE, STATIC_DATE, Column, Kind
from tenure.sources.raw_mapping import TableMapping
from tenure.sources.source import Source

NUMERIC = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UINTEGER", "UBIGINT", "DECIMAL", "FLOAT", "DOUBLE"}
)
_OFFSET = "'[0-9](Z|[+-][0-9]{2}:?[0-9]{2})$'"


def casts_and_rules(
    source: Source, mapping: TableMapping, expressions: dict[str, str], types: dict[str, str], is_static: bool
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Give the SQL that casts each staged column, and the rules with their SQL conditions, in the order they are asked.

    ``types``: what the engine makes of each column's expression. ``is_static``: rows have no date, and get the one
    before any cutoff.
    """
    casts: dict[str, str] = {}
    rules: list[tuple[str, str]] = []
    if mapping.table.is_dated:
        casts["customer_id"] = _text(expressions["customer_id"], types["customer_id"])
        rules.append(("no customer", f"({casts['customer_id']}) IS NULL"))
        if is_static:
            casts["occurred_at"] = casts["known_at"] = f"TIMESTAMP '{STATIC_DATE}'"
        else:
            occurred = business_time(expressions["occurred_at"], types["occurred_at"], source)
            casts["occurred_at"] = occurred
            rules.append(("occurred_at is missing", f"({expressions['occurred_at']}) IS NULL"))
            rules.append(("occurred_at is not a date", f"({occurred}) IS NULL"))
            casts["known_at"] = occurred
            if stated := expressions.get("known_at"):
                known = business_time(stated, types["known_at"], source)
                casts["known_at"] = f"greatest({occurred}, coalesce({known}, {occurred}))"
                # Taken for the day it happened, a fact known late would be a feature's too early.
                is_stated = f"nullif(trim(CAST(({stated}) AS VARCHAR)), '') IS NOT NULL"
                rules.append(("known_at is not a date", f"{is_stated} AND ({known}) IS NULL"))
    for column in _columns(mapping, expressions, types):
        raw = expressions.get(column.name)
        if raw is None:
            casts[column.name] = f"CAST(NULL AS {SQL_TYPE[column.kind]})"
            continue
        kind = types[column.name]
        cast = _text(raw, kind) if column.kind == "text" else f"TRY_CAST(({raw}) AS {SQL_TYPE[column.kind]})"
        casts[column.name] = f"lower({cast})" if column.allowed else cast
        if column.kind != "text":
            what = {"decimal": "a number", "integer": "a whole number", "flag": "true or false", "date": "a date"}[
                column.kind
            ]
            rules.append((f"{column.name} is not {what}", f"({raw}) IS NOT NULL AND ({casts[column.name]}) IS NULL"))
        if column.required:
            rules.append((f"{column.name} is missing", f"({casts[column.name]}) IS NULL"))
        if column.allowed:
            listed = ", ".join(literal(value) for value in column.allowed)
            rules.append(
                (f"{column.name} is none of {', '.join(column.allowed)}", f"({casts[column.name]}) NOT IN ({listed})")
            )
    for column in mapping.table.columns:
        if column.absent:
            meant = column.absent.format(**{name: f"({sql})" for name, sql in casts.items()})
            casts[column.name] = f"CAST(coalesce({casts[column.name]}, {meant}) AS {SQL_TYPE[column.kind]})"
    named = {name: f"({sql})" for name, sql in casts.items()}
    rules += [(rule, condition.format(**named)) for rule, condition in mapping.table.rules]
    return casts, rules


def _columns(mapping: TableMapping, expressions: dict[str, str], types: dict[str, str]) -> Iterable[Column]:
    yield from mapping.table.columns
    known = {*mapping.table.column_names, "customer_id", "occurred_at", "known_at"}
    for name in (name for name in expressions if name not in known):
        engine_type = types[name].split("(")[0]
        kind: Kind = "flag" if engine_type == "BOOLEAN" else "decimal" if engine_type in NUMERIC else "text"
        yield Column(name, kind, "as the source names it")


def _text(sql: str, kind: str) -> str:
    if kind.split("(")[0] in ("DOUBLE", "FLOAT", "DECIMAL"):
        # 17850.0 in one file and 17850 in another are one id.
        sql = (
            f"CASE WHEN ({sql}) = trunc({sql}) THEN CAST(CAST(({sql}) AS HUGEINT) AS VARCHAR) "
            f"ELSE CAST(({sql}) AS VARCHAR) END"
        )
    return f"nullif(trim(CAST(({sql}) AS VARCHAR)), '')"


def business_time(sql: str, kind: str, source: Source) -> str:
    """Cast to the business's naive local time."""
    zone = literal(source.timezone)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"CAST(({sql}) AT TIME ZONE {zone} AS TIMESTAMP)"
    local = f"TRY_CAST(({sql}) AS TIMESTAMP)"
    if source.raw_timezone and kind != "DATE":
        local = f"CAST(({local} AT TIME ZONE {literal(source.raw_timezone)}) AT TIME ZONE {zone} AS TIMESTAMP)"
    if kind == "VARCHAR":
        offset = f"CAST(TRY_CAST(({sql}) AS TIMESTAMPTZ) AT TIME ZONE {zone} AS TIMESTAMP)"
        return f"CASE WHEN length({sql}) > 10 AND regexp_matches({sql}, {_OFFSET}) THEN {offset} ELSE {local} END"
    return local

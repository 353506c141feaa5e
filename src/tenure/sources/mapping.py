"""One staged table's mapping as SQL: expressions over raw columns, cast to the contract, each row judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tenure.errors import DataContractError, UnknownNameError
from tenure.sources.contract import SQL_TYPE, STATIC_DATE, Column
from tenure.sources.raw_files import (
    READABLE,
    choose_raw_file,
    literal,
    quoted,
    raw_relation,
    split_reference,
)
from tenure.sources.source import RawFile, Source, TableMapping

_OFFSET = "'[0-9](Z|[+-][0-9]{2}:?[0-9]{2})$'"


@dataclass(frozen=True)
class MappedTable:
    """The SQL that stages one table: a cast per column, and the rules a row may break, in the order they are asked."""

    name: str
    place: str  # for messages: which section of which TOML
    raw_name: str
    raw_view: str
    casts: dict[str, str]  # staged column => SQL over the raw columns
    rules: tuple[tuple[str, str], ...]  # rule => SQL condition over the raw columns
    key: tuple[str, ...]
    is_dated: bool
    is_static: bool
    keeps_unreadable: bool
    max_rejected_share: float
    date_expression: str
    raw_columns: dict[str, tuple[str, ...]]  # staged column => raw columns it is made of

    @property
    def staged_columns(self) -> tuple[str, ...]:
        return tuple(self.casts)

    @property
    def amount_columns(self) -> tuple[str, ...]:
        return tuple(column for column in self.casts if column in ("amount", "monthly_price", "price"))

    def judged_sql(self, clock: datetime, told: Sequence[str] | None = None) -> str:
        """Select each raw row cast to the contract, with ``rule`` (null: staged), ``raw_row`` and ``raw`` (JSON), which has the columns ``told``, by default all."""
        rules = list(self.rules)
        if self.is_dated and not self.is_static:
            late = f"({self.casts['occurred_at']}) > TIMESTAMP {literal(str(clock))}"
            rules.append(("occurred_at is after the ingest clock", late))
        cases = " ".join(f"WHEN {condition} THEN {literal(rule)}" for rule, condition in rules) or "WHEN false THEN ''"
        casts = ", ".join(f"{sql} AS {quoted('staged__' + column)}" for column, sql in self.casts.items())
        raw = "source_row" if told is None else _struct(told)
        inner = f"SELECT {casts}, CASE {cases} END AS rule, row_number() OVER () AS raw_row, to_json({raw}) AS raw FROM {self.raw_view} source_row"
        renamed = ", ".join(f"{quoted('staged__' + column)} AS {quoted(column)}" for column in self.casts)
        judged = f"SELECT {renamed}, rule, raw_row, raw FROM ({inner})"
        if not self.key:
            return judged
        keys = ", ".join(quoted(column) for column in self.key)
        repeated = f"row_number() OVER (PARTITION BY {keys}, rule IS NULL ORDER BY raw_row) > 1"
        rule = f"CASE WHEN rule IS NULL AND {repeated} THEN {literal('duplicate of key ' + ', '.join(self.key))} ELSE rule END"
        return f"SELECT * REPLACE ({rule} AS rule) FROM ({judged})"


def _struct(columns: Sequence[str]) -> str:
    fields = ", ".join(f"{quoted(column)} := {quoted(column)}" for column in columns)
    return f"struct_pack({fields})" if fields else "CAST('{}' AS JSON)"


def map_table(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    mapping: TableMapping,
    *,
    allow_empty: bool = False,
) -> MappedTable:
    """Check a table's mapping against its raw file and turn it into SQL.

    Raises
    ------
    DataContractError : a missing file or column, an expression that cannot be read; all problems in one message.
    """
    name, table = mapping.table.name, mapping.table
    place = f"{source.where} [{name}]"
    raw_view, raw_name, keeps_unreadable = _open_view(connection, source, folder, scratch, mapping)
    raw_types = _describe(connection, f"SELECT * FROM {raw_view}", f"{place}: {raw_name} cannot be read")
    if not allow_empty and not connection.execute(f"SELECT 1 FROM {raw_view} LIMIT 1").fetchall():
        raise DataContractError(f"{place}: {raw_name} holds no rows. Expected at least one.")
    expressions = _expressions(mapping, raw_types, place, raw_name)
    declared = source.raw.get(raw_name, RawFile()).known_at
    if table.is_dated and "occurred_at" in expressions and declared:
        expressions.setdefault("known_at", declared)
    problems: list[str] = []
    types = {
        column: _type_of(connection, raw_view, raw_name, raw_types, column, sql, problems)
        for column, sql in expressions.items()
    }
    if problems:
        raise DataContractError(f"{place}: " + "\n  - ".join(["the mapping does not fit " + raw_name, *problems]))
    is_static = table.is_dated and "occurred_at" not in expressions
    casts, rules = _casts_and_rules(source, mapping, expressions, types, is_static)
    for column in mapping.key:
        if column not in casts:
            raise DataContractError(f"{place} key: {UnknownNameError('Column', column, casts)}")
    return MappedTable(
        name=name, place=place, raw_name=raw_name, raw_view=raw_view, casts=casts, rules=tuple(rules), key=mapping.key,
        is_dated=table.is_dated, is_static=is_static, keeps_unreadable=keeps_unreadable,
        max_rejected_share=mapping.max_rejected_share, date_expression=expressions.get("occurred_at", ""),
        raw_columns={column: _columns_in(sql, raw_types) for column, sql in expressions.items()},
    )  # fmt: skip


def _open_view(
    connection: duckdb.DuckDBPyConnection, source: Source, folder: Path, scratch: Path, mapping: TableMapping
) -> tuple[str, str, bool]:
    place = f"{source.where} [{mapping.table.name}]"
    view = quoted(f"raw__{mapping.table.name}")
    if mapping.query:
        _check_single_select(mapping.query, place)
        for path in sorted(folder.glob("*")):
            if path.name.lower().endswith(READABLE):
                relation, _ = raw_relation(source, folder, scratch, path.name)
                for known_as in {path.name, path.name.split(".")[0]}:
                    connection.execute(f"CREATE OR REPLACE VIEW {quoted(known_as)} AS SELECT * FROM {relation}")
        sql, name, keeps = mapping.query.strip().rstrip(";"), "the query", False
    else:
        reference = choose_raw_file(folder, mapping.raw_files, place)
        texts = _id_columns(connection, source, folder, scratch, reference, mapping)
        relation, keeps = raw_relation(source, folder, scratch, reference, text_columns=texts)
        sql, name = f"SELECT * FROM {relation}", split_reference(reference)[0]
    try:
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS {sql}")
    except duckdb.Error as error:
        raise DataContractError(f"{place}: {name} cannot be read: {first_line(error)}") from None
    return view, name, keeps


def _check_single_select(query: str, place: str) -> None:
    try:
        statements = sqlglot.parse(query, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise DataContractError(f"{place} query: not readable SQL: {first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise DataContractError(f"{place} query: expected one SELECT statement over the raw files, and nothing else.")


def _id_columns(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    scratch: Path,
    reference: str,
    mapping: TableMapping,
) -> list[str]:
    """Find the raw columns that are plainly mapped to text: '00017' must not be read as 17."""
    relation, has_types = raw_relation(source, folder, scratch, reference)
    if not (has_types or relation.startswith("read_csv")):
        return []
    raw = _describe(
        connection, f"SELECT * FROM {relation}", f"{source.where} [{mapping.table.name}]: {reference} cannot be read"
    )
    texts = {"customer_id", *(c.name for c in mapping.table.columns if c.kind == "text")}
    plain = {column if mapping.is_as_staged else mapping.columns.get(column, "").strip('" ') for column in texts}
    return [column for column in raw if column.lower() in {name.lower() for name in plain}]


def _describe(connection: duckdb.DuckDBPyConnection, query: str, place: str) -> dict[str, str]:
    try:
        return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall()}
    except duckdb.Error as error:
        hint = ""
        if "utf-8" in str(error).lower() or "unicode" in str(error).lower() or "encod" in str(error).lower():
            hint = ' Expected UTF-8: save it so, or say [raw."<file>"] encoding = "latin-1".'
        raise DataContractError(f"{place}: {first_line(error)}{hint}") from None


def describe_relation(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Map a relation's columns to their types."""
    return {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


def first_line(error: Exception) -> str:
    """Shorten an engine's message to the line that matters."""
    return str(error).strip().splitlines()[0][:300]


def _expressions(mapping: TableMapping, raw_types: dict[str, str], place: str, raw_name: str) -> dict[str, str]:
    """Give each staged column its SQL expression, from the TOML or, for files that need no mapping, by name."""
    table = mapping.table
    by_lower = {raw.lower(): raw for raw in raw_types}
    base = ("customer_id", "occurred_at", "known_at") if table.is_dated else ()
    names = (*base, *table.column_names)
    if mapping.columns:
        expressions = dict(mapping.columns)
    else:
        expressions = {name: quoted(by_lower[name]) for name in names if name in by_lower}
        required = {c.name for c in table.columns if c.required} | set(base[:1])
        required |= {"occurred_at"} if table.is_dated and table.name != "customers" else set()
        if missing := sorted(required - expressions.keys()):
            raise DataContractError(
                f"{place}: {raw_name} has no column {', '.join(missing)}. Found: {', '.join(raw_types)}. Rename the columns, or map them in source.toml."
            )
        if table.name == "customers":
            rest = {raw.lower(): quoted(raw) for raw in raw_types if raw.lower() not in names}
            expressions |= {_attribute_name(name): sql for name, sql in rest.items()}
    expressions |= mapping.attributes | mapping.extra
    # A bare column name may be a keyword or hold blanks: it means the column.
    return {
        name: quoted(by_lower[sql.lower()]) if sql.lower() in by_lower else sql for name, sql in expressions.items()
    }


def _attribute_name(raw: str) -> str:
    cleaned = (
        "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in raw).strip("_") or "attribute"
    )
    return cleaned if cleaned[0].isalpha() else f"a_{cleaned}"


def _columns_in(sql: str, raw_types: dict[str, str]) -> tuple[str, ...]:
    """Name the raw columns an expression mentions, as the file writes them."""
    used = {
        column.name.lower() for column in sqlglot.parse_one(f"SELECT {sql or 1}", read="duckdb").find_all(exp.Column)
    }
    return tuple(raw for raw in raw_types if raw.lower() in used)


def _type_of(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    raw_name: str,
    raw_types: dict[str, str],
    column: str,
    sql: str,
    problems: list[str],
) -> str:
    place = f"{column} = {sql!r}"
    try:
        parsed = sqlglot.parse_one(f"SELECT {sql} AS x", read="duckdb")
    except sqlglot.errors.SqlglotError:
        problems.append(f"{place}: not readable SQL. Expected one expression over the columns of {raw_name}")
        return ""
    if not isinstance(parsed, exp.Select) or len(parsed.expressions) != 1:
        problems.append(f"{place}: expected one expression, and nothing else")
        return ""
    known = {raw.lower() for raw in raw_types}
    for used in parsed.find_all(exp.Column):
        if used.name.lower() not in known and not parsed.find(exp.Subquery):
            problems.append(f"{place}: {UnknownNameError(f'Column of {raw_name}', used.name, raw_types)}")
            return ""
    try:
        return str(connection.execute(f"DESCRIBE SELECT ({sql}) AS x FROM {view}").fetchall()[0][1])
    except duckdb.Error as error:
        problems.append(f"{place}: {first_line(error)}")
        return ""


def _casts_and_rules(
    source: Source, mapping: TableMapping, expressions: dict[str, str], types: dict[str, str], is_static: bool
) -> tuple[dict[str, str], list[tuple[str, str]]]:
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
            casts["known_at"] = f"greatest({occurred}, {_known_at(source, expressions, types, occurred)})"
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
    for name in (
        expressions.keys() - known if mapping.table.name != "customers" else [n for n in expressions if n not in known]
    ):
        kind = types[name].split("(")[0]
        numeric = kind in (
            "DOUBLE",
            "FLOAT",
            "DECIMAL",
            "BIGINT",
            "INTEGER",
            "SMALLINT",
            "TINYINT",
            "HUGEINT",
            "UBIGINT",
            "UINTEGER",
        )
        yield Column(name, "flag" if kind == "BOOLEAN" else "decimal" if numeric else "text", "as the source names it")


def _text(sql: str, kind: str) -> str:
    if kind.split("(")[0] in ("DOUBLE", "FLOAT", "DECIMAL"):
        # 17850.0 in one file and 17850 in another are one id.
        sql = f"CASE WHEN ({sql}) = trunc({sql}) THEN CAST(CAST(({sql}) AS HUGEINT) AS VARCHAR) ELSE CAST(({sql}) AS VARCHAR) END"
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


def _known_at(source: Source, expressions: dict[str, str], types: dict[str, str], occurred: str) -> str:
    if "known_at" in expressions:
        return f"coalesce({business_time(expressions['known_at'], types['known_at'], source)}, {occurred})"
    return occurred

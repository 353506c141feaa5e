"""One staged table's mapping as SQL: expressions over raw columns, cast to the contract, each row judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from tenure.core.errors import DataContractError, UnknownNameError
from tenure.core.sql import literal, quoted
from tenure.sources.casts import ages_of, asides, cast_name, casts_and_rules
from tenure.sources.column_expressions import column_expressions, columns_in, type_of
from tenure.sources.contract import Column
from tenure.sources.raw_mapping import TableMapping
from tenure.sources.raw_views import describe_query, open_view
from tenure.sources.readers.reader import Told
from tenure.sources.source import Source
from tenure.sources.text_lineage import written_in
from tenure.sources.unions import FILE
from tenure.sources.unread_texts import problem_of

AFTER_CLOCK = "occurred_at is after the ingest clock"
WHOLE_ROW, ROW_NUMBER = '"the whole raw row"', '"the number of the raw row"'  # in SQL: names that no column has


@dataclass(frozen=True)
class MappedTable:
    """The SQL that stages one table: a cast per column, and the rules a row may break, in the order they are asked."""

    name: str
    place: str  # for messages: which section of which TOML
    raw_name: str
    raw_view: str
    casts: dict[str, str]  # staged column => SQL over the raw columns
    rules: tuple[tuple[str, str], ...]  # rule => SQL condition over the raw columns and the cast ones
    key: tuple[str, ...]
    is_dated: bool
    is_static: bool
    keeps_unreadable: bool
    max_rejected_share: float | None
    max_no_customer_share: float
    raw_columns: dict[str, tuple[str, ...]]  # staged column => raw columns it is made of
    asides: dict[str, str]  # what is odd but staged => SQL condition over the raw columns
    ages: tuple[str, ...] = ()  # attributes that are dates, staged as the days from each to its row
    raw_told: tuple[tuple[str, Told], ...] = ()  # raw file => what is to be told of how it is read

    @property
    def staged_columns(self) -> tuple[str, ...]:
        return tuple(self.casts)

    @property
    def amount_columns(self) -> tuple[str, ...]:
        return tuple(column for column in self.casts if column in ("amount", "monthly_price", "price"))

    def judged_sql(
        self, clock: datetime, told: Sequence[str] | None = None, *, with_raw_of_staged: bool = False
    ) -> str:
        """Select each raw row cast to the contract, with ``rule`` (null: staged), ``raw_row`` and ``raw`` (JSON).

        ``raw`` holds the columns ``told``, by default all; of staged rows it is null unless they are asked for: to
        write them takes as long as all the rest.
        """
        rules = list(self.rules)
        if self.is_dated and not self.is_static:
            late = f"{cast_name('occurred_at')} > TIMESTAMP {literal(str(clock))}"
            rules.append((AFTER_CLOCK, late))
        cases = " ".join(f"WHEN {condition} THEN {literal(rule)}" for rule, condition in rules) or "WHEN false THEN ''"
        casts = ", ".join(f"{sql} AS {cast_name(column)}" for column, sql in self.casts.items())
        cast = f"SELECT source_row.*, source_row AS {WHOLE_ROW}, {casts} FROM {self.raw_view} source_row"
        # The number stands between casts and rules: the engine would move a condition below it and cast once more for it.
        numbered = f"SELECT *, row_number() OVER () AS {ROW_NUMBER} FROM ({cast})"
        names = ", ".join(map(cast_name, self.casts))
        raw = WHOLE_ROW if told is None else _struct(told)
        inner = f"SELECT {names}, CASE {cases} END AS rule, {ROW_NUMBER}, {raw} AS raw FROM ({numbered})"
        renamed = ", ".join(f"{cast_name(column)} AS {quoted(column)}" for column in self.casts)
        judged = f"SELECT {renamed}, rule, {ROW_NUMBER} AS raw_row, raw FROM ({inner})"
        if self.key:
            judged = self._without_repeated(judged)
        written = "to_json(raw)" if with_raw_of_staged else "CASE WHEN rule IS NOT NULL THEN to_json(raw) END"
        return f"SELECT * REPLACE ({written} AS raw) FROM ({judged})"

    def _without_repeated(self, judged: str) -> str:
        keys = ", ".join(quoted(column) for column in self.key)
        repeated = f"row_number() OVER (PARTITION BY {keys}, rule IS NULL ORDER BY raw_row) > 1"
        broken = literal("duplicate of key " + ", ".join(self.key))
        rule = f"CASE WHEN rule IS NULL AND {repeated} THEN {broken} ELSE rule END"
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
    files: Iterable[str],
    *,
    allow_empty: bool = False,
) -> MappedTable:
    """Check a table's mapping against the raw files it reads and turn it into SQL.

    Raises
    ------
    DataContractError : a missing file or column, an expression that cannot be read; all problems in one message.
    """
    name, table = mapping.table.name, mapping.table
    place = f"{source.where} [{name}]"
    view = open_view(connection, source, folder, scratch, mapping, files)
    raw_view, raw_name = view.name, view.raw_name
    raw_types = describe_query(connection, f"SELECT * FROM {raw_view}", f"{place}: {raw_name} cannot be read")
    if not allow_empty and not connection.execute(f"SELECT 1 FROM {raw_view} LIMIT 1").fetchall():
        raise DataContractError(f"{place}: {raw_name} holds no rows. Expected at least one.")
    expressions = column_expressions(
        mapping, {name: kind for name, kind in raw_types.items() if name != FILE}, place, raw_name
    )
    if table.is_dated and "occurred_at" in expressions and view.known_at:
        expressions.setdefault("known_at", view.known_at)
    problems: list[str] = []
    types = {
        column: type_of(connection, raw_view, raw_name, raw_types, column, sql, problems)
        for column, sql in expressions.items()
    }
    if not problems:
        problems += _unread(connection, raw_view, mapping, expressions, types)
    if problems:
        raise DataContractError(f"{place}: " + "\n  - ".join(["the mapping does not fit " + raw_name, *problems]))
    is_static = table.is_dated and "occurred_at" not in expressions
    casts, rules = casts_and_rules(source, mapping, expressions, types, is_static)
    for column in mapping.key:
        if column not in casts:
            raise DataContractError(f"{place} key: {UnknownNameError('Column', column, casts)}")
    return MappedTable(
        name=name, place=place, raw_name=raw_name, raw_view=raw_view, casts=casts, rules=tuple(rules), key=mapping.key,
        is_dated=table.is_dated, is_static=is_static, keeps_unreadable=view.keeps_unreadable,
        raw_told=view.told,
        max_rejected_share=mapping.max_rejected_share, max_no_customer_share=mapping.max_no_customer_share,
        raw_columns={column: columns_in(sql, raw_types) for column, sql in expressions.items()},
        ages=ages_of(mapping, expressions, types),
        asides=asides(source, mapping, expressions, types, casts),
    )  # fmt: skip


def _unread(
    connection: duckdb.DuckDBPyConnection,
    raw_view: str,
    mapping: TableMapping,
    expressions: dict[str, str],
    types: dict[str, str],
) -> list[str]:
    """Say of each column whose values are written in a form that is not read by itself what to write instead."""
    written = expressions if not mapping.query else expressions | written_in(mapping.query, expressions)
    dates = [Column(name, "date", "") for name in ("occurred_at", "known_at") if name in expressions]
    found = [
        problem_of(connection, raw_view, column, expressions[column.name], types[column.name], written[column.name])
        for column in (*dates, *mapping.table.columns)
        if column.name in expressions
    ]
    return [*filter(None, found), *_kinds_of_none(mapping, expressions, types)]


def _kinds_of_none(mapping: TableMapping, expressions: dict[str, str], types: dict[str, str]) -> list[str]:
    """Say which columns are lists or objects: no column of the contract is."""
    return [
        f"{name} = {expressions[name]!r}: a {'list' if kind.endswith(']') else 'structure'} ({kind[:60]}). "
        f"Expected one value a row; name the part that is meant, as in {expressions[name]}"
        + ("[1]" if kind.endswith("]") else ".name")
        for name, kind in types.items()
        if kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))
    ]

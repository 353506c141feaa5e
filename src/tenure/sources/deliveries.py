"""What deliveries of one source said of the same past: digests by table, part and column, kept from staging to staging.

A *part* is a day after which facts were known, and a group of whom they are about. Facts without a date, which arrive in
every delivery, are parted by whom alone, more finely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import duckdb

from tenure.core.hashing import digest
from tenure.core.sql import describe, literal, parquet, quoted
from tenure.sources.content import HASHES, ROWS, digests_by_part_sql
from tenure.sources.contract import SEEN_AFTER, STAGED_TABLES, STATIC_DATE
from tenure.sources.staged_source import StagedSource

# Into so many groups the facts of a day are parted, and those without a date. They sort after every day.
GROUPS_OF_DAY, GROUPS, UNDATED_PART = 16, 65_536, "~"
RECENT_DAYS = 28
WRITTEN = "(FORMAT parquet, COMPRESSION zstd)"
# Whose values move a row to another customer or another day.
KEYS = {"customer_id", "occurred_at", "known_at"}
_DAYS = "count(DISTINCT day), min(day), max(day)"

Kind = Literal["changed", "added", "removed"]


@dataclass(frozen=True)
class Rewriting:
    """Past facts of one table that are no longer as they were first delivered.

    ``column`` is one whose values changed, empty where rows were added or removed. ``days`` counts the days of those
    facts, from ``first`` to ``last``; facts without a date have none. ``rows`` are net where rows came or went, and
    estimated where values changed. They are of the ``compared`` ones: those there were, or where rows were added, those
    there are since the first such day, or for four weeks.
    """

    table: str
    kind: Kind
    column: str
    days: int
    first: str
    last: str
    rows: int
    compared: int

    @property
    def share(self) -> float:
        return self.rows / max(self.compared, 1)


def write_parts(connection: duckdb.DuckDBPyConnection, table: str, staged: StagedSource) -> None:
    """Write the digests of a staged table by part and column beside it: part, rows, one sum per column and type."""
    relation = parquet(staged.path(table))
    columns = describe(connection, relation)
    staged_table = STAGED_TABLES[table]
    whom = "customer_id" if staged_table.is_dated else staged_table.columns[0].name
    part = f"{literal(UNDATED_PART)} || (hash({whom}) % {GROUPS})"
    if staged_table.is_dated:
        group = f"{SEEN_AFTER} || ' ' || (hash({whom}) % {GROUPS_OF_DAY})"
        part = f"CASE WHEN occurred_at = TIMESTAMP '{STATIC_DATE}' THEN {part} ELSE {group} END"
    # A column of another type is another column, and so is a whole row of other columns.
    sums = {f"{name}|{kind}": quoted(name) for name, kind in columns.items()} | {f"|{digest(columns)}": HASHES}
    named = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in sums.items())
    sql = f"SELECT part, {ROWS} AS rows, {named} FROM ({digests_by_part_sql(relation, part, columns)})"
    connection.execute(f"COPY ({sql}) TO {literal(str(staged.parts_path(table)))} {WRITTEN}")


def keep_first(former: StagedSource | None, staged: StagedSource) -> StagedSource:
    """Keep how each part was first delivered, of tables that are still made in the same way.

    A day counts as delivered once a later one was: the last day of a delivery may be cut short.
    => the staged source, whose tables say until which day deliveries are on record
    """
    if former is None:
        return staged
    until = max((table.last_day for table in former.dated.values()), default="")
    tables = dict(staged.tables)
    with duckdb.connect() as connection:
        for name, table in staged.tables.items():
            before, kept = former.tables.get(name), former.first_path(name)
            if before is None or before.meaning != table.meaning or not former.parts_path(name).is_file():
                continue
            whole = f"part < {literal(until)} OR part >= {literal(UNDATED_PART)}"
            sql = f"SELECT * FROM {parquet(former.parts_path(name))} WHERE {whole}"
            if kept.is_file():
                sql = _merged_sql(connection, parquet(kept), f"({sql})")
            connection.execute(f"COPY ({sql}) TO {literal(str(staged.first_path(name)))} {WRITTEN}")
            tables[name] = replace(table, delivered_until=max(until, before.delivered_until))
    return replace(staged, tables=tables)


def _merged_sql(connection: duckdb.DuckDBPyConnection, kept: str, later: str) -> str:
    """Give the SQL of parts as they were first delivered; a column that came later counts from then on."""
    ours, theirs = (describe(connection, relation) for relation in (kept, later))
    columns = []
    for name in ours | theirs:
        sides = [f"{side}.{quoted(name)}" for side, has in (("kept", ours), ("later", theirs)) if name in has]
        columns.append(f"coalesce({', '.join(sides)}) AS {quoted(name)}")
    return f"SELECT {', '.join(columns)} FROM {kept} kept FULL JOIN {later} later ON kept.part = later.part"


def compared_tables(staged: StagedSource) -> list[str]:
    """Name the tables of which an earlier delivery is on record, so that their past can be compared."""
    return [name for name in staged.tables if staged.first_path(name).is_file() and staged.parts_path(name).is_file()]


def rewritings(staged: StagedSource) -> list[Rewriting]:
    """Find what is not as it was first delivered.

    Days up to the first of either delivery are left out, and where one reaches back less far some weeks more: a row of
    before may have been known late.
    """
    with duckdb.connect() as connection:
        return [found for name in compared_tables(staged) for found in _rewritings(connection, staged, name)]


def _rewritings(connection: duckdb.DuckDBPyConnection, staged: StagedSource, table: str) -> Iterator[Rewriting]:
    sums = _join_parts(connection, staged, table)
    total, parts = _row(connection, "sum(before), count(*) FILTER (before > 0)", "true")
    if not total:
        return
    rows = "rows - before"
    for kind, condition in (("removed", "rows < before"), ("added", "rows > before AND day IS NOT NULL")):
        _, days, first, last, count = _row(connection, f"count(*), {_DAYS}, abs(sum({rows}))", condition)
        if count:
            # Rows come to the last days before a delivery: what they are many of is what those days have.
            of = total if kind == "removed" else _row(connection, "sum(rows)", f"day >= {_recent(first)}")[0]
            yield Rewriting(table, kind, "", days, first or "", last or "", int(count), int(of))  # type: ignore[arg-type]
    changed = []
    for name in sums:
        # A group that grew or shrank has other rows, whose values nothing tells apart from those of before.
        found, days, first, last, most = _row(
            connection, f"count(*), {_DAYS}, sum(rows)", f"rows = before AND {quoted(name)}"
        )
        if found:
            # Of n rows a part, one in p of which changed, (1 - p)^n parts stay as they were.
            share = 1 - (1 - found / parts) ** (parts / float(total))
            about = min(int(most), max(found, round(share * float(total))))
            column = name.partition("|")[0]
            changed.append(Rewriting(table, "changed", column, days, first or "", last or "", about, int(total)))
    # Where whose row it is changed, or when it was known, the others are other rows'; where whole rows changed and no column
    # with them, values went from one row to another.
    for told in (KEYS, {found.column for found in changed} - {""}, {""}):
        if some := [found for found in changed if found.column in told]:
            yield from some
            return


def _recent(first: str) -> str:
    """Give the SQL of the first of the last days: since the first that was added to, and four weeks at least."""
    return f"least({literal(first)}, ((SELECT max(day) FROM compared)::DATE - {RECENT_DAYS})::VARCHAR)"


def _join_parts(connection: duckdb.DuckDBPyConnection, staged: StagedSource, table: str) -> list[str]:
    """Make the table ``compared``: day, before, rows and, for each sum that both deliveries have, whether it differs."""
    first, now = parquet(staged.first_path(table)), parquet(staged.parts_path(table))
    both = describe(connection, first).keys() & describe(connection, now).keys()
    sums = sorted(both - {"part", "rows"})
    differ = ", ".join(f"coalesce(was.{c} <> now.{c}, false) AS {c}" for c in map(quoted, sums))
    begins = " UNION ALL ".join(
        f"SELECT min(part)[:10] AS day FROM {parts} WHERE part < {literal(UNDATED_PART)}" for parts in (first, now)
    )
    since = f"CASE WHEN min(day) = max(day) THEN min(day) ELSE (max(day)::DATE + {RECENT_DAYS})::VARCHAR END"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE compared AS
        SELECT * FROM (
            SELECT
                CASE WHEN part < {literal(UNDATED_PART)} THEN part[:10] END AS day,
                coalesce(was.rows, 0) AS before,
                coalesce(now.rows, 0) AS rows,
                {differ}
            FROM {first} was FULL JOIN {now} now USING (part)
        )
        WHERE CASE
            WHEN day IS NULL THEN before > 0
            ELSE day > (SELECT {since} FROM ({begins})) AND day < {literal(staged.tables[table].delivered_until)}
        END"""
    )
    return sums


def _row(connection: duckdb.DuckDBPyConnection, asked: str, condition: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = connection.execute(f"SELECT {asked} FROM compared WHERE {condition}").fetchall()[0]
    return found

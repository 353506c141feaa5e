"""One mapped table to one Parquet file of facts, and one of the rows it rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from tenure.core.errors import DataContractError, StorageError
from tenure.core.sql import describe, first_line, literal, parquet, quoted
from tenure.core.stored import write_stored
from tenure.sources.carried_ids import warn_of_carried
from tenure.sources.casts import EARLIEST_DAY, USUAL_DAY
from tenure.sources.content import ROW, content_of, digest_by_day
from tenure.sources.contract import CONSENT, RECORDS, SEEN_AFTER, STATIC_DATE, UNDATED
from tenure.sources.deliveries import write_parts
from tenure.sources.inputs import Inputs
from tenure.sources.mapping import AFTER_CLOCK, MappedTable
from tenure.sources.private_records import keep_apart, told_of_rejected
from tenure.sources.rejected_rows import check_rejected, keep_unreadable
from tenure.sources.rejection_pattern import rejection_pattern
from tenure.sources.retention import first_days_kept
from tenure.sources.staged_source import KNOWN_FORMAT, StagedSource, TableSummary
from tenure.sources.staging_names import StagingNames

# How the system says that a disk is full, or a limit on files reached.
NO_ROOM = ("No space left", "File too large", "Disk quota exceeded")
# The first day of a table is taken where one row in a thousand lies before it, so one mistyped year starts no history.
HISTORY_QUANTILE = 0.001
# An attribute with more different texts than so many, and than such a share of the customers, describes nobody else.
FEW_TEXTS, NEAR_UNIQUE_SHARE = 50, 0.5


def stage_table(
    names: StagingNames,
    inputs: Inputs,
    mapped: MappedTable,
    into: StagedSource,
    scratch: Path,
    private: Path,
) -> TableSummary:
    """Write a table's facts, their digest by day and its rejected rows where ``into`` has them; return what it came to.

    Raises
    ------
    DataContractError : the raw file cannot be read to its end, or too much of it would be rejected.
    StorageError : no room.
    """
    connection = names.connection
    staged, rejected, known, _ = into.files(mapped.name)
    try:
        read, due, odd, pattern = _write(names, inputs, mapped, into, scratch, private)
    except duckdb.Error as error:
        if any(words in str(error) for words in NO_ROOM):
            raise StorageError(
                f"{mapped.place}: no room to stage {mapped.raw_name} in {staged.parent.parent}. Nothing was replaced; "
                "make room and run again."
            ) from None
        raise DataContractError(f"{mapped.place}: {mapped.raw_name} cannot be read: {first_line(error)}") from None
    hides_ids = inputs.identities.are_needed and mapped.is_dated
    unreadable = keep_unreadable(connection, mapped, rejected, with_text=not hides_ids)
    counted = f"SELECT rule, count(*) FROM {parquet(rejected)} GROUP BY 1 ORDER BY 2 DESC, 1"
    rules = dict(connection.execute(counted).fetchall())
    summary = _summarise(connection, mapped, staged, read, rules, unreadable, odd)
    check_rejected(connection, mapped, summary, rejected)
    by_day = digest_by_day(connection, parquet(staged), SEEN_AFTER if mapped.is_dated else literal(UNDATED))
    write_stored(known, by_day, KNOWN_FORMAT)
    write_parts(connection, mapped.name, into)
    told = [one for _, one in mapped.raw_told]
    texts = _near_unique(connection, mapped, staged, summary.customers)
    said = tuple(sentence for one in told for sentence in one.said)
    warned = [sentence for one in told for sentence in one.warnings]
    if inputs.source.pseudonymise:
        warned += warn_of_carried(connection, mapped, staged)
    warned += [f"{mapped.name}: {line}" for line in pattern]
    warned += [
        f"{mapped.name}: {name} has {count:,} different texts among {summary.customers:,} customers, nearly one each: it is "
        "kept, and no feature is made of it"
        for name, count in texts.items()
    ]
    return replace(
        summary, key=inputs.keys[mapped.name], meaning=inputs.meanings[mapped.name], content=content_of(by_day), due=due, said=said, warned=tuple(warned),
        ages=mapped.ages, near_unique=tuple(texts),
    )  # fmt: skip


def _near_unique(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, staged: Path, customers: int
) -> dict[str, int]:
    """Map the attributes that are texts, nearly one a customer, to how many different ones there are."""
    if mapped.name != "customers":
        return {}
    texts = [
        name
        for name, kind in describe(connection, parquet(staged)).items()
        if kind == "VARCHAR" and name != "customer_id" and not name.startswith(CONSENT)
    ]
    if not texts:
        return {}
    counted = ", ".join(f"count(DISTINCT {quoted(name)})" for name in texts)
    counts = connection.execute(f"SELECT {counted} FROM {parquet(staged)}").fetchall()[0]
    return {
        name: count
        for name, count in zip(texts, counts, strict=True)
        if count > max(NEAR_UNIQUE_SHARE * customers, FEW_TEXTS)
    }


def _write(
    names: StagingNames,
    inputs: Inputs,
    mapped: MappedTable,
    into: StagedSource,
    scratch: Path,
    private: Path,
) -> tuple[int, str, dict[str, int], list[str]]:
    """Write a table's facts and its rejected rows.

    => rows read, when the first fact will have occurred that the ingest clock rejects, how many rows are odd in which
    way, where rejected rows gather
    """
    connection = names.connection
    staged, rejected, *_ = into.files(mapped.name)
    counted = ["count(*)", *(f"count(*) FILTER ({condition})" for condition in mapped.asides.values())]
    read, *counts = connection.execute(f"SELECT {', '.join(counted)} FROM {mapped.raw_view}").fetchall()[0]
    odd = {what: count for what, count in zip(mapped.asides, counts, strict=True) if count}
    columns = ", ".join(quoted(column) for column in mapped.staged_columns)
    judged, left_out = judged_rows(names, inputs, mapped)
    if inputs.source.pseudonymise and mapped.name == RECORDS:
        judged = keep_apart(connection, mapped.staged_columns, judged, scratch, private, inputs.keys[mapped.name])
    kept = _copy(connection, f"SELECT {columns} FROM ({judged}) WHERE rule IS NULL", staged)
    if kept == read - left_out:
        _copy(connection, f"SELECT rule, raw_row, raw FROM ({judged}) WHERE false", rejected)
        return kept, "", odd, []
    broken = _copy(connection, f"SELECT rule, raw_row, raw FROM ({judged}) WHERE rule IS NOT NULL", rejected)
    pattern = rejection_pattern(connection, judged, mapped.staged_columns, kept + broken, broken, scratch)
    is_late = f"rule = {literal(AFTER_CLOCK)}"
    if not connection.execute(f"SELECT 1 FROM {parquet(rejected)} WHERE {is_late} LIMIT 1").fetchall():
        return read - left_out, "", odd, pattern
    # As texts, years of five digits would sort among the first.
    first = "min(least(occurred_at, TIMESTAMP '9999-12-31'))::VARCHAR"
    due = connection.execute(f"SELECT {first} FROM ({judged}) WHERE {is_late}").fetchall()[0][0]
    return read - left_out, due, odd, pattern


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the rows of a query; return how many."""
    copied = connection.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
    return int(copied.fetchall()[0][0])


def judged_rows(
    names: StagingNames, inputs: Inputs, mapped: MappedTable, *, with_raw_of_staged: bool = False
) -> tuple[str, int]:
    """Give the SQL of a table's judged rows, its customers named as they shall be.

    Give how many rows are left out as if never read, too.

    Left out are the rows of forgotten customers, and those older than they may be kept.
    """
    source = inputs.source
    hides_names = source.pseudonymise and mapped.is_dated
    told = told_of_rejected(mapped) if hides_names else None
    judged = mapped.judged_sql(inputs.clock, told, with_raw_of_staged=with_raw_of_staged)
    left_out = 0
    if inputs.identities.are_needed and mapped.is_dated:
        left_out += names.forgotten_rows(mapped)
        judged = names.named_sql(mapped, judged)
    if first_day := first_days_kept(source.retention, inputs.clock.date()).get(mapped.name):
        too_old = f"occurred_at < DATE '{first_day}' AND occurred_at > DATE '{STATIC_DATE}'"
        (old,) = names.connection.execute(f"SELECT count(*) FROM ({judged}) WHERE {too_old}").fetchall()[0]
        left_out += old
        judged = f"SELECT * FROM ({judged}) WHERE ({too_old}) IS NOT TRUE"
    return judged, left_out


def _summarise(
    connection: duckdb.DuckDBPyConnection,
    mapped: MappedTable,
    staged: Path,
    read: int,
    rules: dict[str, int],
    unreadable: int,
    odd: dict[str, int],
) -> TableSummary:
    seen = SEEN_AFTER if mapped.is_dated else literal(UNDATED)
    asked = {"staged": "count(*)"}
    if mapped.is_dated:
        asked |= {
            "first_day": "min(occurred_at)::DATE", "last_day": "max(occurred_at)::DATE", "latest": "max(occurred_at)",
            "history_start": f"quantile_disc(occurred_at, {HISTORY_QUANTILE})::DATE",
            "customers": "count(DISTINCT customer_id)",
            "before 1980": f"count(*) FILTER (occurred_at < DATE '{USUAL_DAY}' AND occurred_at > DATE '{EARLIEST_DAY}')",
        }  # fmt: skip
    if not mapped.key:
        asked["distinct"] = f"count(DISTINCT hash({ROW}))"
    asked |= {f"negative {name}": f"count(*) FILTER ({quoted(name)} < 0)" for name in mapped.amount_columns}
    asked |= {
        f"three decimals of {name}": f"count(*) FILTER ({quoted(name)} % 0.01 <> 0 AND {quoted(name)} % 0.001 = 0)"
        for name in mapped.amount_columns
    }
    asked |= {f"filled {name}": f"min({seen}) FILTER ({quoted(name)} IS NOT NULL)" for name in mapped.staged_columns}
    row = connection.execute(f"SELECT {', '.join(asked.values())} FROM {parquet(staged)} AS {ROW}").fetchall()[0]
    found = dict(zip(asked, row, strict=True))
    count = found["staged"]
    warnings = odd | {what: found[what] for what in map("negative {}".format, mapped.amount_columns) if found[what]}
    for name in mapped.amount_columns:
        # No currency but five has a third decimal; of thousands that a point parts, nine in ten seem to.
        if 2 * (odd_decimals := found[f"three decimals of {name}"]) > count:
            warnings[f"{name} with three decimals: does its point part thousands, as in 1.250 for 1250?"] = odd_decimals
    if old := found.get("before 1980"):
        warnings[f"before {USUAL_DAY}, first {found['first_day']}: state earliest_day"] = old
    if found.get("distinct", count) < count:
        warnings["identical to another row, and no key is declared"] = count - found["distinct"]
    dated = ("first_day", "history_start", "last_day", "latest") if mapped.is_dated and count else ()
    dates: dict[str, Any] = {name: str(found[name]) for name in dated}
    days = {name: day for name in mapped.staged_columns if (day := found[f"filled {name}"]) is not None}
    return TableSummary(
        read=read, staged=count, rejected=sum(rules.values()), unreadable=unreadable, rules=rules, warnings=warnings,
        columns=mapped.staged_columns, filled_from=days, customers=found.get("customers", 0),
        is_static=mapped.is_static, **dates,
    )  # fmt: skip

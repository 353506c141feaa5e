"""Raw files to staged facts: rename, cast, check, and keep what is rejected with the rule it broke."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from shutil import rmtree
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from tenure.errors import DataContractError, NotEnoughDataError, StorageError
from tenure.lock import sole_writer
from tenure.sources.contract import RECORDS, STAGED_TABLES, STATIC_DATE
from tenure.sources.date_formats import check_date_formats
from tenure.sources.identities import Identities
from tenure.sources.mapping import MappedTable, map_table
from tenure.sources.private_records import keep_apart, told_of_rejected
from tenure.sources.raw_files import (
    READABLE,
    SERVERS,
    choose_raw_file,
    fingerprint_file,
    inside,
    literal,
    open_locked,
    quoted,
    split_reference,
)
from tenure.sources.raw_views import first_line
from tenure.sources.retention import first_days_kept
from tenure.sources.source import Source, TableMapping
from tenure.workspace import Workspace, replaced_folder

# Part of every fingerprint: raise it when staging changes what it writes.
STAGING_VERSION = 4
# How the system says that a disk is full, or a limit on files reached.
NO_ROOM = ("No space left", "File too large", "Disk quota exceeded")
# The first day of a table is taken where one row in a thousand lies before it, so one mistyped year starts no history.
HISTORY_QUANTILE = 0.001


@dataclass(frozen=True)
class TableSummary:
    """What staging one table came to. ``read + unreadable == staged + rejected`` always holds.

    Rows of forgotten customers, and those older than they may be kept, are in none of them, as if the raw file did not hold them.
    """

    read: int
    staged: int
    rejected: int
    unreadable: int = 0
    rules: dict[str, int] = field(default_factory=dict)  # rule broken => rows
    warnings: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    empty: tuple[
        str, ...
    ] = ()  # of the columns, those without a value in any row: mostly what the source does not give
    customers: int = 0
    first_day: str = ""
    history_start: str = ""
    last_day: str = ""
    is_static: bool = False

    @property
    def filled_columns(self) -> list[str]:
        return [column for column in self.columns if column not in self.empty]


@dataclass(frozen=True)
class StagedSource:
    """A source's staged facts on disk: one Parquet file per table, and what is known of them."""

    source: Source
    folder: Path
    fingerprint: str
    raw_hashes: dict[str, str]
    tables: dict[str, TableSummary]
    reused: bool = False
    identity_events: Path | None = None  # which customers are one person; none where nobody has asked
    private_records: Path | None = None  # under pseudonyms: where the records are whole

    def path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    @property
    def whole_records(self) -> Path:
        """Where the records stand with all that describes a person: what matching reads."""
        return self.private_records or self.path(RECORDS)

    def rejected_path(self, table: str) -> Path:
        return self.folder / "rejected" / f"{table}.parquet"

    @property
    def dated(self) -> dict[str, TableSummary]:
        """The tables whose rows have real dates."""
        return {n: t for n, t in self.tables.items() if STAGED_TABLES[n].is_dated and not t.is_static and t.staged}

    @property
    def history_start(self) -> date:
        return min(date.fromisoformat(table.history_start) for table in self.dated.values())

    @property
    def last_day(self) -> date:
        return max(date.fromisoformat(table.last_day) for table in self.dated.values())

    @property
    def default_as_of(self) -> date:
        """The day after the last day over all staged facts."""
        return self.last_day + timedelta(days=1)

    def warnings(self) -> list[str]:
        """Say what is odd but possible, one line each."""
        lines = [
            f"{name}: {count:,} rows: {what} (kept)"
            for name, table in self.tables.items()
            for what, count in table.warnings.items()
        ]
        for name, table in self.dated.items():
            behind = (self.last_day - date.fromisoformat(table.last_day)).days
            if behind > 14:
                lines.append(f"{name}: ends on {table.last_day}, {behind} days before the last fact of the source")
        return lines


def stage_source(
    workspace: Workspace, source: Source, *, allow_empty: bool = False, identities: Identities | None = None
) -> StagedSource:
    """Stage a source, or reuse what is staged when neither raw files nor mapping changed.

    ``allow_empty`` stages tables without rows as they are: of files as they stood on an early day. ``identities`` are the
    workspace's own unless others are given.

    Raises
    ------
    UsageError : ids are to be hashed and the key is missing, or another one. LockedError : another process writes.
    DataContractError : a missing file or column, an unreadable or empty table, most rows rejected, ids that never meet.
    """
    folder = workspace.raw(source.name)
    mappings = effective_mappings(source, folder)
    raw_hashes = _raw_hashes(source, folder, mappings)
    identities = identities or Identities.of(workspace, source)
    kept_from = first_days_kept(source.retention, datetime.now(ZoneInfo(source.timezone)).date())
    kept = {name: str(day) for name, day in kept_from.items()}
    made_from = [STAGING_VERSION, source.definition, raw_hashes, identities.state(), kept]
    fingerprint = blake2b(json.dumps(made_from, sort_keys=True).encode(), digest_size=16).hexdigest()
    target = workspace.staged(source.name)
    events = workspace.identity_events(source.name)
    private = workspace.private_records(source.name) if source.pseudonymise and RECORDS in mappings else None
    is_whole = private is None or private.is_file()
    if is_whole and (staged := _read_manifest(source, target)) and staged.fingerprint == fingerprint:
        return replace(staged, identity_events=events, private_records=private)
    with sole_writer(workspace, source.name, f"staging {source.name}"), replaced_folder(target) as fresh:
        tables = _stage_tables(source, folder, mappings, fresh, identities, private, allow_empty=allow_empty)
        manifest = {
            "fingerprint": fingerprint,
            "raw_hashes": raw_hashes,
            "tables": {n: asdict(t) for n, t in tables.items()},
        }
        (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    if private is None:
        workspace.private_records(source.name).unlink(missing_ok=True)
    return StagedSource(
        source, target, fingerprint, raw_hashes, tables, identity_events=events, private_records=private
    )


def effective_mappings(source: Source, folder: Path) -> dict[str, TableMapping]:
    """Join the TOML's mappings with the files that carry staged names and need none.

    Raises
    ------
    DataContractError : the folder holds nothing that can be staged.
    """
    mappings = dict(source.tables)
    for name, table in STAGED_TABLES.items():
        found = [f"{name}{ending}" for ending in READABLE if (folder / f"{name}{ending}").is_file()]
        if name not in mappings and found:
            mappings[name] = TableMapping(table, raw_files=(found[0],))
    if not any(STAGED_TABLES[name].is_dated for name in mappings):
        present = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
        raise DataContractError(
            f"{folder}: no raw data. Found: {', '.join(present) or 'nothing'}. Expected a source.toml, or files named as "
            f"the staged tables ({', '.join(STAGED_TABLES)}). Put them there, or run 'tenure fetch {source.name} --from FOLDER'."
        )
    return {name: mappings[name] for name in STAGED_TABLES if name in mappings}


def _raw_hashes(source: Source, folder: Path, mappings: dict[str, TableMapping]) -> dict[str, str]:
    files: set[Path] = set()
    for name, mapping in mappings.items():
        if mapping.query:
            files |= {path for path in folder.glob("*") if path.name.lower().endswith(READABLE)}
        else:
            file = split_reference(choose_raw_file(folder, mapping.raw_files, f"{source.where} [{name}]"))[0]
            files |= set() if file in SERVERS else {inside(folder, file, source.where)}
    hashes = {path.name: fingerprint_file(path) for path in sorted(files)}
    for server in SERVERS & {split_reference(file)[0] for m in mappings.values() for file in m.raw_files}:
        hashes[server] = datetime.now().isoformat()  # a server's content has no hash: read it every time
    return hashes


def _read_manifest(source: Source, folder: Path) -> StagedSource | None:
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    manifest = json.loads(path.read_text(encoding="utf-8"))
    tables = {
        name: TableSummary(**{**t, "columns": tuple(t["columns"]), "empty": tuple(t.get("empty", ()))})
        for name, t in manifest["tables"].items()
    }
    return StagedSource(source, folder, manifest["fingerprint"], manifest["raw_hashes"], tables, reused=True)


def _stage_tables(
    source: Source,
    folder: Path,
    mappings: dict[str, TableMapping],
    fresh: Path,
    identities: Identities,
    private: Path | None,
    *,
    allow_empty: bool,
) -> dict[str, TableSummary]:
    clock = datetime.now(ZoneInfo(source.timezone)).replace(tzinfo=None)
    (fresh / "rejected").mkdir()
    connection = open_locked(folder, fresh)
    tables: dict[str, TableSummary] = {}
    try:
        identities.open(connection)
        # Who is a customer is known before the first table is staged: a text of it may name one of the last.
        every = [
            _map_and_learn(connection, source, folder, fresh, m, identities, allow_empty) for m in mappings.values()
        ]
        for mapped in every:
            tables[mapped.name] = _stage_table(connection, source, mapped, fresh, clock, identities, private)
        if not allow_empty:
            _check_ids_meet(connection, source, fresh, tables)
        identities.close(connection)
    finally:
        connection.close()
    for scratch in ("converted", "spill"):
        rmtree(fresh / scratch, ignore_errors=True)
    return tables


def _map_and_learn(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    folder: Path,
    fresh: Path,
    mapping: TableMapping,
    identities: Identities,
    allow_empty: bool,
) -> MappedTable:
    mapped = map_table(connection, source, folder, fresh, mapping, allow_empty=allow_empty)
    identities.learn(connection, mapped)
    if mapped.keeps_unreadable:
        _clear_unreadable(connection)  # they are met again, and kept, when the table is staged
    return mapped


def _clear_unreadable(connection: duckdb.DuckDBPyConnection) -> None:
    # DuckDB makes the two with the first file it reads.
    present = "SELECT table_name FROM duckdb_tables() WHERE table_name IN ('reject_errors', 'reject_scans')"
    for (table,) in connection.execute(present).fetchall():
        connection.execute(f"DELETE FROM {table}")


def _stage_table(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapped: MappedTable,
    fresh: Path,
    clock: datetime,
    identities: Identities,
    private: Path | None,
) -> TableSummary:
    name = mapped.name
    staged, rejected = fresh / f"{name}.parquet", fresh / "rejected" / f"{name}.parquet"
    try:
        (read,) = connection.execute(f"SELECT count(*) FROM {mapped.raw_view}").fetchall()[0]
        columns = ", ".join(quoted(column) for column in mapped.staged_columns)
        hides_names = source.pseudonymise and mapped.is_dated
        judged = mapped.judged_sql(clock, told_of_rejected(mapped) if hides_names else None)
        if hides_ids := identities.are_needed and mapped.is_dated:
            read -= identities.forgotten_rows(connection, mapped)
            judged = identities.named_sql(connection, mapped, judged)
        if first_day := first_days_kept(source.retention, clock.date()).get(name):
            too_old = f"occurred_at < DATE '{first_day}' AND occurred_at > DATE '{STATIC_DATE}'"
            (old,) = connection.execute(f"SELECT count(*) FROM ({judged}) WHERE {too_old}").fetchall()[0]
            read -= old
            judged = f"SELECT * FROM ({judged}) WHERE ({too_old}) IS NOT TRUE"
        if private and name == RECORDS:
            judged = keep_apart(connection, mapped.staged_columns, judged, fresh, private)
        connection.execute(
            f"COPY (SELECT {columns} FROM ({judged}) WHERE rule IS NULL) TO {literal(str(staged))} (FORMAT parquet, COMPRESSION zstd)"
        )
        connection.execute(
            f"COPY (SELECT rule, raw_row, raw FROM ({judged}) WHERE rule IS NOT NULL) TO {literal(str(rejected))} (FORMAT parquet, COMPRESSION zstd)"
        )
    except duckdb.Error as error:
        if any(words in str(error) for words in NO_ROOM):
            raise StorageError(
                f"{mapped.place}: no room to stage {mapped.raw_name} in {fresh.parent}. Nothing was replaced; make room and run again."
            ) from None
        raise DataContractError(f"{mapped.place}: {mapped.raw_name} cannot be read: {first_line(error)}") from None
    unreadable = (
        _unreadable_lines(connection, mapped, rejected, with_text=not hides_ids) if mapped.keeps_unreadable else 0
    )
    rules = dict(
        connection.execute(
            f"SELECT rule, count(*) FROM read_parquet({literal(str(rejected))}) GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
    )
    summary = _summarise(connection, mapped, staged, read, rules, unreadable)
    _check_rejected(connection, mapped, summary, rejected)
    return summary


def _unreadable_lines(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, rejected: Path, *, with_text: bool
) -> int:
    """Add the lines the CSV reader could not read to the rejected rows; return how many.

    Whose line it is cannot be told: without its text it names nobody.
    """
    lines = connection.execute(
        "SELECT line, any_value(csv_line), any_value(error_message) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    foreign = connection.execute(
        "SELECT count(DISTINCT line), min(line) FROM reject_errors WHERE error_type = 'INVALID ENCODING' HAVING count(*) > 0"
    ).fetchone()
    _clear_unreadable(connection)
    if not lines:
        return 0
    if foreign:
        count, first = foreign
        raise DataContractError(
            f"{mapped.place}: {count:,} lines of {mapped.raw_name} are not UTF-8 (first: line {first}). Expected UTF-8: save the file so, "
            f'or say [raw."{mapped.raw_name}"] encoding = "latin-1".'
        )
    merged = rejected.with_suffix(".merged.parquet")
    connection.execute("CREATE OR REPLACE TEMP TABLE unreadable (rule VARCHAR, raw_row BIGINT, raw VARCHAR)")
    connection.executemany(
        "INSERT INTO unreadable VALUES (?, ?, ?)",
        [
            (
                "unreadable line",
                number,
                json.dumps({"line": text if with_text else None, "error": str(why).splitlines()[0]}),
            )
            for number, text, why in lines
        ],
    )
    connection.execute(
        f"COPY (SELECT * FROM read_parquet({literal(str(rejected))}) UNION ALL SELECT * FROM unreadable) "
        f"TO {literal(str(merged))} (FORMAT parquet, COMPRESSION zstd)"
    )
    merged.replace(rejected)
    return len(lines)


def _summarise(
    connection: duckdb.DuckDBPyConnection,
    mapped: MappedTable,
    staged: Path,
    read: int,
    rules: dict[str, int],
    unreadable: int,
) -> TableSummary:
    relation = f"read_parquet({literal(str(staged))})"
    (count,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0]
    facts: dict[str, Any] = {}
    warnings: dict[str, int] = {}
    if mapped.is_dated and count:
        row = connection.execute(
            f"SELECT min(occurred_at)::DATE, quantile_disc(occurred_at, {HISTORY_QUANTILE})::DATE, max(occurred_at)::DATE, "
            f"count(DISTINCT customer_id) FROM {relation}"
        ).fetchall()[0]
        facts = dict(zip(("first_day", "history_start", "last_day"), map(str, row[:3]), strict=True), customers=row[3])
    for column in mapped.amount_columns if count else ():
        (negative,) = connection.execute(f"SELECT count(*) FROM {relation} WHERE {quoted(column)} < 0").fetchall()[0]
        if negative:
            warnings[f"negative {column}"] = negative
    if count and not mapped.key:
        (distinct,) = connection.execute(f"SELECT count(DISTINCT hash(t)) FROM {relation} t").fetchall()[0]
        if distinct < count:
            warnings["identical to another row, and no key is declared"] = count - distinct
    counted = ", ".join(f"count({quoted(column)})" for column in mapped.staged_columns)
    filled = connection.execute(f"SELECT {counted} FROM {relation}").fetchall()[0]
    return TableSummary(
        read=read, staged=count, rejected=sum(rules.values()), unreadable=unreadable, rules=rules, warnings=warnings,
        columns=mapped.staged_columns, empty=tuple(c for c, n in zip(mapped.staged_columns, filled, strict=True) if not n), is_static=mapped.is_static, **facts,
    )  # fmt: skip


def _check_rejected(
    connection: duckdb.DuckDBPyConnection, mapped: MappedTable, summary: TableSummary, rejected: Path
) -> None:
    if summary.read + summary.unreadable != summary.staged + summary.rejected:
        raise DataContractError(
            f"{mapped.place}: {summary.read:,} rows read and {summary.unreadable:,} unreadable, but {summary.staged:,} staged and "
            f"{summary.rejected:,} rejected. Rows would be lost; is {mapped.raw_name} being written to? Run again."
        )
    if "occurred_at is not a date" in summary.rules:
        check_date_formats(connection, mapped, rejected)
    if (
        not summary.read + summary.unreadable
        or summary.staged
        and summary.rejected <= mapped.max_rejected_share * (summary.read + summary.unreadable)
    ):
        return
    rule, count = next(iter(summary.rules.items()))
    first = connection.execute(
        f"SELECT raw FROM read_parquet({literal(str(rejected))}) WHERE rule = ? ORDER BY raw_row LIMIT 1", [rule]
    ).fetchall()[0][0]
    raise DataContractError(
        f"{mapped.place}: {summary.rejected:,} of {summary.read + summary.unreadable:,} rows of {mapped.raw_name} would be rejected, most ({count:,}) because: "
        f"{rule} (first: {first[:200]}). Expected at most {mapped.max_rejected_share:.0%}. Mend the mapping or the file, or allow "
        "it with max_rejected_share."
    )


def _check_ids_meet(
    connection: duckdb.DuckDBPyConnection, source: Source, fresh: Path, tables: dict[str, TableSummary]
) -> None:
    """Refuse a table none of whose customers appears in any other: its ids are written differently."""
    dated = [name for name, table in tables.items() if table.customers >= 10]
    for name in dated:
        others = [other for other in dated if other != name]
        if not others:
            continue
        union = " UNION ALL ".join(
            f"SELECT customer_id FROM read_parquet({literal(str(fresh / o) + '.parquet')})" for o in others
        )
        own = f"read_parquet({literal(str(fresh / name) + '.parquet')})"
        if connection.execute(f"SELECT 1 FROM {own} WHERE customer_id IN ({union}) LIMIT 1").fetchall():
            continue
        examples = [
            connection.execute(
                f"SELECT min(customer_id) FROM read_parquet({literal(str(fresh / t) + '.parquet')})"
            ).fetchall()[0][0]
            for t in (name, others[0])
        ]
        raise DataContractError(
            f"{source.where} [{name}]: none of its {tables[name].customers:,} customers appears in another table (here '{examples[0]}', in "
            f"{others[0]} '{examples[1]}'). Expected the same ids; mend the customer_id expression of one of them."
        )


def check_as_of(staged: StagedSource, as_of: date | None) -> date:
    """Return the as-of, by default the day after the last fact.

    Raises
    ------
    NotEnoughDataError : the as-of lies more than a week after the last fact, or before any fact.
    """
    default = staged.default_as_of
    if as_of is None:
        return default
    if as_of > default + timedelta(days=7):
        raise NotEnoughDataError(
            f"As-of {as_of}: the last fact of {staged.source.name} is of {staged.last_day}. Expected an as-of of {default} or "
            "before (a week's delay is allowed): later, every customer would look silent. Bring newer data or choose an earlier as-of."
        )
    if as_of <= staged.history_start:
        raise NotEnoughDataError(
            f"As-of {as_of}: the facts of {staged.source.name} begin on {staged.history_start}. Expected a later as-of."
        )
    return as_of

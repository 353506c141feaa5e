"""A source's staged facts on disk, and what is known of them: rows, days, warnings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

from tenure.core.errors import AsOfError, DataContractError, NotEnoughDataError
from tenure.core.hashing import digest
from tenure.core.stored import FORMAT, made_of, read_stored, write_stored
from tenure.sources.contract import RECORDS, STAGED_TABLES, TOLD_SHARE
from tenure.sources.source import Source

MANIFEST, MANIFEST_FORMAT = "manifest.json", 1
KNOWN_FORMAT = 1


@dataclass(frozen=True)
class TableSummary:
    """What staging one table came to. ``read + unreadable == staged + rejected`` always holds.

    Rows of forgotten customers, and those older than they may be kept, are in none of them, as if the raw file did not
    hold them.
    """

    read: int
    staged: int
    rejected: int
    unreadable: int = 0
    rules: dict[str, int] = field(default_factory=dict)  # rule broken => rows
    warnings: dict[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()  # how its files were read
    warned: tuple[str, ...] = ()  # what was not read of them, or is not plain
    columns: tuple[str, ...] = ()
    # column => the last day on which no value of it was known, "" where rows have no day; a column that no row fills is
    # not in it.
    filled_from: dict[str, str] = field(default_factory=dict)
    ages: tuple[str, ...] = ()  # attributes that are dates: days from each to its row
    near_unique: tuple[str, ...] = ()  # attributes with nearly as many texts as customers: no features
    customers: int = 0
    first_day: str = ""
    history_start: str = ""
    last_day: str = ""
    is_static: bool = False
    key: str = field(default="", compare=False)  # what it was made of, the ingest clock aside
    meaning: str = field(default="", compare=False)  # by what it was made, whatever the raw files hold
    delivered_until: str = field(default="", compare=False)  # the day before which earlier deliveries are on record
    content: str = field(default="", compare=False)  # its rows, in whatever order
    # When the last fact occurred, and when the first of those will that were rejected as of the future: a clock between
    # them changes nothing.
    latest: str = ""
    due: str = ""

    @property
    def filled_columns(self) -> list[str]:
        return [column for column in self.columns if column in self.filled_from]

    def filled_before(self, day: date) -> list[str]:
        """List the columns of which a value had occurred and was known before a day."""
        return [column for column in self.filled_columns if self.filled_from[column] < day.isoformat()]


@dataclass(frozen=True)
class StagedSource:
    """A source's staged facts on disk: one Parquet file per table, and what is known of them.

    ``fingerprint`` names their content.
    """

    source: Source
    folder: Path
    fingerprint: str
    raw_hashes: dict[str, str]
    tables: dict[str, TableSummary]
    reused: bool = False
    identity_events: Path | None = None  # which customers are one person; none where nobody has asked
    private_records: Path | None = None  # under pseudonyms: where the records are whole

    def __repr__(self) -> str:
        rows = sum(table.staged for table in self.tables.values())
        return f"<StagedSource {self.source.name}: {len(self.tables)} tables, {rows:,} rows, {self.fingerprint}>"

    @property
    def key(self) -> str:
        """What they were made of, as one text: other raw files may come to the same facts."""
        return digest({name: table.key for name, table in sorted(self.tables.items())})

    def path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    @property
    def whole_records(self) -> Path:
        """Where the records stand with all that describes a person: what matching reads."""
        return self.private_records or self.path(RECORDS)

    def rejected_path(self, table: str) -> Path:
        return self.folder / "rejected" / f"{table}.parquet"

    def known_path(self, table: str) -> Path:
        """Where the digest of a table's rows by day lies."""
        return self.folder / "known" / f"{table}.json"

    def parts_path(self, table: str) -> Path:
        """Where the digests of a table by part and column lie."""
        return self.folder / "known" / f"{table}.parquet"

    def first_path(self, table: str) -> Path:
        """Where the same digests lie as earlier deliveries first had them; no file where none is on record."""
        return self.folder / "known" / f"{table}.first.parquet"

    def files(self, table: str) -> tuple[Path, ...]:
        return self.path(table), self.rejected_path(table), self.known_path(table), self.parts_path(table)

    @property
    def dated(self) -> dict[str, TableSummary]:
        """The tables whose rows have real dates."""
        return {n: t for n, t in self.tables.items() if STAGED_TABLES[n].is_dated and not t.is_static and t.staged}

    @property
    def history_start(self) -> date:
        """First day over all staged facts.

        Raises
        ------
        DataContractError : none of them has a date.
        """
        return min(date.fromisoformat(table.history_start) for table in self._some_dated())

    @property
    def last_day(self) -> date:
        """Last day over all staged facts.

        Raises
        ------
        DataContractError : none of them has a date.
        """
        return max(date.fromisoformat(table.last_day) for table in self._some_dated())

    def _some_dated(self) -> Collection[TableSummary]:
        if not self.dated:
            staged = ", ".join(f"{name} ({table.staged:,} rows)" for name, table in self.tables.items())
            raise DataContractError(
                f"{self.source.where}: no staged fact has a date. Found {staged or 'no table'}. Expected at least one "
                "table of dated facts, such as order_lines with occurred_at: without days there is neither a past nor "
                "an outcome. Map one, or bring its file."
            )
        return self.dated.values()

    @property
    def default_as_of(self) -> date:
        """The day after the last day over all staged facts."""
        return self.last_day + timedelta(days=1)

    def rejections(self) -> list[str]:
        """Say which rows were rejected and by which rule, one line for each table that has any."""
        rules = {
            name: ", ".join(f"{count:,} {rule}" for rule, count in table.rules.items())
            for name, table in self.tables.items()
        }
        return [
            f"{name}: {table.rejected:,} rejected ({rules[name]}), kept in "
            f"data/staged/{self.source.name}/rejected/{name}.parquet"
            for name, table in self.tables.items()
            if table.rejected
        ]

    def warnings(self) -> list[str]:
        """Say what is odd but possible, one line each."""
        lines = list(self.source.warnings)
        lines += [
            f"{name}: {count:,} rows: {what} (kept)"
            for name, table in self.tables.items()
            for what, count in table.warnings.items()
        ]
        for name, table in self.tables.items():
            share = table.rejected / max(table.read + table.unreadable, 1)
            if share > TOLD_SHARE:
                rule, count = next(iter(table.rules.items()))
                lines.append(f"{name}: {share:.1%} of its rows are rejected, most ({count:,}) because: {rule}")
        # Two tables may read one file.
        lines += dict.fromkeys(sentence for table in self.tables.values() for sentence in table.warned)
        for name, table in self.dated.items():
            behind = (self.last_day - date.fromisoformat(table.last_day)).days
            if behind > 14:
                lines.append(f"{name}: ends on {table.last_day}, {behind} days before the last fact of the source")
        return lines


def fingerprint_of(tables: Mapping[str, TableSummary]) -> str:
    """Name what staged tables hold, and nothing else: the same facts delivered otherwise have the same name."""
    return digest({name: table.content for name, table in sorted(tables.items())})


def write_manifest(staged: StagedSource) -> None:
    """Keep beside the tables what they were made from, and what each came to."""
    tables = {name: asdict(table) for name, table in staged.tables.items()}
    document = {"fingerprint": staged.fingerprint, "raw_hashes": staged.raw_hashes, "tables": tables}
    write_stored(staged.folder / MANIFEST, document, MANIFEST_FORMAT)


def read_manifest(source: Source, folder: Path) -> StagedSource | None:
    """Read what ``write_manifest`` wrote.

    It is None where nothing is staged, or an earlier version staged it that named it otherwise.

    Raises
    ------
    StoredFormatError : a newer Tenure staged it.
    """
    if not (folder / MANIFEST).is_file():
        return None
    manifest = read_stored(folder / MANIFEST, MANIFEST_FORMAT)
    if manifest.get(FORMAT) != MANIFEST_FORMAT:
        return None
    tables = {
        name: made_of(
            TableSummary, {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        )
        for name, table in manifest["tables"].items()
    }
    return StagedSource(source, folder, manifest["fingerprint"], manifest["raw_hashes"], tables, reused=True)


def check_as_of(staged: StagedSource, as_of: date | None) -> date:
    """Return the as-of, by default the day after the last fact.

    Raises
    ------
    AsOfError : the as-of lies more than a week after the last fact. NotEnoughDataError : it lies before any fact.
    """
    default = staged.default_as_of
    if as_of is None:
        return default
    if as_of > default + timedelta(days=7):
        raise AsOfError(
            f"As-of {as_of}: the last fact of {staged.source.name} is of {staged.last_day}. Expected an as-of of "
            f"{default}, or {default + timedelta(days=7)} at the latest: later, every customer would look silent. "
            "Bring newer data or choose an earlier as-of."
        )
    if as_of <= staged.history_start:
        raise NotEnoughDataError(
            f"As-of {as_of}: the facts of {staged.source.name} begin on {staged.history_start}. Expected a later as-of."
        )
    return as_of

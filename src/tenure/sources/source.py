"""Reading a ``source.toml``: what one company's raw data means in staged facts."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.hashing import digest
from tenure.core.time_windows import Grid
from tenure.core.workspace import Workspace, check_name
from tenure.sources.contract import STAGED_TABLES, StagedTable
from tenure.sources.retention import parse_retention

SETTINGS = {
    "name", "title", "currency", "timezone", "raw_timezone", "cutoff_grid", "min_history_days", "margin_rate",
    "published", "licence", "note", "owner", "pseudonymise", "retention", "targets", "raw", "features", "attributes",
}  # fmt: skip
NOT_PLAIN = {"name", "raw", "features", "targets", "attributes", "retention"}
TABLE_SETTINGS = {"from", "query", "attributes", "consent", "extra", "key", "max_rejected_share"}
RAW_SETTINGS = {"known_at", "url_env", "delimiter", "encoding"}
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class TableMapping:
    """How one staged table comes from the raw files: SQL expressions (DuckDB) over the raw columns.

    ``raw_files`` are alternatives, the first that is present is read. ``columns`` may be empty: then the file carries
    the staged names already.
    """

    table: StagedTable
    raw_files: tuple[str, ...] = ()
    query: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    max_rejected_share: float = 0.8

    @property
    def is_as_staged(self) -> bool:
        return not (self.columns or self.query)

    @property
    def file_names(self) -> set[str]:
        """The alternatives without the part of a file that one may name (``book.xlsx#Sheet1``)."""
        return {name.partition("#")[0] for name in self.raw_files}


@dataclass(frozen=True)
class RawFile:
    """What is said of one raw file: when each of its rows was known, how to read it."""

    known_at: str = ""
    url_env: str = ""
    delimiter: str = ""
    encoding: str = ""


@dataclass(frozen=True)
class Source:
    """One company's raw data and its mapping to staged facts."""

    name: str
    where: str  # where the TOML was read from, for messages
    title: str = ""
    currency: str = ""
    timezone: str = "UTC"
    raw_timezone: str = ""
    cutoff_grid: Grid = "month"
    min_history_days: int | None = None
    margin_rate: float = 0.3  # share of revenue that is margin; an assumption until the company states it
    published: str = ""
    licence: str = ""
    note: str = ""
    owner: str = ""  # who owns its models on an MLflow server that others use, too; by default an id of the workspace
    pseudonymise: bool = False  # customers are named by a keyed hash from staging on
    retention: dict[str, int] = field(default_factory=dict)  # what => days
    tables: dict[str, TableMapping] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    raw: dict[str, RawFile] = field(default_factory=dict)
    features: tuple[dict[str, Any], ...] = ()
    # Where its raw files lie, and what it brings of targets, attributes, estimators and readers.
    folder: Path | None = field(default=None, repr=False, compare=False)

    @property
    def meaning(self) -> str:
        """Digest of all that is said of the source: comments, white space and the place of the file are none of it."""
        return digest(repr(replace(self, where="")))


def bundled_source_names() -> tuple[str, ...]:
    """List the sources whose mapping ships with the package."""
    folder = files("tenure.sources") / "bundled"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def read_source(workspace: Workspace, name: str) -> Source:
    """Read a source's mapping: its own ``source.toml``, else the bundled one, else files with the staged names.

    Raises
    ------
    UnknownNameError : no such folder under ``data/raw`` and no bundled source of that name.
    DefinitionError : the TOML breaks the contract; all problems in one message.
    """
    folder = workspace.raw(name)
    own = folder / "source.toml"
    if own.is_file():
        return replace(parse_source(_read_text(own), name=name, where=str(own)), folder=folder)
    if name in bundled_source_names():
        text = (files("tenure.sources") / "bundled" / f"{name}.toml").read_text(encoding="utf-8")
        return replace(parse_source(text, name=name, where=f"bundled {name}.toml"), folder=folder)
    if folder.is_dir():
        return replace(parse_source("", name=name, where=f"{folder} (no source.toml)"), folder=folder)
    present = [p.name for p in (workspace.data / "raw").glob("*") if p.is_dir() and not p.name.startswith(".")]
    raise UnknownNameError(
        "Source", name, {*bundled_source_names(), *present}, hint=f"Put files and a source.toml into {folder}."
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError(
            f"{path}: not UTF-8 at byte {error.start}. Expected a TOML file in UTF-8; save it so."
        ) from None


def parse_source(text: str, *, name: str, where: str) -> Source:
    """Turn the text of a ``source.toml`` into a ``Source``; all problems are gathered, then raised once.

    Raises
    ------
    DefinitionError : invalid TOML, unknown keys, wrong types, an unknown time zone.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{where}: not valid TOML: {error}. Mend the file at that place.") from None
    problems: list[str] = []
    tables = {
        key: _parse_table(key, value, problems)
        for key, value in document.items()
        if key in STAGED_TABLES and isinstance(value, dict)
    }
    problems += [
        f"{key} is {value!r}: expected a table, as in [{key}]"
        for key, value in document.items()
        if key in STAGED_TABLES and not isinstance(value, dict)
    ]
    _check_keys(document, SETTINGS | set(STAGED_TABLES), "top level", problems)
    settings = {key: value for key, value in document.items() if key in SETTINGS - NOT_PLAIN}
    _check_settings(settings, problems)
    declared = document.get("name", name)
    if declared != name:
        problems.append(f"name is {declared!r}, but the source's folder is {name!r}: make them the same")
    targets = _named_tables(document, "targets", "lapse", problems)
    attributes = _named_tables(document, "attributes", "rfm", problems)
    stated = _named_tables(document, "raw", '"orders.csv"', problems)
    raw = {file: _parse_raw(file, value, tables, problems) for file, value in stated.items()}
    features = document.get("features", [])
    if not isinstance(features, list) or not all(isinstance(value, dict) for value in features):
        problems.append("[[features]] must be an array of tables")
        features = []
    retention = parse_retention(document.get("retention", {}), problems)
    if problems:
        listed = "\n  - ".join(problems)
        raise DefinitionError(f"{where}: {len(problems)} problem(s):\n  - {listed}\nMend them and run again.")
    check_name("Source", name)
    return Source(
        name=name, where=where, tables=tables, targets=targets, attributes=attributes, raw=raw,
        features=tuple(features), retention=retention, **settings,
    )  # fmt: skip


def _named_tables(document: dict[str, Any], key: str, example: str, problems: list[str]) -> dict[str, dict[str, Any]]:
    tables = document.get(key, {})
    if isinstance(tables, dict) and all(isinstance(value, dict) for value in tables.values()):
        return tables
    problems.append(f"[{key}.<name>] must be tables, as in [{key}.{example}]")
    return {}


def _check_keys(found: dict[str, Any], known: set[str], place: str, problems: list[str]) -> None:
    for key in found.keys() - known:
        problems.append(f"{place}: {UnknownNameError('Key', key, known)}")


def _check_settings(settings: dict[str, Any], problems: list[str]) -> None:
    expected: dict[str, type | tuple[type, ...]] = {
        "margin_rate": (int, float), "min_history_days": int, "pseudonymise": bool,
    }  # fmt: skip
    for key, value in settings.items():
        kind = expected.get(key, str)
        if kind is not bool and isinstance(value, bool) or not isinstance(value, kind):
            expects = {str: "text", bool: "true or false"}.get(kind, "a number")  # type: ignore[arg-type]
            problems.append(f"{key} is {value!r}: expected {expects}")
    for key in ("timezone", "raw_timezone"):
        zone = settings.get(key)
        if isinstance(zone, str) and zone not in available_timezones():
            problems.append(f"{key}: {UnknownNameError('Time zone', zone, _similar_zones(zone))}")
    if settings.get("cutoff_grid", "month") not in ("month", "week"):
        problems.append(f"cutoff_grid is {settings['cutoff_grid']!r}: expected 'month' or 'week'")


def _similar_zones(zone: str) -> list[str]:
    tail = zone.rsplit("/", maxsplit=1)[-1].lower()[:4]
    return [known for known in available_timezones() if tail in known.lower()][:8] or ["UTC", "Europe/Berlin"]


def _parse_table(name: str, section: dict[str, Any], problems: list[str]) -> TableMapping:
    table = STAGED_TABLES[name]
    place = f"[{name}]"
    columns: dict[str, str] = {}
    known = {
        *TABLE_SETTINGS,
        *table.column_names,
        *(("customer_id", "occurred_at", "known_at") if table.is_dated else ()),
    }
    for key, value in section.items():
        if key in TABLE_SETTINGS:
            continue
        if key not in known:
            problems.append(f"{place}: {UnknownNameError('Column', key, known)}")
        elif not isinstance(value, str):
            problems.append(
                f'{place} {key} is {value!r}: expected an SQL expression as text, as in "\'web\'" or "price"'
            )
        else:
            columns[key] = value
    raw_files = _texts(section.get("from", ()), f"{place} from", problems)
    query = section.get("query", "")
    if not isinstance(query, str):
        problems.append(f"{place} query is {query!r}: expected one SELECT statement as text")
        query = ""
    if bool(raw_files) == bool(query):
        problems.append(f'{place}: expected either from = "<file>" or query = "SELECT ..."')
    attributes = _expressions(section, "attributes", place, problems)
    consent = _expressions(section, "consent", place, problems)
    attributes |= {f"consent_{channel}": value for channel, value in consent.items()}
    if (attributes or "consent" in section) and name != "customers":
        problems.append(f"{place}: attributes and consent belong to [customers]; use extra here")
    extra = _expressions(section, "extra", place, problems)
    for column, value in {**attributes, **extra}.items():
        if not _COLUMN_NAME.fullmatch(column) or column in known:
            problems.append(
                f"{place} extra column {column!r}: expected lower-case letters, digits and '_', and a new name"
            )
        if not isinstance(value, str):
            problems.append(f"{place} {column} is {value!r}: expected an SQL expression as text")
    if columns and not query:
        missing = [c.name for c in table.columns if c.required and c.name not in columns]
        missing += ["customer_id"] if table.is_dated and "customer_id" not in columns else []
        if table.is_dated and name != "customers" and "occurred_at" not in columns:
            missing.append("occurred_at")
        if missing:
            problems.append(f"{place}: no expression for {', '.join(missing)}")
    return TableMapping(
        table=table, raw_files=raw_files, query=query, columns=columns, attributes=attributes, extra=extra,
        key=_texts(section.get("key", ()), f"{place} key", problems),
        max_rejected_share=_share(section.get("max_rejected_share", 0.8), place, problems),
    )  # fmt: skip


def _texts(value: Any, place: str, problems: list[str]) -> tuple[str, ...]:
    """Read a text, or a list of texts."""
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, list | tuple) and all(isinstance(text, str) for text in listed):
        return tuple(listed)
    problems.append(f"{place} is {value!r}: expected a text, or a list of texts")
    return ()


def _expressions(section: dict[str, Any], key: str, place: str, problems: list[str]) -> dict[str, Any]:
    """Read a table of columns and their expressions."""
    value = section.get(key, {})
    if isinstance(value, dict):
        return dict(value)
    problems.append(f'{place} {key} is {value!r}: expected a table, as in {key} = {{ name = "column" }}')
    return {}


def _share(value: Any, place: str, problems: list[str]) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    problems.append(f"{place} max_rejected_share is {value!r}: expected a number from 0 to 1")
    return 0.0


def _parse_raw(file: str, section: dict[str, Any], tables: dict[str, TableMapping], problems: list[str]) -> RawFile:
    named = {name for table in tables.values() for name in table.file_names}
    stem = file.split(".")[0]
    if file not in named and stem not in STAGED_TABLES and not any(stem in table.query for table in tables.values()):
        problems.append(f'[raw."{file}"]: {UnknownNameError("File", file, named)}')
    _check_keys(section, RAW_SETTINGS, f'[raw."{file}"]', problems)
    return RawFile(**{key: str(value) for key, value in section.items() if key in RAW_SETTINGS})


def zone_of(source: Source) -> ZoneInfo:
    return ZoneInfo(source.timezone)

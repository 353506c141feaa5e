"""Reading a ``source.toml``: what one company's raw data means in staged facts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.hashing import digest
from tenure.core.time_windows import Grid
from tenure.core.workspace import Workspace, check_name
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.raw_mapping import RawFile, TableMapping


@dataclass(frozen=True)
class Source:
    """One company's raw data and its mapping to staged facts."""

    name: str
    where: str  # where the TOML was read from, for messages
    title: str = ""
    currency: str = ""
    timezone: str = "UTC"
    raw_timezone: str = ""
    earliest_day: str = ""  # facts before it are rejected as impossible
    cutoff_grid: Grid | None = None  # None: as the data's length allows
    min_history_days: int | None = None
    margin_rate: float = 0.3  # share of revenue that is margin; an assumption until the company states it
    published: str = ""
    licence: str = ""
    note: str = ""
    owner: str = ""  # who owns its models on an MLflow server that others use, too; by default an id of the workspace
    pseudonymise: bool = False  # customers are named by a keyed hash from staging on
    require_proof: bool = False  # no model whose lift unproven features carry becomes champion
    retention: dict[str, int] = field(default_factory=dict)  # what => days
    tables: dict[str, TableMapping] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    measure: dict[str, Any] = field(default_factory=dict)  # how campaigns are measured
    raw: dict[str, RawFile] = field(default_factory=dict)
    features: tuple[dict[str, Any], ...] = ()
    # What is done with scores, and so no part of what the source means: a changed action trains nothing anew.
    decisions: dict[str, Any] = field(default_factory=dict, repr=False)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    actions: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    audiences: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)  # of its TOML, one line each
    # Where its raw files lie, and what it brings of targets, attributes, estimators and readers.
    folder: Path | None = field(default=None, repr=False, compare=False)

    @property
    def meaning(self) -> str:
        """Digest of all that is said of the source: comments, white space and the place of the file are none of it."""
        return digest(repr(replace(self, where="")))

    @property
    def policy(self) -> str:
        """Digest of how it is decided who gets which action; none of it is part of ``meaning``."""
        return digest(repr((self.decisions, self.channels, self.actions, self.audiences)))


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
    from tenure.core.validation import checked, refusal
    from tenure.sources.document import DOCUMENT

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{where}: not valid TOML: {error}. Mend the file at that place.") from None
    warnings = _under_present_names(document, where)
    given = checked(DOCUMENT, document, where)
    tables = {key: given.pop(key) for key in document if key in STAGED_TABLES}
    problems = _unknown_files(given.get("raw", {}), tables)
    if (declared := given.pop("name", name)) != name:
        problems.append(f"name is {declared!r}, but the source's folder is {name!r}: make them the same")
    if problems:
        raise DefinitionError(refusal(where, problems))
    check_name("Source", name)
    given["features"] = tuple(given.get("features", ()))
    return Source(name=name, where=where, tables=tables, warnings=warnings, **given)


def _under_present_names(document: dict[str, Any], where: str) -> tuple[str, ...]:
    """Put what stands under a former name under the present one; say so, one line each. For one version more.

    Raises
    ------
    DefinitionError : both names are given.
    """
    warnings = [_rename(document, "facets", "attributes", where)]
    if isinstance(attributes := document.get("attributes"), dict):
        warnings.append(_rename(attributes, "programme", "loyalty_programme", where))
    return tuple(filter(None, warnings))


def _rename(keys: dict[str, Any], former: str, present: str, where: str) -> str:
    if former not in keys:
        return ""
    if present in keys:
        raise DefinitionError(
            f"{where}: '{former}' is the former name of '{present}', and both are given. Join them under '{present}'."
        )
    keys[present] = keys.pop(former)
    return f"source.toml: '{former}' is now called '{present}'; the next version refuses the former name. Rename it."


def _unknown_files(raw: Iterable[str], tables: Mapping[str, TableMapping]) -> list[str]:
    """Say which ``[raw."<file>"]`` no table reads."""
    named = {name for table in tables.values() for name in table.file_names}
    queries = [table.query for table in tables.values()]
    return [
        f'[raw."{file}"]: {UnknownNameError("File", file, named)}'
        for file in raw
        if not any(fnmatchcase(file.partition("#")[0], name) or file == name for name in named)
        if (stem := file.split(".")[0]) not in STAGED_TABLES
        if not any(stem in query for query in queries)
    ]


def zone_of(source: Source) -> ZoneInfo:
    return ZoneInfo(source.timezone)

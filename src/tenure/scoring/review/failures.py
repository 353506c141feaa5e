"""Runs that failed, one line each: a failed run leaves no report, and its day would look as if nobody had tried."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from tenure.core.atomic_files import replaced_file
from tenure.core.secrets import json_without_secrets
from tenure.core.stored import made_of
from tenure.core.workspace import Workspace


@dataclass(frozen=True)
class Failure:
    """``at`` is UTC, ISO; ``as_of`` the day asked for, else the day of the clock; ``text`` the one message shown."""

    at: str
    as_of: str
    doing: str
    text: str


def note_failure(workspace: Workspace, source: str, *, as_of: str, doing: str, text: str) -> None:
    """Append a failure to the source's own; secrets are blotted out."""
    path = _path(workspace, source)
    now = datetime.now(UTC)
    failure = Failure(now.isoformat(timespec="seconds"), as_of or str(now.date()), doing, text)
    # A line that a crash cut short is ended first: this one is not to be lost with it.
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    with workspace.owner_only():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n" * (text[-1:] not in ("", "\n")) + _line(failure))


def read_failures(workspace: Workspace, source: str) -> list[Failure]:
    """Read the failures of a source, oldest first; a line that a crash cut short is left out."""
    path = _path(workspace, source)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [made_of(Failure, json.loads(line)) for line in lines if line.endswith("}")]


def drop_failures(workspace: Workspace, source: str, oldest: date) -> int:
    """Drop the failures from before a day; return how many."""
    failures = read_failures(workspace, source)
    kept = [failure for failure in failures if datetime.fromisoformat(failure.at).date() >= oldest]
    if len(kept) < len(failures):
        with replaced_file(_path(workspace, source)) as fresh:
            fresh.write_text("".join(map(_line, kept)), encoding="utf-8")
    return len(failures) - len(kept)


def _line(failure: Failure) -> str:
    return json_without_secrets(asdict(failure)) + "\n"


def _path(workspace: Workspace, source: str) -> Path:
    # Among the reports, so that it is forgotten and kept as long as they are.
    return workspace.reports_of(source) / "failures.txt"

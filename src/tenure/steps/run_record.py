"""``run.json``: a run as one object on disk, written first, opened and extended by each step, sealed last."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

from tenure.core.errors import DamagedError, RunError
from tenure.core.hashing import fingerprint_file
from tenure.core.stored import read_stored, write_stored
from tenure.core.workspace import Workspace

RUN_JSON = "run.json"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
RECORD_FORMAT = 2
SEALED = "sealed_at"
# Where a run is built, beside its place, until it is whole.
BUILDING = ".building"


@dataclass
class RunRecord:
    """The record of one run: ``document`` is what ``run.json`` of ``folder`` holds."""

    folder: Path
    document: dict[str, Any]
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    @classmethod
    def begin(cls, folder: Path, facts: Mapping[str, Any]) -> RunRecord:
        """Write the record of a run that begins now: its id, its start (UTC), and ``facts``."""
        started = {"run_id": uuid4().hex[:12], "started_at": datetime.now(UTC).isoformat(timespec="microseconds")}
        record = cls(folder, {**started, **facts, "steps": {}, SEALED: None})
        record._write()
        return record

    @classmethod
    def open(cls, folder: Path) -> RunRecord:
        """Open the record of a folder.

        Raises
        ------
        RunError : the folder has none. StoredFormatError : a newer Tenure wrote it.
        """
        path = folder / RUN_JSON
        if not path.is_file():
            raise RunError(
                f"{folder}: no run.json. Expected the folder of a run; leave 'run' empty to open the source itself."
            )
        return cls(folder, read_stored(path, RECORD_FORMAT))

    @classmethod
    def find(cls, workspace: Workspace, source: str, run_id: str) -> RunRecord:
        """Find a run of a source by its id, wherever it is being built or lies.

        Raises
        ------
        RunError : there is none; names those there are.
        """
        known = []
        reports = workspace.reports_of(source)
        for path in sorted([*reports.glob(f"*/{RUN_JSON}"), *reports.glob(f"backfill/*/{RUN_JSON}")]):
            with suppress(DamagedError):  # of another run
                record = cls.open(path.parent)
                if record.document["run_id"] == run_id:
                    return record
                known.append(str(record.document["run_id"]))
        raise RunError(
            f"Run '{run_id}' of {source} is not in {reports}. Found: {', '.join(known) or 'none'}. "
            "Leave 'run' empty to open the source itself."
        )

    @property
    def is_sealed(self) -> bool:
        # Before there was a seal, the file itself was the commit mark.
        return self.document.get(SEALED, True) is not None

    @property
    def started_at(self) -> datetime:
        return datetime.fromisoformat(self.document["started_at"])

    def extend(self, **facts: Any) -> None:
        """Add facts to the record."""
        with self._lock:
            self.document |= facts
            self._write()

    def set_step(self, name: str, mark: Mapping[str, Any] | None) -> None:
        """Note a step as done, with what it was made from; None takes the note away."""
        with self._lock:
            steps = {key: value for key, value in self.document["steps"].items() if key != name}
            self.extend(steps=steps if mark is None else {**steps, name: dict(mark)})

    def seal(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Add the last facts and the seal, the commit mark of the folder; return the whole document."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.extend(**facts, finished_at=now, **{SEALED: now})
        return self.document

    def _write(self) -> None:
        write_stored(self.folder / RUN_JSON, self.document, RECORD_FORMAT)


def read_sealed(folder: Path) -> dict[str, Any]:
    """Read what the sealed run of a folder says; empty where there is none."""
    if not (folder / RUN_JSON).is_file():
        return {}
    record = RunRecord.open(folder)
    return record.document if record.is_sealed else {}


def sealed_runs(workspace: Workspace, source: str) -> dict[date, RunRecord]:
    """Open the sealed run of each as-of of a source, earliest first; damaged records and other folders are left out."""
    found = {}
    for path in sorted(workspace.reports_of(source).glob(f"[0-9]*/{RUN_JSON}")):
        if not _DAY.fullmatch(path.parent.name):
            continue
        with suppress(DamagedError):
            if (record := RunRecord.open(path.parent)).is_sealed:
                found[date.fromisoformat(path.parent.name)] = record
    return found


def former_steps(folder: Path) -> dict[str, Any]:
    """Read what the steps of a folder were made from; empty without a record that can be read: all run again."""
    with suppress(DamagedError, RunError):
        return dict(RunRecord.open(folder).document.get("steps", {}))
    return {}


def begun_from(folder: Path) -> str | None:
    """Say which record the run of a folder was begun from; None where it cannot be taken up."""
    with suppress(DamagedError, RunError):
        return str(RunRecord.open(folder).document.get("begun_from"))
    return None


def outputs_of(folder: Path) -> dict[str, str]:
    """Hash every file of a run's folder but the record itself."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RUN_JSON]
    return {str(path.relative_to(folder)): fingerprint_file(path) for path in paths}


def refresh_outputs(folder: Path) -> None:
    """Bring the hashes of a sealed folder up to date with files that were changed since, on purpose."""
    record = RunRecord.open(folder)
    if record.is_sealed and record.document.get("outputs") != (outputs := outputs_of(folder)):
        record.extend(outputs=outputs)

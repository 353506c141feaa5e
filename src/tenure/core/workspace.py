"""Where things live. Creates nothing until something is written."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from tenure.core.errors import UsageError, WorkspaceError
from tenure.core.file_modes import owner_only

SETTINGS = "tenure.toml"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")


def check_name(kind: str, name: str) -> str:
    """Return a name that is safe as a folder, or refuse it.

    Raises
    ------
    UsageError : the name holds anything but letters, digits, ``_`` and ``-``.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"{kind} {name!r} cannot be a folder's name. Expected letters, digits, '_' or '-', at most 64 of them. Rename it."
        )
    return name


@dataclass(frozen=True)
class Workspace:
    """The folder that holds ``data/``, ``mlruns/`` and ``reports/``."""

    root: Path

    @classmethod
    def locate(cls, given: str | Path | None = None) -> Workspace:
        """Find the workspace: as given, else ``TENURE_WORKSPACE``, else the nearest checkout of this project.

        Raises
        ------
        WorkspaceError : none of the three names an existing folder.
        """
        named = given or os.environ.get("TENURE_WORKSPACE")
        if named:
            root = Path(named).expanduser().resolve()
            if root.exists() and not root.is_dir():
                raise WorkspaceError(f"Workspace {root} is a file. Expected a folder; name another with --workspace.")
            if not root.parent.is_dir():
                raise WorkspaceError(f"Workspace {root}: its parent folder does not exist. Create it or name another.")
            return cls(root)
        for folder in (Path.cwd(), *Path.cwd().parents):
            if _is_project(folder):
                return cls(folder)
        raise WorkspaceError(
            f"No workspace found from {Path.cwd()} upwards. Expected a checkout of Tenure; name a folder with --workspace DIR or TENURE_WORKSPACE."
        )

    @cached_property
    def is_shared(self) -> bool:
        """Whether others of the machine may read what is written: ``shared = true`` in the folder's ``tenure.toml``.

        Raises
        ------
        UsageError : that file says anything else.
        """
        path = self.root / SETTINGS
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            settings = {"no TOML": error}
        if settings not in ({}, {"shared": True}, {"shared": False}):
            found = ", ".join(f"{key}: {value}" for key, value in settings.items())
            raise UsageError(
                f"{path}: found {found}. Expected one line: shared = true, or shared = false. Mend the file."
            )
        return bool(settings.get("shared"))

    def owner_only(self) -> AbstractContextManager[None]:
        """Have what a block writes be readable by its owner alone, unless the workspace is shared.

        Raw files are the owner's own and stay as they are.
        """
        if self.is_shared:
            return nullcontext()
        made = [path for path in self.data.glob("*") if path.is_dir() and path.name != "raw"]
        return owner_only([*made, self.mlruns, self.root / "reports"])

    @property
    def data(self) -> Path:
        return self.root / "data"

    def raw(self, source: str) -> Path:
        return self.data / "raw" / check_name("Source", source)

    def truth(self, source: str) -> Path:
        """Where a simulator keeps what no pipeline may read."""
        return self.data / "truth" / check_name("Source", source)

    def staged(self, source: str) -> Path:
        return self.data / "staged" / check_name("Source", source)

    def snapshots(self, source: str) -> Path:
        return self.data / "snapshots" / check_name("Source", source)

    def fits(self, source: str, target: str) -> Path:
        """Where fits on a target's snapshots are kept: with the snapshots they go."""
        return self.snapshots(source) / "fits" / target

    def identities(self, source: str) -> Path:
        """Where the map of pseudonyms and the list of the forgotten lie: apart from data that is handed on."""
        return self.data / "identities" / check_name("Source", source)

    def private_records(self, source: str) -> Path:
        """Where a source under pseudonyms keeps its records: beside the map of ids."""
        return self.identities(source) / "records.parquet"

    def identity_events(self, source: str) -> Path:
        """Where it is kept which customers are one person, since when, and why."""
        return self.identities(source) / "events"

    @property
    def scores(self) -> Path:
        return self.data / "scores"

    def scores_of(self, source: str) -> Path:
        """Where the ledger of a source's scores lies."""
        return self.scores / f"source={check_name('Source', source)}"

    def decisions_of(self, source: str) -> Path:
        """Where the ledger of a source's decisions lies."""
        return self.data / "decisions" / f"source={check_name('Source', source)}"

    @property
    def mlruns(self) -> Path:
        return self.root / "mlruns"

    def exports(self, source: str) -> Path:
        """Where tables for other systems are written: their ids may be the real ones."""
        return self.data / "exports" / check_name("Source", source)

    def reports_of(self, source: str) -> Path:
        return self.root / "reports" / check_name("Source", source)

    def reports(self, source: str, as_of: object) -> Path:
        return self.reports_of(source) / str(as_of)

    def backfill(self, source: str, as_of: object) -> Path:
        """Where a backfill reports on a past day: apart from what was really said on it."""
        return self.reports_of(source) / "backfill" / str(as_of)

    def lock(self, source: str) -> Path:
        return self.data / ".locks" / f"{check_name('Source', source)}.lock"

    def scratch_prefix(self, source: str) -> str:
        """How temporary folders of a source begin; a point ends it, which no source's name holds."""
        return f".scratch-{check_name('Source', source)}."

    def scratch(self, source: str) -> TemporaryDirectory[str]:
        """Give a temporary folder on the workspace's own disk, for its owner alone.

        What a killed process left of one, the next writer removes.
        """
        return TemporaryDirectory(prefix=self.scratch_prefix(source), dir=self.data)

    @contextmanager
    def temporary_files(self, source: str) -> Iterator[None]:
        """Have this process, and those it starts, keep temporary files in such a folder for a block."""
        former = os.environ.get("TMPDIR"), tempfile.tempdir
        with self.scratch(source) as folder:
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            try:
                yield
            finally:
                tempfile.tempdir = former[1]
                if former[0] is None:
                    del os.environ["TMPDIR"]
                else:
                    os.environ["TMPDIR"] = former[0]


def _is_project(folder: Path) -> bool:
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return False
    try:
        with pyproject.open("rb") as file:
            return bool(tomllib.load(file).get("project", {}).get("name") == "tenure")
    except tomllib.TOMLDecodeError:
        return False

"""Where things live. Creates nothing until something is written."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

from tenure.errors import UsageError, WorkspaceError

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

    @property
    def scores(self) -> Path:
        return self.data / "scores"

    @property
    def mlruns(self) -> Path:
        return self.root / "mlruns"

    def reports(self, source: str, as_of: object) -> Path:
        return self.root / "reports" / check_name("Source", source) / str(as_of)


def _is_project(folder: Path) -> bool:
    pyproject = folder / "pyproject.toml"
    if not pyproject.is_file():
        return False
    try:
        with pyproject.open("rb") as file:
            return bool(tomllib.load(file).get("project", {}).get("name") == "tenure")
    except tomllib.TOMLDecodeError:
        return False


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block ends well, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.parent / f".{folder.name}.{uuid4().hex[:8]}.new"
    aside = folder.parent / f".{folder.name}.{uuid4().hex[:8]}.old"
    fresh.mkdir()
    try:
        yield fresh
        if folder.exists():
            folder.rename(aside)
        fresh.rename(folder)
    finally:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        rmtree(fresh, ignore_errors=True)
        rmtree(aside, ignore_errors=True)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` when the block ends well, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.parent / f".{path.name}.{uuid4().hex[:8]}.new"
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)

"""Files and folders that are replaced whole or not at all, and what a killed process leaves of that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile, rmtree
from uuid import uuid4

# What is being written, and what was moved aside for it, lies beside its place under such a name.
NEW, OLD = ".new", ".old"


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block ends well, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(folder, NEW)
    fresh.mkdir()
    try:
        yield fresh
        swap_folder(fresh, folder)
    finally:
        rmtree(fresh, ignore_errors=True)


def swap_folder(fresh: Path, folder: Path) -> None:
    """Put a finished folder in the place of another; ``finish_replacements`` mends a kill between the two moves."""
    aside = _beside(folder, OLD)
    if folder.exists():
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    rmtree(aside, ignore_errors=True)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` when the block ends well, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _beside(path, NEW)
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def link_file(path: Path, place: Path) -> None:
    """Link a finished file in another place, or copy it where the file system has no links."""
    try:
        place.hardlink_to(path)
    except OSError:
        copyfile(path, place)


def finish_replacements(folder: Path, name: str = "") -> None:
    """Clean up what a killed process left in ``folder``: what was moved aside comes back, what was never finished goes.

    ``name`` limits it to one file or folder of it.
    """
    begins = f".{name}." if name else "."
    for aside in sorted(folder.glob(f"{begins}*{OLD}")):
        original = folder / aside.name[1:].rsplit(".", maxsplit=2)[0]
        if not original.exists():
            aside.rename(original)
        rmtree(aside, ignore_errors=True)
    # A database killed in the middle of a write leaves its journal beside it.
    for fresh in sorted([*folder.glob(f"{begins}*{NEW}"), *folder.glob(f"{begins}*{NEW}-journal")]):
        if fresh.is_dir():
            rmtree(fresh, ignore_errors=True)
        else:
            fresh.unlink(missing_ok=True)


def _beside(path: Path, ending: str) -> Path:
    return path.parent / f".{path.name}.{uuid4().hex[:8]}{ending}"

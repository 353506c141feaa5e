"""Drafting a source: raw files looked at, what they hold found, a ``source.toml`` written beside them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DataContractError, UsageError
from tenure.core.hashing import fingerprint_file
from tenure.core.lock import sole_writer
from tenure.core.sql import literal
from tenure.core.workspace import Workspace, check_name
from tenure.intake.look import look, parts_of, tables_of_server
from tenure.intake.names import snake
from tenure.intake.tables import Found, find_tables
from tenure.intake.write import is_plain, source_toml
from tenure.sources.raw_files import open_locked, split_reference
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import parse_source


@dataclass(frozen=True)
class Drafted:
    """A drafted source: where it lies, its text, which tables it has, which files are left out and why."""

    path: Path
    text: str
    tables: dict[str, list[str]]  # staged table => raw files
    left_out: list[tuple[str, str]]

    @property
    def checks(self) -> int:
        return self.text.count("\n# CHECK:")


def draft_source(workspace: Workspace, name: str, given: Sequence[str], *, force: bool = False) -> Drafted:
    """Draft ``data/raw/NAME/source.toml`` from files, and copy the files there.

    Raises
    ------
    UsageError : no such file; a source.toml or another file of that name is there, and ``force`` is not given.
    DataContractError : a file cannot be read, or none of them holds facts of customers.
    """
    check_name("Source", name)
    folder = workspace.raw(name)
    paths, references = _references(given)
    _refuse_overwriting(folder, paths, force=force)
    with sole_writer(workspace, name, f"tenure draft {name}"), workspace.scratch(name) as scratch:
        connection = open_locked(Path(scratch), Path(scratch), *{path.parent for path in paths})
        try:
            raws, unread = [], []
            for number, (place, reference) in enumerate(references):
                try:
                    raws.append(look(connection, place, Path(scratch), reference, number))
                except DataContractError as error:
                    unread.append((reference, f"it cannot be read: {error}"))
            found = find_tables(raws)
            found.left_out += unread
            if not found.tables.keys() - {"products", "customers"}:
                said = "\n  - ".join(f"{file}: {reason}" for file, reason in found.left_out)
                raise DataContractError(
                    f"Nothing was drafted: no file holds dated facts of customers.\n  - {said}\nExpected orders, payments, "
                    "subscriptions or events with a customer and a date in each row. Export those, or write source.toml by hand."
                )
            copies = _parts_for_queries(found, Path(scratch))
            text = source_toml(name, found)
            parse_source(text, name=name, where=f"the draft of {name}")
        finally:
            connection.close()
        folder.mkdir(parents=True, exist_ok=True)
        for path in [*paths, *copies]:
            if path.resolve().parent != folder.resolve():
                with replaced_file(folder / path.name) as fresh:
                    shutil.copyfile(path, fresh)
        with replaced_file(folder / "source.toml") as fresh:
            fresh.write_text(text, encoding="utf-8")
    tables = {table: [r for draft in drafts for r in draft.raw.references] for table, drafts in found.tables.items()}
    return Drafted(folder / "source.toml", text, tables, found.left_out)


def _references(given: Sequence[str]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Give the files to copy, and the folder and name of everything that can be read: files, sheets, tables."""
    readers = find_readers(None)
    paths: list[Path] = []
    references: list[tuple[Path, str]] = []
    for one in given:
        server, path = split_reference(one)[0], Path(one)
        if readers.is_server(server):
            references += [(Path(), table) for table in tables_of_server(one)]
        elif path.is_dir():
            paths += sorted(file for file in path.iterdir() if file.name.lower().endswith(readers.endings))
        elif path.is_file():
            readers.of(path.name)
            paths.append(path)
        else:
            raise UsageError(f"{one}: no such file. Expected files, a folder of files, or postgresql#table.")
    if not paths and not references:
        raise UsageError(f"{', '.join(given)}: no file that can be read. Expected one of {', '.join(readers.endings)}.")
    names = [path.name for path in paths]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"{sorted(twice)[0]}: two files of one name. Rename one: they lie in one folder.")
    paths = [path.resolve() for path in paths]
    return paths, [*((path.parent, part) for path in paths for part in parts_of(path)), *references]


def _refuse_overwriting(folder: Path, paths: list[Path], *, force: bool) -> None:
    if force:
        return
    if (folder / "source.toml").exists():
        raise UsageError(
            f"{folder / 'source.toml'} is there already. Give --force to write it anew, or draft under another name."
        )
    for path in paths:
        there = folder / path.name
        if there.is_file() and there.resolve() != path and fingerprint_file(there) != fingerprint_file(path):
            raise UsageError(f"{there} is there already, with other content. Give --force to replace it.")


def _parts_for_queries(found: Found, scratch: Path) -> list[Path]:
    """Copy sheets and tables of databases that a query reads to files of their own: a query names files only."""
    copies = []
    for drafts in found.tables.values():
        if is_plain(drafts):
            continue
        for draft in drafts:
            for raw in filter(None, (draft.raw, draft.raw.joined, *draft.reads)):
                for place, reference in enumerate(raw.references):
                    file, part = split_reference(reference)
                    if not part:
                        continue
                    path = scratch / f"{snake(Path(file).stem)}_{snake(part)}.parquet"
                    connection, _ = raw.columns[0].look
                    connection.execute(f"COPY {raw.relation} TO {literal(str(path))} (FORMAT parquet)")
                    raw.references[place] = path.name
                    for one, text in ((draft, "rows"), (draft.raw, "rows_sql")):
                        setattr(one, text, getattr(one, text).replace(f'"{reference}"', f'"{path.name}"'))
                    draft.notes.append(
                        f"{path.name} is a copy of {reference}: a query reads files. Draft anew with --force when it changes."
                    )
                    copies.append(path)
    return list(dict.fromkeys(copies))

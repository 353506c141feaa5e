"""Placing a source's raw files where its mapping looks for them."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DataContractError
from tenure.core.workspace import Workspace
from tenure.sources.readers.registry import find_readers
from tenure.sources.source import read_source


def fetch_source(workspace: Workspace, name: str, folder: Path | None) -> list[Path]:
    """Copy a source's readable files from a folder into ``data/raw/<source>``; return what was placed.

    Tenure downloads nothing by itself: without a folder the error says where the files are published.

    Raises
    ------
    DataContractError : no folder was given, or it holds nothing readable.
    """
    source = read_source(workspace, name)
    wanted = sorted({file for mapping in source.tables.values() for file in mapping.file_names})
    if folder is None:
        raise DataContractError(
            f"{name}: Tenure downloads nothing by itself. Get the files from {source.published or 'their owner'} "
            f"({source.licence or 'licence unknown'}), then run 'tenure fetch {name} --from FOLDER'. Files the mapping "
            f"names: {', '.join(wanted) or 'see its source.toml'}."
        )
    endings = (*find_readers(source.folder).endings, ".toml")
    found = sorted(path for path in folder.glob("*") if path.name.lower().endswith(endings)) if folder.is_dir() else []
    if not found:
        raise DataContractError(
            f"{folder}: no readable file there. Expected {', '.join(wanted) or 'raw files'}; name the folder that "
            "holds them."
        )
    placed = []
    for path in found:
        place = workspace.raw(name) / path.name
        with replaced_file(place) as fresh:
            copyfile(path, fresh)
        placed.append(place)
    return placed

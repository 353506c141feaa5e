"""JSON documents that Tenure keeps: each says its format. Older ones are read, newer ones refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from tenure.core.atomic_files import replaced_file
from tenure.core.errors import DamagedError, StoredFormatError
from tenure.core.secrets import json_without_secrets

FORMAT = "format_version"
Made = TypeVar("Made")


def write_stored(path: Path, document: Mapping[str, Any], version: int) -> None:
    """Write a document with its format, whole or not at all; secrets of the environment are blotted out."""
    text = json_without_secrets({FORMAT: version, **document}, indent=1)
    with replaced_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def read_stored(path: Path, version: int) -> dict[str, Any]:
    """Read a document of this format or an older one; one without a format is of the first, 0.

    Raises
    ------
    StoredFormatError : a newer Tenure wrote it. DamagedError : it is no document at all.
    """
    return parse_stored(path.read_text(encoding="utf-8"), str(path), version)


def parse_stored(text: str, place: str, version: int) -> dict[str, Any]:
    """Read the text of a document as ``read_stored`` does; ``place`` is for messages."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DamagedError(
            f"{place}: cut short or damaged ({error}). Expected a JSON document; bring it back, or remove it."
        ) from None
    if not isinstance(document, dict):
        raise DamagedError(
            f"{place}: holds a {type(document).__name__}. Expected a JSON object; bring it back, or remove it."
        )
    check_format(document.get(FORMAT, 0), place, version)
    return document


def check_format(found: object, place: str, version: int) -> None:
    """Refuse a format that is newer than the one this Tenure writes.

    Raises
    ------
    StoredFormatError : in one sentence.
    """
    if not isinstance(found, int) or found > version:
        raise StoredFormatError(
            f"{place}: a newer Tenure wrote it (format {found}). Expected format {version} or older; update Tenure."
        )


def made_of(kind: type[Made], document: Mapping[str, Any]) -> Made:
    """Make a dataclass of a document: unknown fields are left out, missing ones take their default."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # of a dataclass
    return kind(**{key: value for key, value in document.items() if key in known})

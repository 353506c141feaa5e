"""The style sheet of the pages: each page carries it, so that it needs no other file; a newer one replaces it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from tenure.core.atomic_files import replaced_file

# As base.html writes it, once a page, before anything from the data.
_SHEET = re.compile(r"(?<=<style>\n).*?(?=</style>)", re.DOTALL)


@cache
def style_sheet() -> str:
    return (files("tenure.reporting") / "templates" / "style.css").read_text(encoding="utf-8")


def restyle(folder: Path) -> list[Path]:
    """Give the pages of a folder today's style sheet; return those that had another."""
    changed = []
    for path in sorted(folder.glob("*.html")):
        page = path.read_text(encoding="utf-8")
        if (styled := _SHEET.sub(lambda _: style_sheet(), page, count=1)) != page:
            with replaced_file(path) as fresh:
                fresh.write_text(styled, encoding="utf-8")
            changed.append(path)
    return changed

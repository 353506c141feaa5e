"""What columns and values are called: the vocabularies of public export formats, and how a name meets them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

# What stands around the name of a date and says nothing of which date it is.
AROUND_DATES = frozenset(
    {
        "date",
        "at",
        "on",
        "time",
        "utc",
        "timestamp",
        "datetime",
        "gmt",
        "dt",
        "local",
        "ms",
        "datum",
        "data",
        "fecha",
        "am",
    }
)
# Words that name anything: "product name" is no name of an order.
BARE = frozenset({"id", "name", "number", "code", "reference"})
FURTHER = 1000  # how much less a name is preferred that meets the vocabulary only without its first word


@cache
def texts(name: str) -> dict[str, Any]:
    return tomllib.loads((files("tenure.intake") / f"{name}.toml").read_text(encoding="utf-8"))


def vocabulary() -> dict[str, Any]:
    return texts("vocabularies")


def plain(name: str) -> str:
    """Write a name as the vocabularies do.

    Examples
    --------
    >>> plain("Created date (UTC)"), plain("customerId"), plain("Währung")
    ('created date utc', 'customer id', 'wahrung')
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    letters = unicodedata.normalize("NFKD", spaced.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", letters.lower()).strip()


def words(name: str) -> frozenset[str]:
    return frozenset(plain(name).split())


def rank(name: str, role: str) -> int | None:
    """Say how well a column's name fits a role: 0 is best, None does not fit."""
    return _rank(_plain_of(name), vocabulary()["names"][role])


def date_rank(name: str, role: str) -> int | None:
    """Say how well the name of a date fits a role of dates."""
    left = " ".join(word for word in plain(name).split() if word not in AROUND_DATES) or "date"
    return _rank(left, vocabulary()["dates"][role])


def among(value: str | None, *path: str) -> str | None:
    """Find the heading of a vocabulary under which a value stands: a status, an event.

    Examples
    --------
    >>> among("Paid", "statuses", "payments"), among("Trialing", "statuses", "payments")
    ('succeeded', None)
    """
    headings: dict[str, list[str]] = vocabulary()
    for part in path:
        headings = headings[part]  # type: ignore[assignment]
    wanted = (value or "").strip().lower()
    forms = {wanted, wanted.replace("_", " "), re.sub(r"[\s-]+", "_", wanted), plain(wanted)}
    return next((heading for heading, listed in headings.items() if forms & set(listed)), None)


def is_any(name: str, listed: str) -> bool:
    """Say whether a name holds one of the words or phrases listed under ``words``."""
    padded = f" {plain(name)} "
    return any(f" {plain(phrase)} " in padded for phrase in vocabulary()["words"][listed])


def snake(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _plain_of(name: str) -> str:
    return re.sub(r" ((utc|metadata|inc tax|ex tax|incl tax|excl tax|ids)$|(usd|eur|gbp)$)", "", plain(name))


def _rank(name: str, listed: Iterable[str]) -> int | None:
    listed, further = list(listed), 0
    whole = name
    while name not in listed or (further and name in BARE):
        prefix = next((one for one in vocabulary()["prefixes"] if name.startswith(f"{one} ")), None)
        if prefix is None:
            # "amazon order id", "shop customer number": what a system calls it by two words of its own.
            rest = whole.partition(" ")[2]
            return 2 * FURTHER + listed.index(rest) if " " in rest and rest in listed else None
        name, further = name.removeprefix(f"{prefix} "), FURTHER
    return further + listed.index(name)

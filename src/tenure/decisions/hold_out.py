"""The hold-out: customers to whom nothing is sent for a year, by hash, a twelfth of them exchanged each month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np

from tenure.core.stored import made_of, read_stored, write_stored

FORMAT_VERSION = 1
MONTHS = 12


@dataclass(frozen=True)
class Arc:
    """A part of the hash circle, ``[start, start + share)`` modulo 1, held out in the months ``[since, until)``."""

    start: float
    share: float
    since: int
    until: int

    def holds(self, places: np.ndarray) -> np.ndarray:
        return (places - self.start) % 1.0 < self.share


@dataclass(frozen=True)
class HoldOut:
    """Who is held out, month by month (counted from year 0)."""

    salt: str
    arcs: tuple[Arc, ...] = ()

    @classmethod
    def read(cls, path: Path, salt: str) -> HoldOut:
        """Read what was held out so far; nothing where nobody decided yet."""
        if not path.is_file():
            return cls(salt)
        found = read_stored(path, FORMAT_VERSION)
        return cls(found["salt"], tuple(made_of(Arc, arc) for arc in found["arcs"]))

    def write(self, path: Path) -> None:
        write_stored(path, {"salt": self.salt, "arcs": [asdict(arc) for arc in self.arcs]}, FORMAT_VERSION)

    def until(self, day: date, share: float) -> HoldOut:
        """Go on to a day's month: each month the twelfth that has been held out longest leaves, another joins.

        A changed ``share`` holds for those who join: it is reached after twelve months, and nobody leaves before their
        year is over.
        """
        month, arcs = _month(day), list(self.arcs)
        part = share / MONTHS
        if not arcs:
            # The first year's twelfths leave one by one.
            arcs = [Arc(k * part, part, month, month + k + 1) for k in range(MONTHS if share else 0)]
        for each in range(1 + max((arc.since for arc in arcs), default=month), month + 1):
            start = (arcs[-1].start + arcs[-1].share) % 1.0
            arcs.append(Arc(start, part, each, each + MONTHS))
        return replace(self, arcs=tuple(arcs))

    def share(self, day: date) -> float:
        """Say which share of all customers is held out on a day."""
        return sum(arc.share for arc in self.arcs if arc.since <= _month(day) < arc.until)

    def held(self, customers: Sequence[str], day: date, keys: Mapping[str, str]) -> np.ndarray:
        """Say of each customer whether nothing but service messages reaches them on a day.

        ``keys``: customer => the id under which the person was first seen: the first assignment is kept.
        """
        places = np.array([place_of(self.salt, keys.get(one, one)) for one in customers], dtype=float)
        held = np.zeros(len(places), dtype=bool)
        for arc in self.arcs:
            if arc.since <= _month(day) < arc.until:
                held |= arc.holds(places)
        return held


def place_of(salt: str, customer: str) -> float:
    """Give a customer's place on the circle: the first 52 bits of sha256(salt|customer), from 0 to less than 1.

    >>> 0 <= place_of("shop", "c1") < 1
    True
    """
    return (int.from_bytes(sha256(f"{salt}|{customer}".encode()).digest()[:8], "big") >> 12) / 2**52


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1

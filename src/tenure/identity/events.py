"""Who was whom since when: events that are only ever added; a day's knowledge follows from those known before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.stored import made_of

Kind = Literal["joined", "merged", "split"]
_SCHEMA = pa.schema(
    {
        "known_at": pa.timestamp("us"), "customer_id": pa.string(), "unified_id": pa.string(), "kind": pa.string(),
        "cause": pa.string(), "probability": pa.float64(), "apart_from": pa.string(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """From ``known_at`` on, the facts of ``customer_id`` are those of the person ``unified_id``; ``cause`` says why.

    ``joined``: one customer came to a person; ``merged``: several came, who had been one before, or a human said so;
    ``split``: a human parted them, and no record joins the customer to ``apart_from`` again until a human merges them.
    """

    known_at: datetime
    customer_id: str
    unified_id: str
    kind: Kind
    cause: str
    probability: float = 1.0
    apart_from: str = ""


@dataclass(frozen=True)
class Ledger:
    """The events of one source: numbered Parquet files, written once each. A missing folder is an empty ledger."""

    folder: Path

    @property
    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("events-*.parquet"))

    def append(self, events: Iterable[Event]) -> int:
        """Add events as one more file; return how many."""
        rows = [vars(event) for event in events]
        if rows:
            path = self.folder / f"events-{len(self._files) + 1:06d}.parquet"
            with replaced_file(path) as fresh:
                pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), fresh, compression="zstd")
        self.__dict__.pop("events", None)
        return len(rows)

    @cached_property
    def events(self) -> list[Event]:
        """All events, by the time they were known, then in the order in which they were added."""
        rows = [made_of(Event, row) for path in self._files for row in pq.read_table(path).to_pylist()]
        return sorted(rows, key=lambda event: event.known_at)

    def known_before(self, day: date) -> list[Event]:
        midnight = datetime(day.year, day.month, day.day)
        return [event for event in self.events if event.known_at < midnight]

    def mapping(self, day: date | None = None) -> dict[str, str]:
        """Map each customer who is somebody else's to that person, as known before a day (default: as known now)."""
        last = {event.customer_id: event.unified_id for event in (self.known_before(day) if day else self.events)}
        return {customer: unified for customer, unified in last.items() if customer != unified}

    def same_person(self, customer: str) -> list[str]:
        """List who else is, as known now, the person that a customer is."""
        mapping = self.mapping()
        person = mapping.get(customer, customer)
        every = {person, *(one for one, unified in mapping.items() if unified == person)}
        return sorted(every - {customer})

    def apart(self) -> set[frozenset[str]]:
        """Pairs of customers a human has split, and not merged since."""
        pairs: set[frozenset[str]] = set()
        for event in self.events:
            if event.kind == "split":
                pairs.add(frozenset((event.customer_id, event.apart_from)))
            elif event.kind == "merged":
                pairs.discard(frozenset((event.customer_id, event.unified_id)))
        return pairs


def identity_before(folder: Path | None, day: date) -> dict[str, str]:
    """Map each customer who is somebody else's to that person, as known before a day; empty where nobody has asked."""
    return Ledger(folder).mapping(day) if folder and folder.is_dir() else {}


def identity_digest(folder: Path | None, day: date) -> str:
    """Give one text for the identity as known before a day; empty where everybody is only themselves."""
    mapping = sorted(identity_before(folder, day).items())
    return blake2b(repr(mapping).encode(), digest_size=16).hexdigest() if mapping else ""


def same_identity(folder: Path | None, cutoffs: Sequence[date]) -> list[list[date]]:
    """Group cutoffs in order so that within a group every customer is the same person."""
    groups: list[tuple[dict[str, str], list[date]]] = []
    for cutoff in sorted(cutoffs):
        mapping = identity_before(folder, cutoff)
        if groups and groups[-1][0] == mapping:
            groups[-1][1].append(cutoff)
        else:
            groups.append((mapping, [cutoff]))
    return [group for _, group in groups]

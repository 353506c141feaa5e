"""Pairs only a human can decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tenure.core.atomic_files import replaced_file
from tenure.core.stored import made_of
from tenure.identity.events import Ledger
from tenure.identity.persons import Link


@dataclass(frozen=True)
class Review:
    """Two customers who may be one person, how probably, and what speaks for and against it."""

    left: str
    right: str
    probability: float
    reason: str

    @classmethod
    def of(cls, link: Link) -> Review:
        left, right = sorted((link.left, link.right))
        return cls(left, right, link.probability, link.cause)


@dataclass(frozen=True)
class Reviews:
    """The list of one source: numbered Parquet files beside its events, written once each."""

    folder: Path

    @property
    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("reviews-*.parquet"))

    def append(self, reviews: Iterable[Review]) -> int:
        best: dict[tuple[str, str], Review] = {}
        for review in sorted(reviews, key=lambda review: review.probability):
            best[review.left, review.right] = review
        if best:
            with replaced_file(self.folder / f"reviews-{len(self._files) + 1:06d}.parquet") as fresh:
                pq.write_table(pa.Table.from_pylist([vars(review) for review in best.values()]), fresh)
        return len(best)

    def open(self) -> list[Review]:
        """Those nobody has decided, the most probable first: neither merged nor split by a human since."""
        ledger = Ledger(self.folder)
        person, apart = ledger.mapping(), ledger.apart()
        found = {
            (row["left"], row["right"]): made_of(Review, row)
            for path in self._files
            for row in pq.read_table(path).to_pylist()
        }
        still = [
            review
            for (left, right), review in found.items()
            if person.get(left, left) != person.get(right, right) and frozenset((left, right)) not in apart
        ]
        return sorted(still, key=lambda review: (-review.probability, review.left, review.right))

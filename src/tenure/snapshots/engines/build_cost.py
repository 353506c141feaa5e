"""What the parts of a build took, kept beside the snapshots until the next build."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from tenure.core.atomic_files import replaced_file

ASKED, BUCKETS, DIRECT, WRITING = "who is asked", "buckets", "direct", "writing"


@dataclass(frozen=True)
class BuildCost:
    """One part of a build: its way, the staged table it read (none for the whole), its columns and seconds."""

    way: str
    table: str
    columns: int
    seconds: float


@dataclass(frozen=True)
class LastBuild:
    """How long each part of the last build of snapshots took, at how many cutoffs."""

    cutoffs: int
    costs: tuple[BuildCost, ...]

    def seconds(self, way: str, table: str = "") -> float | None:
        """Add up a way's parts on a table; None where the last build did not go that way."""
        found = [cost.seconds for cost in self.costs if (cost.way, cost.table) == (way, table)]
        return sum(found) if found else None


@contextmanager
def timing(costs: list[BuildCost], way: str, table: str = "", columns: int = 0) -> Iterator[None]:
    """Note what a block took once it has ended well."""
    started = perf_counter()
    yield
    costs.append(BuildCost(way, table, columns, perf_counter() - started))


def write_build(path: Path, cutoffs: int, costs: Sequence[BuildCost]) -> None:
    with replaced_file(path) as fresh:
        fresh.write_text(json.dumps({"cutoffs": cutoffs, "costs": [asdict(cost) for cost in costs]}), encoding="utf-8")


def read_build(path: Path) -> LastBuild:
    """Read the last build; without any cutoff where there was none."""
    if not path.is_file():
        return LastBuild(0, ())
    found = json.loads(path.read_text(encoding="utf-8"))
    return LastBuild(found["cutoffs"], tuple(BuildCost(**cost) for cost in found["costs"]))

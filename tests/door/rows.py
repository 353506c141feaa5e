"""The truth behind a generated file: what each of its rows says, whatever the file makes of it."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

# "staged": the row is well-formed and must be staged. "either": the row itself is damaged, so a reader may stage it as it
# is meant or count it as rejected. "told": nothing true can be staged of it; it must be counted as rejected.
Fate = Literal["staged", "either", "told"]
ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC", "Asia/Kolkata", "America/Sao_Paulo")


@dataclass(frozen=True)
class Row:
    """One order line: ``at`` is the wall time of the business, without a zone."""

    customer: str
    at: datetime
    order: str
    amount: Decimal
    fate: Fate = "staged"

    @property
    def facts(self) -> tuple[str, datetime, str, Decimal]:
        return self.customer, self.at, self.order, self.amount.normalize()


@dataclass
class Case:
    """Some files, the mapping that a user would naively write, and the truth.

    ``honest``: the files are well-formed by the public rules, at least but for a few rows that are not; refusing them is
    a failure. ``offers``: a refusal must hold the line to write. ``undecidable``: two readings explain every value, so
    staging either is a guess, and both must be offered. ``ambiguous``: of several lines offered one must be right, else all.
    ``must_say``: what must be said, as a pattern, where the files are staged. ``must_refuse``: more rows are unreadable than
    any file may hold. ``also_right``: other truths.
    """

    kind: str
    name: str
    files: dict[str, bytes]
    mapping: dict[str, Any]
    rows: list[Row]
    honest: bool = False
    offers: bool = False
    undecidable: bool = False
    ambiguous: bool = False
    must_say: str = ""
    must_refuse: bool = False
    also_right: list[list[Row]] = field(default_factory=list)
    whole_seconds: bool = False  # a serial day is a fraction: its times are compared to the second


def draw_size(rng: random.Random, largest: int) -> int:
    low, high = rng.choice([(3, 12), (13, 80), (81, max(82, largest))])
    return rng.randint(low, high)


def wall_time(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def instant_of(at: datetime, zone: str) -> datetime:
    return at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _is_clear(at: datetime, zone: str) -> bool:
    """Whether a wall time means one instant: not the hour that a change of the clock repeats."""
    offsets = {at.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1)}
    return len(offsets) == 1


def draw_time(rng: random.Random, zone: str, *, first: int = 2021, years: int = 3) -> datetime:
    while True:
        instant = datetime(first, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(years * 365 * 86_400))
        if _is_clear(at := wall_time(instant, zone), zone):
            return at


def draw_customer(rng: random.Random, customers: int, style: str) -> str:
    number = rng.randrange(1, customers + 1)
    return {
        "letters": f"c{number}",
        "numbers": str(number),
        "padded": f"{number:08d}",
        "mail": f"c{number}@example.com",
    }[style]


def draw_rows(
    rng: random.Random, count: int, zone: str = "UTC", *, days_only: bool = False, first: int = 2021
) -> list[Row]:
    """Draw order lines; order ids are unique, so that each row of the truth is known again."""
    style = rng.choice(["letters", "numbers", "padded", "mail"])
    prefix, rows = rng.choice(["", "A-", "2024/"]), []
    for number in range(count):
        at = draw_time(rng, zone, first=first)
        if days_only:
            at = at.replace(hour=0, minute=0, second=0)
        cents = rng.choice(
            [rng.randrange(1, 10_000), rng.randrange(10_000, 100_000), rng.randrange(100_000, 5_000_000)]
        )
        rows.append(
            Row(draw_customer(rng, max(2, count // 3), style), at, f"{prefix}{1001 + number}", Decimal(cents) / 100)
        )
    return rows


def damaged(rows: list[Row], places: list[int], fate: Fate) -> list[Row]:
    return [replace(row, fate=fate) if n in places else row for n, row in enumerate(rows)]


def few(rng: random.Random, count: int) -> list[int]:
    """Draw places of odd rows: one, or up to four in a hundred."""
    return sorted(rng.sample(range(count), rng.randint(1, max(1, int(count * 0.04)))))


def is_few(places: list[int], count: int) -> bool:
    """Whether so few rows are odd that the others must be staged: at most five in a hundred."""
    return len(places) <= 0.05 * count

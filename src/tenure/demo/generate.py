"""Generating the demo company, chunk by chunk, and keeping its truth apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.atomic_files import replaced_folder
from tenure.core.errors import UsageError
from tenure.core.time_windows import next_month
from tenure.demo.contacts import People, campaign, contact, record_taken
from tenure.demo.facts import FactWriter, record_day, record_people
from tenure.demo.simulator import advance
from tenure.demo.state import State, begin
from tenure.demo.world import PRODUCTS, World

# Customers simulated at a time: what bounds the memory, whatever the size of the company.
CHUNK = 10_000
# Customers arrive within this span whatever the length asked for, so that a longer history begins the same.
ARRIVAL_DAYS = 700
LAUNCH_DAYS = 60
# How many days of a chunk's facts are held in memory.
WRITTEN_DAYS = 180
# After it newcomers keep the pace, so many days at a time.
NEWCOMER_DAYS = 30


def last_day(world: World, months: int) -> date:
    """Return the first day after a history of so many months."""
    day = world.start
    for _ in range(months):
        day = next_month(day)
    return day


def generate_demo(
    raw_directory: Path,
    truth_directory: Path,
    *,
    customers: int = 5000,
    months: int = 24,
    seed: int = 7,
    world: World | None = None,
) -> dict[str, int]:
    """Write the demo company's raw files and, apart from them, its hidden truth; return the rows of each table.

    ``customers`` arrive in the first 700 days; from then on newcomers at the same pace. ``world``: other figures.

    Raises
    ------
    UsageError : fewer than 50 customers or 6 months.
    """
    world = world or World()
    check_size(customers, months)
    end = last_day(world, months)
    with replaced_folder(truth_directory) as truth, replaced_folder(raw_directory) as raw:
        writer, hidden = FactWriter(world, raw), []
        for chunk, cohort in enumerate(cohorts(world, customers, (end - world.start).days)):
            life = Life.begin(writer, world, cohort, [seed, chunk])
            hidden += [*life.live(writer, end), life.frame()]
            writer.flush(datetime.combine(end, datetime.min.time()))
            writer.drop()
        writer.write("products", pd.DataFrame(PRODUCTS, columns=["product_id", "category", "brand", "price"]))
        writer.close()
        pd.concat(hidden, ignore_index=True).to_parquet(truth / "hidden_state.parquet", index=False)
        about = {"customers": customers, "months": months, "seed": seed, "world": asdict(world)}
        (truth / "parameters.json").write_text(json.dumps(about, default=str, indent=1), encoding="utf-8")
    return writer.rows


def check_size(customers: int, months: int) -> None:
    """Raise ``UsageError`` for a company that is too small to live."""
    if customers < 50 or months < 6:
        raise UsageError(f"Demo of {customers} customers and {months} months. Expected at least 50 and 6.")


@dataclass(frozen=True)
class Cohort:
    """Customers simulated together: the number of the first, how many, and the days they arrive on."""

    first: int
    size: int
    days: range
    has_launch: bool

    @property
    def ids(self) -> np.ndarray:
        return np.array([f"c{number:06d}" for number in range(self.first, self.first + self.size)], dtype=object)

    def arrivals(self, world: World, generator: np.random.Generator) -> np.ndarray:
        """Draw each customer's first day: evenly, but for those of the launch."""
        if not self.has_launch:
            return generator.integers(self.days.start, self.days.stop, self.size)
        launch = generator.random(self.size) < world.launch_share
        early = generator.integers(0, LAUNCH_DAYS, self.size)
        return np.where(launch, early, generator.integers(self.days.start, self.days.stop, self.size))


def cohorts(world: World, customers: int, days: int) -> Iterator[Cohort]:
    """Give the customers who arrive within so many days, chunk by chunk; more days add chunks at the end."""
    for first in range(0, customers, CHUNK):
        yield Cohort(first, min(CHUNK, customers - first), range(ARRIVAL_DAYS), has_launch=True)
    pace = customers * (1 - world.launch_share) / ARRIVAL_DAYS
    newcomers = max(1, round(pace * NEWCOMER_DAYS))
    for number, begun in enumerate(range(ARRIVAL_DAYS, days, NEWCOMER_DAYS)):
        arriving = range(begun, begun + NEWCOMER_DAYS)
        yield Cohort(customers + number * newcomers, newcomers, arriving, has_launch=False)


@dataclass
class Life:
    """A cohort that is lived on day by day; ``day`` is the next one."""

    world: World
    people: People
    seed: list[int]
    day: int

    @classmethod
    def begin(cls, writer: FactWriter, world: World, cohort: Cohort, seed: list[int]) -> Life:
        """Draw a cohort and write who they are."""
        generator = np.random.default_rng([*seed, 0])
        ids, state = cohort.ids, begin(world, cohort.arrivals(world, generator), generator)
        record_people(writer, world, ids, state, generator)
        # Nothing happens before the first of the newcomers arrives.
        day = 0 if cohort.has_launch else cohort.days.start
        return cls(world, People(ids, state, np.full(len(ids), "", dtype=object)), seed, day)

    def live(self, writer: FactWriter, until: date, sent: pd.DataFrame | None = None) -> list[pd.DataFrame]:
        """Live to a day, writing the facts; return the hidden states of the firsts of the months passed.

        ``sent``: what is sent on the way. => customer_id, place, day, action, channel, decision_id
        """
        world, people, kept = self.world, self.people, []
        mail = {} if sent is None else dict(list(sent.groupby("day")))
        while self.today < until:
            if self.today.day == 1:
                kept.append(self.frame())
            if self.day % WRITTEN_DAYS == 0:
                writer.flush(datetime.combine(self.today, datetime.min.time()))
            # Each day has generators of its own: a longer history begins with the same days.
            campaign(writer, world, people, self.day, self._chances(3))
            if self.day in mail:
                contact(writer, world, people, self.day, mail[self.day], self._chances(4))
            happened = advance(world, people.state, self.day, self._chances(1))
            record_day(writer, world, people.ids, people.state, self.day, happened, self._chances(2))
            record_taken(writer, people, self.day, happened)
            self.day += 1
        return kept

    @property
    def today(self) -> date:
        return self.world.start + timedelta(days=self.day)

    def _chances(self, kind: int) -> np.random.Generator:
        return np.random.default_rng([*self.seed, kind, self.day])

    def frame(self) -> pd.DataFrame:
        """Give the hidden state of today. => customer_id, cutoff, the columns of ``State``"""
        columns = {f.name: getattr(self.people.state, f.name).copy() for f in fields(State)}
        return pd.DataFrame({"customer_id": self.people.ids, "cutoff": pd.Timestamp(self.today), **columns})

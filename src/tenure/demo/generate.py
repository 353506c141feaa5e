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
from tenure.demo.facts import FactWriter, campaign, record_day, record_people
from tenure.demo.simulator import State, advance, begin
from tenure.demo.world import PRODUCTS, World

# Customers simulated at a time: what bounds the memory, whatever the size of the company.
CHUNK = 10_000
# Customers arrive within this span whatever the length asked for, so that a longer history begins the same.
ARRIVAL_DAYS = 700
LAUNCH_DAYS = 60
# After it newcomers keep the pace, so many days at a time.
NEWCOMER_DAYS = 30


def last_day(world: World, months: int) -> date:
    """Return the first day after a history of so many months."""
    day = world.start
    for _ in range(months):
        day = next_month(day)
    return day


def generate_demo(
    raw_directory: Path, truth_directory: Path, *, customers: int = 5000, months: int = 24, seed: int = 7
) -> dict[str, int]:
    """Write the demo company's raw files and, apart from them, its hidden truth; return the rows of each table.

    ``customers`` arrive in the first 700 days; from then on newcomers at the same pace.

    Raises
    ------
    UsageError : fewer than 50 customers or 6 months.
    """
    if customers < 50 or months < 6:
        raise UsageError(f"Demo of {customers} customers and {months} months. Expected at least 50 and 6.")
    world = World()
    end = last_day(world, months)
    with replaced_folder(truth_directory) as truth, replaced_folder(raw_directory) as raw:
        writer = FactWriter(world, raw)
        hidden = []
        for chunk, cohort in enumerate(_cohorts(world, customers, (end - world.start).days)):
            hidden.append(_simulate(writer, world, cohort, chunk, end, seed))
            writer.flush(datetime.combine(end, datetime.min.time()))
        writer.write("products", pd.DataFrame(PRODUCTS, columns=["product_id", "category", "brand", "price"]))
        writer.close()
        pd.concat(hidden, ignore_index=True).to_parquet(truth / "hidden_state.parquet", index=False)
        about = {"customers": customers, "months": months, "seed": seed, "world": asdict(world)}
        (truth / "parameters.json").write_text(json.dumps(about, default=str, indent=1), encoding="utf-8")
    return writer.rows


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


def _cohorts(world: World, customers: int, days: int) -> Iterator[Cohort]:
    for first in range(0, customers, CHUNK):
        yield Cohort(first, min(CHUNK, customers - first), range(ARRIVAL_DAYS), has_launch=True)
    pace = customers * (1 - world.launch_share) / ARRIVAL_DAYS
    newcomers = max(1, round(pace * NEWCOMER_DAYS))
    for number, begun in enumerate(range(ARRIVAL_DAYS, days, NEWCOMER_DAYS)):
        arriving = range(begun, begun + NEWCOMER_DAYS)
        yield Cohort(customers + number * newcomers, newcomers, arriving, has_launch=False)


def _simulate(writer: FactWriter, world: World, cohort: Cohort, chunk: int, end: date, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng([seed, chunk, 0])
    ids, state = cohort.ids, begin(world, cohort.arrivals(world, generator), generator)
    record_people(writer, world, ids, state, generator)
    kept = []
    for day in range((end - world.start).days):
        today = world.start + timedelta(days=day)
        if today.day == 1:
            kept.append(_frame(state, ids, today))
        # Each day has generators of its own: a longer history begins with the same days.
        campaign(writer, world, ids, state, day, np.random.default_rng([seed, chunk, 3, day]))
        happened = advance(world, state, day, np.random.default_rng([seed, chunk, 1, day]))
        record_day(writer, world, ids, state, day, happened, np.random.default_rng([seed, chunk, 2, day]))
    return pd.concat([*kept, _frame(state, ids, end)], ignore_index=True)


def _frame(state: State, ids: np.ndarray, today: date) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ids,
            "cutoff": pd.Timestamp(today),
            **{f.name: getattr(state, f.name).copy() for f in fields(state)},
        }
    )

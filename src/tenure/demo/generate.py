"""Generating the demo company, chunk by chunk, and keeping its truth apart."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.demo.facts import FactWriter, record_day, record_people
from tenure.demo.simulator import State, advance, begin
from tenure.demo.world import PRODUCTS, World
from tenure.errors import UsageError
from tenure.time_windows import next_month
from tenure.workspace import replaced_folder

# Customers simulated at a time: what bounds the memory, whatever the size of the company.
CHUNK = 10_000
# Arrivals spread over this span whatever the length asked for, so that a longer history begins the same.
ARRIVAL_DAYS = 700


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
        for chunk, first in enumerate(range(0, customers, CHUNK)):
            hidden.append(_simulate(writer, world, first, min(CHUNK, customers - first), chunk, end, seed))
            writer.flush(datetime.combine(end, datetime.min.time()))
        writer.write("products", pd.DataFrame(PRODUCTS, columns=["product_id", "category", "brand", "price"]))
        writer.close()
        pd.concat(hidden, ignore_index=True).to_parquet(truth / "hidden_state.parquet", index=False)
        about = {"customers": customers, "months": months, "seed": seed, "world": asdict(world)}
        (truth / "parameters.json").write_text(json.dumps(about, default=str, indent=1), encoding="utf-8")
    return writer.rows


def _simulate(
    writer: FactWriter, world: World, first: int, size: int, chunk: int, end: date, seed: int
) -> pd.DataFrame:
    ids = np.array([f"c{number:06d}" for number in range(first, first + size)], dtype=object)
    generator = np.random.default_rng([seed, chunk, 0])
    state = begin(world, size, ARRIVAL_DAYS, generator)
    record_people(writer, ids, state, generator)
    kept = []
    for day in range((end - world.start).days):
        today = world.start + timedelta(days=day)
        if today.day == 1:
            kept.append(_frame(state, ids, today))
        # Each day has generators of its own: a longer history begins with the same days.
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

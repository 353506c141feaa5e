"""A shop of a few thousand customers and one campaign: drawn by chance, by a marketer's eye, or without a label."""

import numpy as np
import pandas as pd

from tenure.core.workspace import Workspace
from tenure.snapshots.build import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source

DAY, AS_OF = pd.Timestamp("2024-07-01"), pd.Timestamp("2024-09-15").date()
TRUE_EFFECT = 0.10  # of being mailed on the chance to order in 30 days


def shop(root, mailed, *, customers=4_000, labelled=True, seed=7):
    """Place a shop whose customers order by a hidden habit; ``mailed``: habit, generator => who is treated."""
    generator = np.random.default_rng(seed)
    ids, habit = np.array([f"c{n:05d}" for n in range(customers)]), generator.beta(2, 4, customers)
    parts = [
        (ids[generator.random(customers) < habit], DAY - pd.Timedelta(days=days), f"before-{days}")
        for days in (10, 40, 70, 100)
    ]
    treated = mailed(habit, generator)
    chance = habit + TRUE_EFFECT * treated
    parts.append((ids[generator.random(customers) < chance], DAY + pd.Timedelta(days=9), "after"))
    parts.append((ids[:1], pd.Timestamp("2024-09-14"), "late"))  # outside of all windows: the last day there is
    orders = pd.concat([pd.DataFrame({"customer_id": own, "occurred_at": day, "order_id": [f"{one}-{name}" for one in own]})
                        for own, day, name in parts]).assign(amount=20.0)  # fmt: skip
    contacts = pd.DataFrame({"customer_id": ids, "occurred_at": DAY, "campaign_id": "summer", "offer": "ten off",
                             "cost": np.where(treated, 0.5, 0.0), "arm": np.where(treated, "treated", "control")})  # fmt: skip
    contacts = contacts if labelled else contacts[treated].drop(columns="arm")
    return placed(root, order_lines=orders, contacts=contacts)


def placed(root, toml="", name="shop", as_of=AS_OF, **tables):
    """Stage tables that carry the staged names. => Snapshots as of a day"""
    workspace = Workspace(root)
    workspace.raw(name).mkdir(parents=True)
    for table, rows in tables.items():
        rows.to_parquet(workspace.raw(name) / f"{table}.parquet", index=False)
    (workspace.raw(name) / "source.toml").write_text(f'currency = "EUR"\n{toml}', encoding="utf-8")
    return Snapshots(workspace, stage_source(workspace, read_source(workspace, name)), as_of)


def by_chance(habit, generator):
    return generator.random(len(habit)) < 0.7


def by_habit(habit, generator):
    """Mail those who buy often and much: a marketer's list."""
    return habit + generator.normal(0, 0.1, len(habit)) > 0.3

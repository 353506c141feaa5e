"""A shop whose mail moves some customers and keeps others away: who is which shows in what was known of them before."""

import numpy as np
import pandas as pd

from tenure.core.workspace import Workspace

FIRST = pd.Timestamp("2024-05-01")
AS_OF = "2024-09-01"
TOML = """currency = "EUR"

[targets.lapse]
horizon_days = 30

[channels.email]
consent = ""
cost = 0.01

[actions.mail]
says = "A mail"
moves = "lapse"
when = "true"
channels = ["email"]

[customers]
from = "customers.parquet"
attributes = { taste = "taste" }
"""


def place(root, *, differs: float, customers=3_000, seed=11, more=""):
    """Place a shop: each customer is mailed, or not, by chance; who likes tea lapses less for it, the others more.

    ``differs``: by how much the effects on the chance to order lie apart; their mean is .05.
    """
    generator = np.random.default_rng(seed)
    ids = np.array([f"c{number:05d}" for number in range(customers)])
    likes_tea, treated = generator.random(customers) < 0.5, generator.random(customers) < 0.5
    day = FIRST + pd.to_timedelta(generator.integers(0, 2, customers) * 30, unit="D")
    chance = 0.4 + treated * (0.05 + differs * np.where(likes_tea, 1, -1))
    comes = generator.random(customers) < chance
    orders = pd.concat(
        [
            _orders(ids, day - pd.to_timedelta(generator.integers(5, 60, customers), unit="D"), "before"),
            _orders(ids[comes], (day + pd.Timedelta(days=9))[comes], "after"),
            _orders(ids[:1], [pd.Timestamp(AS_OF) - pd.Timedelta(days=1)], "late"),
        ]
    )
    arm = np.where(treated, "treated", "control")
    contacts = {"customer_id": ids, "occurred_at": day, "campaign_id": day.strftime("%B"), "offer": "mail", "arm": arm}
    people = {
        "customer_id": ids,
        "occurred_at": FIRST - pd.Timedelta(days=90),
        "taste": np.where(likes_tea, "tea", "coffee"),
    }
    workspace = Workspace(root)
    raw = workspace.raw("shop")
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "source.toml").write_text(TOML + more, encoding="utf-8")
    for name, table in (
        ("order_lines", orders),
        ("contacts", pd.DataFrame(contacts)),
        ("customers", pd.DataFrame(people)),
    ):
        table.to_parquet(raw / f"{name}.parquet", index=False)
    return pd.DataFrame({"likes_tea": likes_tea, "is_treated": treated, "lapsed": ~comes, "day": day}, index=ids)


def _orders(ids, days, name):
    return pd.DataFrame(
        {"customer_id": ids, "occurred_at": days, "order_id": [f"{one}-{name}" for one in ids], "amount": 20.0}
    )

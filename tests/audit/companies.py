"""Two small companies whose facts are drawn once, and what each delivers of them on two days a month apart.

A delivery is what was known before its day, so the second one holds every row of the first, unchanged, and what became
known since: the honest case, which a leak or its honest twin (see ``deliveries``) alters.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import pandas as pd

DAYS = {1: pd.Timestamp("2024-06-11"), 2: pd.Timestamp("2024-07-11")}
OPENED, END = pd.Timestamp("2022-07-01"), DAYS[2]
PLANS = pd.DataFrame({"plan": ["basic", "plus", "pro"], "monthly_price": [10, 20, 40], "allowance": [60, 150, 500]})
TARGETS = {"lapse": "shop", "churn": "club", "upsell": "club"}
KEYS = ["customer_id", "occurred_at", "known_at"]
CUSTOMERS = ("region", "newsletter")
HEADS = {
    "shop": 'timezone = "Europe/Berlin"\n\n[targets.lapse]\nhorizon_days = 60\neligible_days = 90\n',
    "club": 'timezone = "America/New_York"\n\n[targets.upsell]\nhorizon_days = 60\ntop_plan = "pro"\n',
}


@dataclass
class Delivery:
    """What a company is about to deliver: ``tables``, and how ``source.toml`` maps them.

    ``facts``: every table to the second day; ``truth``: customer_id, joined, stop. Further rows are drawn
    from these, and not from what is delivered, so that both deliveries agree.
    """

    company: str
    number: int
    facts: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    rng: np.random.Generator
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=lambda: list(CUSTOMERS))
    undated: set[str] = field(default_factory=set)  # tables whose file does not say when its rows were known

    def __post_init__(self):
        self.tables = {name: self.known(table) for name, table in self.facts.items()}

    @property
    def day(self):
        return DAYS[self.number]

    def known(self, rows, before=None):
        """Keep the rows that were known before the delivery, or before a day; products are not dated."""
        day = before or self.day
        return (rows[rows["known_at"] < day] if "known_at" in rows else rows).copy()

    def add(self, table, rows):
        """Add rows to a table, and the table where there is none; of those not known yet, none."""
        rows = self.known(rows)
        self.tables[table] = pd.concat([self.tables.get(table, rows.iloc[:0]), rows], ignore_index=True)

    def drop(self, customers, *tables):
        for name in tables:
            self.tables[name] = self.tables[name][~self.tables[name]["customer_id"].isin(customers)]

    def overwrite(self, column, values):
        """Write an attribute of each customer over all rows on them, as it is on the day of the delivery."""
        self.attributes.append(column)
        self.tables["customers"][column] = self.tables["customers"]["customer_id"].map(values)

    def append(self, column, rows):
        """Add dated rows of an attribute to the customers table; each row repeats what else was known when it was."""
        self.attributes += [column] * (column not in self.attributes)
        rows = self.known(rows)[[*KEYS, column]]
        table = pd.concat([self.tables["customers"], rows]).sort_values(["customer_id", "known_at"], kind="stable")
        table[self.attributes] = table.groupby("customer_id")[self.attributes].ffill()
        self.tables["customers"] = table

    def valued(self, rate):
        """Rate the customers at the end of each month by what was known then: a row for each whose value is new."""
        nights = pd.date_range(OPENED, self.day, freq="MS") - pd.Timedelta(hours=1)
        rated = ((night, rate(self, night)) for night in nights)
        frames = [pd.DataFrame({"customer_id": r.index, "occurred_at": n, "known_at": n, "value": r}) for n, r in rated]
        rows = pd.concat(frames, ignore_index=True)
        return rows[rows["value"] != rows.groupby("customer_id")["value"].shift()]

    def write(self, folder, thin=1):
        """Write the files, of one customer in ``thin``."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        toml = [f'name = "{self.company}"\ncurrency = "EUR"\n{HEADS[self.company]}']
        columns = ", ".join(f'{name} = "{name}"' for name in self.attributes)
        toml.append(f'[customers]\nfrom = "customers.csv"\ncustomer_id = "customer_id"\noccurred_at = "occurred_at"\n'
                    f"attributes = {{ {columns} }}\n")  # fmt: skip
        for name, table in self.tables.items():
            is_dated = "known_at" in table and name not in self.undated
            kept = table if is_dated else table.drop(columns="known_at", errors="ignore")
            if thin > 1 and "customer_id" in kept:
                kept = kept[pd.util.hash_array(kept["customer_id"].to_numpy(dtype=object)) % thin == 0]
            kept.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
            toml += [f'[raw."{name}.csv"]\nknown_at = "known_at"\n'] * is_dated
        (folder / "source.toml").write_text("\n".join(toml), encoding="utf-8")


@dataclass(frozen=True)
class Twin:
    """An honest delivery. ``at_most``: what may be raised of it, "quiet" or "warning"."""

    name: str
    says: str
    target: str
    change: Callable[[Delivery], None]
    at_most: str = "quiet"

    @property
    def company(self):
        return TARGETS[self.target]


@dataclass(frozen=True)
class Leak(Twin):
    """A lie about the past. ``columns``: whose values change; ``shows``: what two deliveries tell, () where nothing."""

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    is_main: bool = False
    twin: str = ""


LEAKS: dict[str, Leak] = {}
TWINS: dict[str, Twin] = {}


def planted(target, where, shows, text, *, twin="", main=False, **how):
    """Register a leak: "name: what it says", and where: "table", or "table.column table.other"."""
    (name, says), words = text.split(": ", 1), [word.split(".") for word in where.split()]
    tables, columns = tuple(dict.fromkeys(word[0] for word in words)), tuple(word[1] for word in words if word[1:])

    def register(change):
        lie = partial(change, honest=False, **how)
        LEAKS[name] = Leak(name, says, target, lie, "", tables, columns, shows, main, twin or change.twin)
        return change

    return register


def honest(target, text, at_most="quiet", **how):
    """Register the honest twin of the leaks that stand above it, made by the same function."""
    name, says = text.split(": ", 1)

    def register(change):
        change.twin = name
        TWINS[name] = Twin(name, says, target, partial(change, honest=True, **how), at_most)
        return change

    return register


def days(numbers):
    """Durations of so many days, to the second."""
    return pd.to_timedelta(np.round(np.asarray(numbers) * 86400), unit="s")


def by_lot(d, share=0.5):
    return d.truth["customer_id"][d.rng.random(len(d.truth)) < share]


def bought(lines):
    return lines[lines["quantity"] > 0]


def ended(d, before=None):
    """Give the moment of each end that was known."""
    events = d.known(d.facts["subscription_events"], before)
    return events[events["event"] == "ended"].groupby("customer_id")["occurred_at"].last()


def dated(rows, rng, late=0.4):
    """Give rows when they were known: mostly within hours, some days later; what comes after the end is left out."""
    frame = pd.DataFrame(rows)
    frame["known_at"] = frame["occurred_at"] + days(np.minimum(rng.exponential(late, len(frame)), 6))
    frame = frame[frame["known_at"] < END].sort_values(["occurred_at", "customer_id"], kind="stable")
    return frame[KEYS + [name for name in frame if name not in KEYS]].reset_index(drop=True)


def changing_customers(ids, joined, rng):
    """Give the customers table: a row at registration, and one for a third of them who change their mind later."""
    first = pd.DataFrame({"customer_id": ids, "occurred_at": joined, "region": rng.choice(list("NESW"), len(ids))})
    first["newsletter"] = np.where(rng.random(len(ids)) < 0.6, "yes", "no")
    changed = first[rng.random(len(ids)) < 0.33].copy()
    changed["newsletter"] = np.where(changed["newsletter"] == "yes", "no", "yes")
    changed["occurred_at"] += days(rng.uniform(10, 400, len(changed)))
    return dated(pd.concat([first, changed]), rng, late=0.02)


def spread(who, start, stop, rate, rng):
    """Draw acts at an even rate a day between two moments of each customer: their places in the list, and when."""
    length = np.maximum((stop - start) / days(1), 0)
    count = rng.poisson(length * rate)
    place = np.repeat(np.arange(len(who)), count)
    return place, start[place] + days(rng.random(len(place)) * length[place])


@cache
def shop(seed):
    """Draw a shop: customers order at their own pace until a hidden day, look in less before it, and return goods."""
    rng, n = np.random.default_rng(seed), 900
    ids = np.array([f"c{i:04d}" for i in range(n)])
    joined = OPENED + days(rng.uniform(0, 690, n))
    pace = np.exp(rng.normal(np.log(26), 0.6, n))
    stop = joined + days(15 + rng.exponential(300, n))
    gaps = rng.gamma(0.8, pace[:, None] / 0.8, (n, 280))
    moments = joined.to_numpy()[:, None] + (np.cumsum(gaps, axis=1) * 86400e9).astype("timedelta64[ns]")
    who, nth = np.nonzero(moments < np.minimum(stop, END).to_numpy()[:, None])
    lines = pd.DataFrame({"customer_id": ids[who], "occurred_at": pd.to_datetime(moments[who, nth]).floor("s")})
    lines["order_id"] = [f"o{i:06d}" for i in range(len(lines))]
    lines["product_id"] = [f"p{i:02d}" for i in rng.integers(0, 40, len(lines))]
    lines["quantity"] = rng.integers(1, 4, len(lines))
    lines["amount"] = np.round(lines["quantity"] * np.exp(rng.normal(3, 0.5, len(lines))), 2)
    is_last = ~lines["customer_id"].duplicated(keep="last") & (stop[who] < END)
    back = lines[rng.random(len(lines)) < np.where(is_last, 0.6, 0.03)].copy()
    back[["quantity", "amount"]] *= -1
    back["occurred_at"] += days(rng.uniform(30, 100, len(back)))
    back["order_id"] = "r" + back["order_id"]
    fading = np.maximum(stop - days(40), joined)
    eager = np.exp(rng.normal(np.log(0.09), 0.5, n))
    looks = [spread(ids, a, np.minimum(b, END), eager * f, rng)
             for a, b, f in ((joined, fading, 1), (fading, stop, 0.7), (stop, stop + days(200), 0.1))]  # fmt: skip
    place, seen = np.concatenate([p for p, _ in looks]), np.concatenate([m for _, m in looks])
    visits = {"customer_id": ids[place], "occurred_at": seen, "channel": "web", "kind": "visit"}
    facts = {
        "customers": changing_customers(ids, joined, rng),
        "order_lines": dated(pd.concat([lines, back]), rng, late=0.5),
        "engagement": dated(visits, rng, late=0.1),
        "products": pd.DataFrame({"product_id": [f"p{i:02d}" for i in range(40)], "category": list("ABCDE") * 8}),
    }
    return facts, pd.DataFrame({"customer_id": ids, "joined": joined, "stop": stop})


@cache
def club(seed):
    """Draw a subscription company: hidden satisfaction and need move use, complaints, ends and upgrades."""
    rng, n = np.random.default_rng(seed + 1000), 1600
    ids = np.array([f"s{i:04d}" for i in range(n)])
    joined = OPENED + days(rng.uniform(0, 715, n))
    start = joined + days(14)  # half of them are billed on the first of the month
    start = start.where(rng.random(n) < 0.5, start.to_period("M").to_timestamp() + pd.DateOffset(months=1, hours=6))
    plan, mood = rng.choice(3, n, p=[0.6, 0.3, 0.1]), rng.normal(0.6, 1.0, n)
    need = PLANS["allowance"].to_numpy()[plan] * np.exp(rng.normal(-0.7, 0.5, n))
    is_live, events, payments, usage, tickets = rng.random(n) < 0.85, [], [], [], []

    def say(chosen, moments, event, term=None):
        rows = {"customer_id": ids[chosen], "occurred_at": moments, "subscription_id": ids[chosen], "event": event}
        frame = pd.DataFrame(rows | PLANS.iloc[plan[chosen]].reset_index(drop=True).to_dict("list"))
        events.append(frame.assign(term_days=term))

    say(np.arange(n), joined, "trial_started")
    say(np.flatnonzero(~is_live), start[~is_live], "ended")
    stop = pd.Series(start).where(~is_live, END + days(1))
    for month in range(25):
        due = start + pd.DateOffset(months=month)
        is_live &= due < END
        mood = 0.9 * mood + rng.normal(0.03, 0.42, n)
        leaves = is_live & (month > 0) & (rng.random(n) < 1 / (1 + np.exp(2.7 + 2.4 * mood)))
        failed = np.flatnonzero(is_live & (rng.random(n) < 0.03 + 0.05 * (mood < -0.5) + 0.15 * leaves))
        say(np.flatnonzero(leaves), due[leaves], "ended")
        stop[leaves] = due[leaves]
        is_live &= ~leaves
        who = np.flatnonzero(is_live)
        say(who, due[who], "renewed" if month else "started", 30)
        paid = pd.DataFrame({"customer_id": ids, "occurred_at": due, "amount": PLANS["monthly_price"].to_numpy()[plan]})
        payments += [paid.iloc[w].assign(occurred_at=due[w] + days(lag), status=how)
                     for w, lag, how in ((failed, -1.0, "failed"), (who, 0.02, "succeeded"))]  # fmt: skip
        need *= np.exp(rng.normal(0.05, 0.12, n))
        use = np.minimum(need * np.exp(0.7 * mood), 1.2 * PLANS["allowance"].to_numpy()[plan])
        place, when = spread(who, due[who], due[who] + days(30), 0.13 * np.exp(np.minimum(0.8 * mood[who], 1.2)), rng)
        used = use[who][place] / 4 * rng.gamma(5, 0.2, len(place))
        usage.append(pd.DataFrame({"customer_id": ids[who][place], "occurred_at": when, "quantity": used}))
        place, when = spread(who, due[who], due[who] + days(30), 0.012 * np.exp(-0.5 * mood[who]), rng)
        tickets.append(pd.DataFrame({"customer_id": ids[who][place], "occurred_at": when}))
        pull = 14 * (use / PLANS["allowance"].to_numpy()[plan] - 0.9)
        rises = np.flatnonzero(is_live & (plan < 2) & (rng.random(n) < 0.22 / (1 + np.exp(-pull))))
        plan[rises] += 1
        say(rises, due[rises] + days(rng.uniform(3, 27, len(rises))), "upgraded")
    opened = pd.concat(tickets, ignore_index=True)
    opened["ticket_id"] = [f"t{i:05d}" for i in range(len(opened))]
    opened["topic"], opened["event"] = rng.choice(["billing", "quality", "app"], len(opened)), "opened"
    opened["severity"] = rng.choice(["low", "normal", "high"], len(opened), p=[0.3, 0.5, 0.2])
    closed = opened.assign(event="resolved", occurred_at=opened["occurred_at"] + days(rng.uniform(1, 12, len(opened))))
    truth = pd.DataFrame({"customer_id": ids, "joined": joined, "stop": stop})
    use = pd.concat(usage, ignore_index=True).merge(truth)
    use = use.loc[use["occurred_at"] < use["stop"], ["customer_id", "occurred_at", "quantity"]].round({"quantity": 3})
    facts = {
        "customers": changing_customers(ids, joined, rng),
        "subscription_events": dated(pd.concat(events).astype({"term_days": "Int64"}), rng, late=0.15),
        "payments": dated(pd.concat(payments), rng, late=0.1),
        "usage": dated(use.assign(metric="units"), rng, late=0.2),
        "support_tickets": dated(pd.concat([opened, closed]), rng, late=0.2),
    }
    return facts, truth

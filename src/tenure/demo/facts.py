"""Days of the simulator as rows of the staged tables, written chunk by chunk."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tenure.demo.simulator import cups
from tenure.demo.state import Array, Day, State
from tenure.demo.world import AGE_BANDS, CATEGORIES, CHANNELS, PRODUCTS, REASONS, REGIONS, TOPICS, World

# Events of the first and of the second subscription; what is written in the night, at which second.
LINES = {
    "": (
        "ended", "trial_started", "started", "resumed", "renewed", "cancel_requested",
        "upgraded", "downgraded", "addon_bought", "paused",
    ),
    "second ": ("ended", "trial_started", "started", "renewed"),
}  # fmt: skip
EARLY = {"ended": 60, "resumed": 120, "renewed": 240}
HALF_PAST_NINE = 34_200


class FactWriter:
    """Collects the facts of one chunk of customers and appends them to the Parquet files of a folder."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self.ending = ""  # of the files' names
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._pending: dict[str, list[dict[str, Array]]] = {}
        self.rows: dict[str, int] = {}

    def add(
        self, table: str, who: Array, day: int, seconds: Array, *, late_days: Array | int = 0, **columns: object
    ) -> None:
        """Add rows: who (customer ids), when, how many days later it was known, and the table's columns."""
        if not len(who):
            return
        midnight = np.datetime64(datetime.combine(self._world.start, datetime.min.time()) + timedelta(days=day), "us")
        occurred = midnight + seconds.astype("timedelta64[s]")
        known = occurred + (np.broadcast_to(late_days, len(who)) * 86400).astype("timedelta64[s]")
        rows = {"customer_id": who, "occurred_at": occurred, "known_at": known, **columns}
        self._pending.setdefault(table, []).append({name: _filled(values, len(who)) for name, values in rows.items()})

    def flush(self, until: datetime) -> None:
        """Write what was collected; facts not known before ``until`` do not exist yet, and stay."""
        for table, parts in self._pending.items():
            # One frame per table: thousands of small ones would take most of the time.
            frame = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
            known = frame["known_at"] < until
            self.write(table, frame[known])
            later = frame[~known]
            self._pending[table] = [{name: later[name].to_numpy() for name in later}] if len(later) else []
        self._pending = {table: parts for table, parts in self._pending.items() if parts}

    def drop(self) -> None:
        """Forget what is not known yet."""
        self._pending = {}

    def write(self, table: str, frame: pd.DataFrame) -> None:
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        if table not in self._writers:
            # A column without a value in the first rows is text in later ones.
            kinds = [
                column.with_type(pa.string()) if pa.types.is_null(column.type) else column for column in arrow.schema
            ]
            path = self._folder / f"{table}{self.ending}.parquet"
            self._writers[table] = pq.ParquetWriter(path, pa.schema(kinds), compression="zstd")
        self._writers[table].write_table(arrow.cast(self._writers[table].schema))
        self.rows[table] = self.rows.get(table, 0) + len(frame)

    def close(self) -> None:
        """End the files; what is written later goes into the files of ``ending``."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _filled(values: object, rows: int) -> Array:
    """Give a column's values, one per row; a single one is repeated."""
    array = np.asarray(values, dtype=object if isinstance(values, str) else None)
    return array if array.ndim else np.full(rows, array[()], dtype=array.dtype)


def record_people(writer: FactWriter, world: World, ids: Array, state: State, generator: np.random.Generator) -> None:
    """Write each customer's attributes on their first day, and one declared answer of some."""
    n = len(ids)
    region, channel = generator.choice(REGIONS, n), generator.choice(CHANNELS, n)
    ages, consent = generator.choice(AGE_BANDS, n), generator.random((2, n)) < [[0.8], [0.3]]
    answers = generator.random(n) < 0.3
    much = np.where(state.need > world.need_mean, "many cups", "few cups")
    for day in np.unique(state.arrival):
        at = np.flatnonzero(state.arrival == day)
        writer.add(
            "customers", ids[at], int(day), np.zeros(len(at)), region=region[at], acquisition_channel=channel[at],
            age_band=ages[at], consent_email=consent[0][at], consent_phone=consent[1][at],
        )  # fmt: skip
        told = at[answers[at]]
        writer.add("declared", ids[told], int(day), np.full(len(told), 60), key="how much coffee", value=much[told])


def record_day(
    writer: FactWriter, world: World, ids: Array, state: State, day: int, happened: Day, generator: np.random.Generator
) -> None:
    """Turn one day's marks into facts."""
    marks = happened.marks
    _subscription(writer, world, ids, state, day, marks, generator)
    _payments(writer, world, ids, state, day, marks, generator)
    drunk = np.where(marks["drinks"], generator.poisson(cups(state)), 0)
    drank = np.flatnonzero(drunk)
    writer.add("usage", ids[drank], day, np.full(len(drank), 86399), metric="cups", quantity=drunk[drank].astype(float))
    for mark, channel, kind in (("login", "app", "login"), ("open", "email", "open"), ("visit", "web", "visit")):
        at = np.flatnonzero(marks[mark])
        writer.add("engagement", ids[at], day, _daytime(generator, len(at)), channel=channel, kind=kind)
    at = np.flatnonzero(marks["ticket"])
    tickets = np.array([f"T{ids[i]}-{day}" for i in at], dtype=object)
    topic, severity = generator.choice(TOPICS, len(at)), generator.choice(["low", "high"], len(at), p=[0.8, 0.2])
    seconds = _daytime(generator, len(at))
    writer.add(
        "support_tickets", ids[at], day, seconds, ticket_id=tickets, topic=topic, severity=severity, event="opened"
    )
    writer.add(
        "support_tickets", ids[at], day + 2, seconds, ticket_id=tickets, topic=topic, severity=severity, event="resolved"
    )  # fmt: skip
    _orders(writer, world, ids, state, day, marks, generator)
    reads = 1 / (1 + np.exp(-world.click_odds - world.click_reads * state.reads))
    at = np.flatnonzero(marks["open"] & (generator.random(len(ids)) < reads))
    writer.add("engagement", ids[at], day, _daytime(generator, len(at)), channel="email", kind="click")


def _daytime(generator: np.random.Generator, n: int) -> Array:
    return generator.integers(7 * 3600, 22 * 3600, n)


def _subscription(
    writer: FactWriter, world: World, ids: Array, state: State, day: int, marks: dict[str, Array],
    generator: np.random.Generator,
) -> None:  # fmt: skip
    # The plan of the second subscription comes after the others; it includes no usage.
    names = np.array([plan[0] for plan in world.plans] + [world.second_plan[0]])
    allowances = np.array([plan[2] for plan in world.plans] + [np.nan])
    for line, event in [(line, event) for line, events in LINES.items() for event in events]:
        at = np.flatnonzero(marks[line + event])
        plan, price, term = _agreed(world, state, at, line)
        name = np.array([f"S{ids[i]}-{line.strip() or state.subscription[i]}" for i in at], dtype=object)
        late = np.where((event == "cancel_requested") & (generator.random(len(at)) < world.late_cancel_share), 3, 0)
        seconds = np.full(len(at), EARLY[event]) if event in EARLY else _daytime(generator, len(at))
        if event == "started" and not line:
            seconds[marks["switched"][at]] = EARLY["ended"]
        if event == "ended" and not line:
            seconds[marks["ended_at_once"][at]] = HALF_PAST_NINE
        writer.add(
            "subscription_events", ids[at], day, seconds, late_days=late,
            subscription_id=name, event=event, plan=names[plan],
            monthly_price=price if event != "trial_started" else np.zeros(len(at)),
            allowance=allowances[plan],
            term_days=np.where(event in ("started", "resumed", "renewed"), term[:, 0], np.nan),
            end_reason=_reason(marks, at, line) if event == "ended" else np.full(len(at), None, dtype=object),
        )  # fmt: skip


def _agreed(world: World, state: State, at: Array, line: str) -> tuple[Array, Array, Array]:
    """Give the plan, the price a month and the term (days, months) of one of the subscriptions of some customers."""
    prices = np.array([plan[1] for plan in world.plans] + [world.second_plan[1]])
    plan = np.full(len(at), len(world.plans)) if line else state.plan[at]
    term = np.zeros(len(at), dtype=np.int64) if line else state.term[at]
    return plan, prices[plan], np.array([term[:2] for term in world.terms])[term]


def _reason(marks: dict[str, Array], at: Array, line: str) -> Array:
    reasons = np.full(len(at), "cancelled", dtype=object)
    for mark, reason in (("trial_over", "trial not continued"), ("gave_up", "unpaid"), ("switched", "plan switched")):
        if line + mark in marks:
            reasons[marks[line + mark][at]] = reason
    return reasons


def _payments(
    writer: FactWriter, world: World, ids: Array, state: State, day: int, marks: dict[str, Array],
    generator: np.random.Generator,
) -> None:  # fmt: skip
    for mark, status in (("paid", "succeeded"), ("failed", "failed"), ("second paid", "succeeded")):
        at = np.flatnonzero(marks[mark])
        _, price, term = _agreed(world, state, at, mark.removesuffix("paid") if status == "succeeded" else "")
        amount = price * term[:, 1]
        payment = np.array([f"{mark.replace(' ', '-')}-{ids[i]}-{day}" for i in at], dtype=object)
        why = (
            generator.choice(REASONS, len(at)).astype(object)
            if status == "failed"
            else np.full(len(at), None, dtype=object)
        )
        writer.add(
            "payments", ids[at], day, np.full(len(at), 300),
            payment_id=payment, amount=amount, status=status, failure_reason=why,
        )  # fmt: skip
        if status == "succeeded":
            taken = generator.random(len(at)) < world.chargeback_share
            back = at[taken]
            # A chargeback takes the payment's day back, and is known only weeks later.
            writer.add(
                "payments", ids[back], day, np.full(len(back), 301), late_days=18,
                payment_id="back-" + payment[taken],
                amount=amount[taken], status="charged_back",
                failure_reason=np.full(len(back), None, dtype=object),
            )  # fmt: skip


def _orders(
    writer: FactWriter, world: World, ids: Array, state: State, day: int, marks: dict[str, Array],
    generator: np.random.Generator,
) -> None:  # fmt: skip
    buyers = np.flatnonzero(marks["order"])
    lines = generator.integers(1, 4, len(buyers))
    at = np.repeat(buyers, lines)
    shares = np.array([CATEGORIES[p[1]][0] for p in PRODUCTS])
    product = generator.choice(len(PRODUCTS), len(at), p=shares / shares.sum())
    price = np.array([p[3] for p in PRODUCTS])[product]
    quantity = generator.integers(1, 1 + np.array([CATEGORIES[p[1]][3] for p in PRODUCTS])[product]).astype(float)
    discounted = np.where(marks["taken"][at], 1, 1 / (1 + np.exp(1.0 - world.discount_price * state.price[at])))
    # A few people order under a second identity now and then.
    second = (
        (np.array([hash_of(i) for i in ids[buyers]]) == 0) & (generator.random(len(buyers)) < 0.3)
        if len(buyers)
        else np.zeros(0, dtype=bool)
    )
    names = np.where(np.repeat(second, lines), ids[at] + "-b", ids[at]) if len(at) else ids[at]
    columns = {
        "order_id": np.array([f"O{ids[i]}-{day}" for i in at], dtype=object),
        "product_id": np.array([p[0] for p in PRODUCTS], dtype=object)[product],
        "quantity": quantity,
        "amount": np.round(price * quantity, 2),
        "discount": np.where(generator.random(len(at)) < discounted, np.round(0.1 * price * quantity, 2), 0.0),
        "channel": "shop",
        "brand": np.array([p[2] for p in PRODUCTS], dtype=object)[product],
    }
    seconds = np.repeat(_daytime(generator, len(buyers)), lines)
    writer.add("order_lines", names, day, seconds, **columns)
    back = generator.random(len(at)) < 0.03
    returned = {k: (v[back] if isinstance(v, np.ndarray) else v) for k, v in columns.items()}
    returned["quantity"], returned["amount"] = -quantity[back], -np.round(price * quantity, 2)[back]
    writer.add("order_lines", names[back], day + 9, seconds[back], late_days=2, **returned)
    points = np.round(
        np.bincount(np.repeat(np.arange(len(buyers)), lines), weights=price * quantity, minlength=len(buyers))
    )
    writer.add(
        "loyalty", ids[buyers], day, _daytime(generator, len(buyers)), event="earned", points=points, tier="member"
    )


def hash_of(customer: str) -> int:
    """Say which of fifty groups a customer is in, the same in every run."""
    return sum(map(ord, customer)) * 7919 % 50

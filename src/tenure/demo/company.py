"""A demo company that lives on: what is sent acts on its customers, and the facts come back as further deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.core.errors import UsageError
from tenure.demo.facts import FactWriter
from tenure.demo.generate import Life, check_size, cohorts, last_day
from tenure.demo.world import PRODUCTS, World

SENT = ("customer_id", "action", "channel", "sent_on", "decision_id", "assigned")


# The tables of a source.toml that reads every delivery.
TABLES = "".join(
    f'\n[{table}]\nfrom = "{table}*.parquet"\n{further}'
    for table, further in {
        "customers": 'customer_id = "customer_id"\noccurred_at = "occurred_at"\n'
        'attributes = { region = "region", acquisition_channel = "acquisition_channel", age_band = "age_band" }\n'
        'consent = { email = "consent_email", phone = "consent_phone" }\n',
        **dict.fromkeys(("subscription_events", "payments", "usage", "engagement", "order_lines", "products"), ""),
        **dict.fromkeys(("contacts", "support_tickets", "loyalty", "declared"), ""),
    }.items()
)


@dataclass
class Company:
    """Raw files, and in memory the hidden state of everybody who has arrived or will soon. ``today`` is not lived yet.

    Each delivery is a file more of each table, ``order_lines-2026-01-08.parquet`` beside ``order_lines.parquet``, so a
    source maps them as ``TABLES`` says.
    """

    world: World
    customers: int
    seed: int
    today: date
    _writer: FactWriter
    _lives: list[Life]

    @classmethod
    def found(
        cls, raw_directory: Path, *, customers: int, months: int, seed: int = 7, world: World | None = None
    ) -> Company:
        """Write the same history as ``generate_demo`` into an empty folder, and keep what is hidden.

        Raises
        ------
        UsageError : fewer than 50 customers or 6 months; a folder that holds something.
        """
        world = world or World()
        check_size(customers, months)
        raw_directory.mkdir(parents=True, exist_ok=True)
        if found := [path.name for path in raw_directory.glob("*.parquet")]:
            raise UsageError(f"{raw_directory} holds {found[0]}. Expected an empty folder for a new company.")
        company = cls(world, customers, seed, world.start, FactWriter(world, raw_directory), [])
        company._writer.write("products", pd.DataFrame(PRODUCTS, columns=["product_id", "category", "brand", "price"]))
        company.live(last_day(world, months))
        return company

    def live(self, until: date, sent: pd.DataFrame | None = None) -> None:
        """Live to a day, which is then ``today``, and deliver the facts of the days passed.

        ``sent``: ``SENT`` and whatever else; who is not assigned ``treated`` is left alone, and no fact says so.

        Raises
        ------
        UsageError : a day already lived; something sent outside the days to live, or to nobody there.
        """
        if until <= self.today:
            raise UsageError(f"Live to {until}: {self.today} is not lived yet. Expected a later day.")
        mail = self._addressed(sent, until)
        self._writer.ending = f"-{until}" if self._lives else ""
        for number, cohort in enumerate(cohorts(self.world, self.customers, (until - self.world.start).days)):
            if number == len(self._lives):
                self._lives.append(Life.begin(self._writer, self.world, cohort, [self.seed, number]))
            own = None if mail is None else mail[mail["life"] == number]
            self._lives[number].live(self._writer, until, own)
            self._writer.flush(datetime.combine(until, datetime.min.time()))
        self._writer.close()
        self.today = until

    def _addressed(self, sent: pd.DataFrame | None, until: date) -> pd.DataFrame | None:
        """Give each contact that is sent its life, its place in it, and its day."""
        if sent is None or sent.empty:
            return None
        day = pd.to_datetime(sent["sent_on"]).dt.normalize()
        outside = (day < pd.Timestamp(self.today)) | (day >= pd.Timestamp(until))
        who = pd.concat(
            pd.DataFrame({"customer_id": life.people.ids, "life": number, "place": np.arange(len(life.people.ids))})
            for number, life in enumerate(self._lives)
        )
        # Who orders under a second identity is one person still.
        person = sent["customer_id"].str.removesuffix("-b")
        found = sent.assign(person=person, day=(day - pd.Timestamp(self.world.start)).dt.days)
        found = found.merge(who.rename(columns={"customer_id": "person"}), on="person", how="left")
        unknown = found["life"].isna()
        if outside.any() or unknown.any():
            raise UsageError(
                f"sent: {outside.sum()} contacts outside {self.today} to {until}, {unknown.sum()} to customers unknown."
                " Expected none: live in steps that hold them."
            )
        return found[found["assigned"] == "treated"].astype({"place": int})

    def hidden(self) -> pd.DataFrame:
        """Give everybody's hidden state this morning. => customer_id, cutoff, the columns of ``State``"""
        return pd.concat([life.frame() for life in self._lives], ignore_index=True)

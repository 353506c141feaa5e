"""What is sent in the demo company: its own old campaigns, and what others decide; each acts, and leaves facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenure.demo.actions import act
from tenure.demo.causes import CAUSES
from tenure.demo.facts import FactWriter
from tenure.demo.state import Array, Day, State
from tenure.demo.world import World


@dataclass
class People:
    """Customers by place: their names, hidden state, and the decision that their open offer is of (empty: none)."""

    ids: Array
    state: State
    offers: Array


TEN = 36_000  # o'clock, in seconds
COSTS = {"email": 0.02, "phone": 2.0, "app": 0.0}  # EUR a contact


def campaign(writer: FactWriter, world: World, people: People, day: int, generator: np.random.Generator) -> None:
    """Contact customers on the mornings of campaigns, and withhold it from a control group, both drawn."""
    number, days_off = divmod(day + 1, world.campaign_days)
    if days_off:
        return
    is_sized = number == world.sized_campaign
    share, treated_share = (1, world.sized_treated_share) if is_sized else (world.asked_share, world.treated_share)
    asked = np.flatnonzero((people.state.arrival < day) & (generator.random(len(people.ids)) < share))
    treated = generator.random(len(asked)) < treated_share
    act(world, people.state, "win_back", "email", asked[treated])
    people.offers[asked[treated]] = ""
    _write(
        writer, people.ids[asked], day, np.full(len(asked), TEN), campaign_id=f"C{number:03d}", channel="email",
        offer="win_back", cost=np.where(treated, COSTS["email"], 0.0), arm=np.where(treated, "treated", "control"),
    )  # fmt: skip


def contact(
    writer: FactWriter, world: World, people: People, day: int, sent: pd.DataFrame, generator: np.random.Generator
) -> None:
    """Send what was decided for a morning, and write what channels report.

    ``sent``: customer_id, place, action, channel, decision_id.
    """
    for (action, channel), own in sent.groupby(["action", "channel"]):
        at, decision = own["place"].to_numpy(), own["decision_id"].to_numpy(dtype=object)
        tired, opens = people.state.tired[at].copy(), generator.random(len(at))
        act(world, people.state, action, channel, at)
        if CAUSES[action].discount:
            people.offers[at] = decision
        opened = (opens < 1 / (1 + np.exp(-people.state.reads[at]))) & (channel == "email")
        harmed = generator.random(len(at)) / (world.complaint_rate * np.exp(tired))
        reports = {
            "sent": np.full(len(at), True),
            "opened": opened,
            "clicked": opened & (generator.random(len(at)) < 0.2),
            "complained": harmed < 1,
            "unsubscribed": (harmed >= 1) & (harmed < 4) & (channel == "email"),
        }
        for hour, (status, does) in enumerate(reports.items()):
            _write(
                writer, own["customer_id"].to_numpy()[does], day, np.full(int(does.sum()), TEN + 3600 * hour),
                channel=channel, offer=action, cost=COSTS[channel] if status == "sent" else 0.0, decision_id=decision[does],
                assigned="treated", status=status,
            )  # fmt: skip


def record_taken(writer: FactWriter, people: People, day: int, happened: Day) -> None:
    """Write who takes the offer of a decision: who orders while it holds, also who would have anyway."""
    at = np.flatnonzero(happened.marks["taken"] & (people.offers != ""))
    _write(
        writer, people.ids[at], day, np.full(len(at), 23 * 3600), offer="win_back", cost=0.0,
        decision_id=people.offers[at], assigned="treated", status="taken",
    )  # fmt: skip
    people.offers[people.state.promoted == 0] = ""


def _write(writer: FactWriter, who: Array, day: int, seconds: Array, **columns: object) -> None:
    """Write rows of contacts; a column that is not given has no value."""
    none = dict.fromkeys(("campaign_id", "channel", "offer", "cost", "arm", "decision_id", "assigned", "status"))
    given: dict[str, Any] = none | columns
    missing = np.full(len(who), None, dtype=object)
    writer.add(
        "contacts", who, day, seconds, **{name: missing if value is None else value for name, value in given.items()}
    )

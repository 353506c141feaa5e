"""What customers were sent before: by the ledger, and by the contacts that came back, matched to its decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.decisions.ledger import HOLD_OUT, WITHHELD, sent
from tenure.snapshots.engines.facts_at import FactsAt

# Fewer contacts do not tell how many take an offer.
FEWEST_TAKEN = 30
CONTACT = ("decision_id", "campaign_id", "offer", "channel", "arm", "assigned", "status")


@dataclass(frozen=True)
class History:
    """``contacts``: customer_id, on (day), action (null: of no action of ours), channel, is_service, cost.

    ``withheld``: customer_id, action, on: what chance kept back. ``came_back``: what the company's own contacts say: customer_id, on, decision_id (null: of no decision), status,
    is_sent. ``waiting``: customers with a proposal that nobody has approved or rejected, and that has not expired.
    ``since``: the first decision day. ``unknown``: contacts that name a decision nobody took.
    """

    contacts: pd.DataFrame
    withheld: pd.DataFrame
    came_back: pd.DataFrame
    waiting: Collection[str]
    since: date | None
    unknown: int

    @property
    def matched_share(self) -> float | None:
        """The share of the contacts since the first decision day that a decision explains; None without any."""
        later = self.came_back[self.came_back["on"] >= pd.Timestamp(self.since)] if self.since else self.came_back[:0]
        return float(later["decision_id"].notna().mean()) if len(later) else None


def history_of(facts: FactsAt, decided: pd.DataFrame) -> History:
    """Put decisions and contacts known at the as-of together, each contact once.

    A contact belongs to the decision it names; without an id to the newest decision of the same customer and action
    (``campaign_id`` or ``offer``) whose time to send it lies in. Whoever was in a control group was sent nothing.
    """
    own = sent(decided).assign(on=lambda table: pd.to_datetime(table["send_from"]).dt.normalize())
    since = None if decided.empty else min(decided["as_of"])
    came_back, unknown = _came_back(facts, decided) if "contacts" in facts.tables else (_nothing_back(), 0)
    # What a customer did with a contact is a row of its own, and no further contact.
    is_new = came_back["is_sent"] & came_back["status"].fillna("sent").eq("sent")
    others = came_back[came_back["decision_id"].isna() & is_new]
    others = others.assign(action=None, is_service=False, cost=0.0)
    shown = ["customer_id", "on", "action", "channel", "is_service", "cost"]
    parts = [part[shown] for part in (own, others) if len(part)]
    contacts = pd.concat(parts, ignore_index=True) if parts else own[shown]
    withheld = decided.loc[decided["arm"] == WITHHELD, ["customer_id", "action", "send_from"]]
    withheld = withheld.assign(on=pd.to_datetime(withheld["send_from"]).dt.normalize())
    is_waiting = (decided["status"] == "proposed") & (decided["send_until"] >= pd.Timestamp(facts.as_of))
    return History(contacts, withheld, came_back, set(decided.loc[is_waiting, "customer_id"]), since, unknown)


def taken_up(history: History, decided: pd.DataFrame) -> dict[str, float]:
    """Say for each action sent often enough which share of its customers took what it offers, by what came back."""
    own = sent(decided)
    took = own["decision_id"].isin(history.came_back.loc[history.came_back["status"] == "taken", "decision_id"])
    if not took.any():  # the company does not say who took
        return {}
    by_action = took.groupby(own["action"]).agg(["size", "mean"])
    return dict(by_action.loc[by_action["size"] >= FEWEST_TAKEN, "mean"])


def contaminated(history: History, decided: pd.DataFrame) -> tuple[int, int]:
    """Count the decisions to send nothing, by hold-out or chance, whose customer got something all the same. => those, of how many"""
    kept = decided[decided["arm"].isin((HOLD_OUT, WITHHELD))]
    back = history.came_back
    broken = back.loc[back["is_sent"] & back["decision_id"].isin(kept["decision_id"]), "decision_id"]
    strays = back[back["is_sent"] & back["decision_id"].isna()]
    days = kept[["decision_id", "customer_id"]].assign(on=pd.to_datetime(kept["send_from"]).dt.normalize())
    met = days.merge(strays[["customer_id", "on"]], on=["customer_id", "on"])
    return len({*broken, *met["decision_id"]}), len(kept)


def first_names(decided: pd.DataFrame, persons: Mapping[str, str]) -> dict[str, str]:
    """Map each person of several ids to the one that was decided on first: its assignment to the hold-out is kept.

    ``persons``: customer => the person they are.
    """
    if not persons or decided.empty:
        return {}
    first = decided.groupby("customer_id")["as_of"].min()
    members = pd.DataFrame({"member": [*persons, *persons.values()], "person": [*persons.values()] * 2})
    members["seen"] = members["member"].map(first)
    known = members.dropna().sort_values(["seen", "member"]).drop_duplicates("person")
    return dict(zip(known["person"], known["member"], strict=True))


def _nothing_back() -> pd.DataFrame:
    kinds = {
        "customer_id": str,
        "on": "datetime64[us]",
        "channel": str,
        "decision_id": str,
        "status": str,
        "is_sent": bool,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _came_back(facts: FactsAt, decided: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    columns = facts.tables["contacts"]
    has = {name: name if name in columns else "NULL::VARCHAR" for name in CONTACT}
    facts.connection.register("decided", decided[["decision_id", "customer_id", "action", "send_from", "send_until"]])
    found = facts.query(
        f"""
        WITH given AS (
            SELECT
                row_number() OVER () AS number, customer_id, occurred_at, CAST(occurred_at AS DATE) AS day,
                {has["channel"]} AS channel, {has["decision_id"]} AS named, {has["campaign_id"]} AS campaign,
                {has["offer"]} AS offer, {has["status"]} AS status,
                coalesce({has["assigned"]}, {has["arm"]}, 'treated') <> 'control' AS is_sent
            FROM contacts
        )
        SELECT
            given.customer_id, CAST(given.day AS TIMESTAMP) AS "on", given.channel, given.status, given.is_sent,
            given.named IS NOT NULL AND by_id.decision_id IS NULL AS is_unknown,
            coalesce(by_id.decision_id, by_day.decision_id) AS decision_id
        FROM given
        LEFT JOIN decided by_id ON by_id.decision_id = given.named AND by_id.customer_id = given.customer_id
        LEFT JOIN (
            SELECT given.number, arg_max(decided.decision_id, (decided.send_from, decided.decision_id)) AS decision_id
            FROM given
            JOIN decided USING (customer_id)
            WHERE given.named IS NULL
                AND decided.action IN (given.campaign, given.offer)
                AND given.day BETWEEN CAST(decided.send_from AS DATE) AND CAST(decided.send_until AS DATE)
            GROUP BY given.number
        ) by_day ON by_day.number = given.number
        ORDER BY given.occurred_at, given.customer_id, given.number
        """
    )
    facts.connection.unregister("decided")
    return found.drop(columns="is_unknown"), int(found["is_unknown"].sum())

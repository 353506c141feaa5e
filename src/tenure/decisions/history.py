"""What customers were sent before: by the ledger, and by the contacts that came back, matched to its decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from tenure.core.sql import literal
from tenure.decisions.ledger import PROPOSED, WITHHELD, sent
from tenure.snapshots.engines.facts_at import FactsAt

# Fewer contacts do not tell how many take an offer.
FEWEST_TAKEN = 30
CONTACTS = ["customer_id", "on", "action", "channel", "is_service", "cost"]
CONTACT = ("decision_id", "campaign_id", "offer", "channel", "arm", "assigned", "status")


@dataclass(frozen=True)
class History:
    """``contacts``: customer_id, on (day), action (null: of no action of ours), channel, is_service, cost.

    ``withheld``: customer_id, action, on: what chance kept back. ``came_back``: what the company's own contacts say: customer_id, on, decision_id (null: of no decision), status,
    is_sent. ``waiting``: as contacts, the proposals that nobody has approved or rejected, and that have not expired.
    ``since``: the first decision day. ``unknown``: contacts that name a decision nobody took.
    """

    contacts: pd.DataFrame
    withheld: pd.DataFrame
    waiting: pd.DataFrame
    came_back: pd.DataFrame
    since: date | None
    unknown: int

    @property
    def matched_share(self) -> float | None:
        """The share of the contacts since the first decision day that a decision explains; None without any."""
        later = self.came_back[self.came_back["on"] >= pd.Timestamp(self.since)] if self.since else self.came_back[:0]
        return float(later["decision_id"].notna().mean()) if len(later) else None


def history_of(facts: FactsAt, decided: pd.DataFrame, actions: Collection[str]) -> History:
    """Put decisions and contacts known at the as-of together, each contact once; ``actions``: the names there are.

    A contact belongs to the decision it names; without an id to the newest decision of the same customer and action
    (``campaign_id`` or ``offer``) whose time to send it lies in. Whoever was in a control group was sent nothing.
    """
    own = sent(decided).rename(columns={"sent_on": "on"})
    since = None if decided.empty else min(decided["as_of"])
    came_back, unknown = _came_back(facts, decided, actions) if "contacts" in facts.tables else (_nothing_back(), 0)
    # What a customer did with a contact is a row of its own, and no further contact.
    is_new = came_back["is_sent"] & came_back["status"].fillna("sent").eq("sent")
    # Somebody may have sent what was rejected or withheld.
    others = came_back[is_new & ~came_back["decision_id"].isin(own["decision_id"])].assign(is_service=False, cost=0.0)
    waiting = decided[(decided["status"] == PROPOSED) & (decided["send_until"] >= pd.Timestamp(facts.as_of))]
    withheld = decided[decided["arm"] == WITHHELD]
    return History(
        pd.concat([own[CONTACTS], others[CONTACTS]] if len(others) else [own[CONTACTS]], ignore_index=True),
        withheld.rename(columns={"sent_on": "on"})[["customer_id", "action", "on"]],
        waiting.rename(columns={"sent_on": "on"})[CONTACTS],
        came_back,
        since,
        unknown,
    )


def taken_up(history: History, decided: pd.DataFrame) -> dict[str, float]:
    """Say for each action sent often enough which share of its customers took what it offers, by what came back."""
    own = sent(decided)
    took = own["decision_id"].isin(history.came_back.loc[history.came_back["status"] == "taken", "decision_id"])
    if not took.any():  # the company does not say who took
        return {}
    by_action = took.groupby(own["action"]).agg(["size", "mean"])
    return dict(by_action.loc[by_action["size"] >= FEWEST_TAKEN, "mean"])


def contaminated(history: History, kept: pd.DataFrame) -> tuple[int, int]:
    """Count the decisions to send nothing whose customer got something all the same. => those, of how many"""
    back = history.came_back[history.came_back["is_sent"]]
    broken = back.loc[back["decision_id"].isin(kept["decision_id"]), "decision_id"]
    strays = back.loc[back["decision_id"].isna(), ["customer_id", "on"]]
    met = kept.merge(strays, left_on=["customer_id", "sent_on"], right_on=["customer_id", "on"])
    return len({*broken, *met["decision_id"]}), len(kept)


def first_names(decided: pd.DataFrame, persons: Mapping[str, str]) -> dict[str, str]:
    """Map each person of several ids to the one that was decided on first: its assignment to the hold-out is kept.

    ``decided``: customer_id, as_of. ``persons``: customer => the person they are.
    """
    first = decided.groupby("customer_id")["as_of"].min()
    members = pd.DataFrame({"member": [*persons, *persons.values()], "person": [*persons.values()] * 2}, dtype=str)
    seen = members.merge(first.rename("seen"), left_on="member", right_index=True)
    known = seen.sort_values(["seen", "member"]).drop_duplicates("person")
    return dict(zip(known["person"], known["member"], strict=True))


def _nothing_back() -> pd.DataFrame:
    kinds = {
        "customer_id": str,
        "on": "datetime64[us]",
        "channel": str,
        "action": str,
        "decision_id": str,
        "status": str,
        "is_sent": bool,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _came_back(facts: FactsAt, decided: pd.DataFrame, actions: Collection[str]) -> tuple[pd.DataFrame, int]:
    columns = facts.tables["contacts"]
    has = {name: name if name in columns else "NULL::VARCHAR" for name in CONTACT}
    names = ", ".join(map(literal, actions)) or "NULL"
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
            CASE WHEN given.offer IN ({names}) THEN given.offer WHEN given.campaign IN ({names}) THEN given.campaign END
                AS action,
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

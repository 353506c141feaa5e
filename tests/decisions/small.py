"""A shop small enough to check by eye, decided on by day."""

from datetime import date, datetime, time
from pathlib import Path

import pandas as pd

from tables import staged
from tenure.core.workspace import Workspace
from tenure.decisions.approval import events_of_answers
from tenure.decisions.candidates import Asked
from tenure.decisions.day import Deciding, decide_moment, held_out
from tenure.decisions.document import read_policy
from tenure.decisions.ledger import SHORT, append_events, read_decisions
from tenure.snapshots.engines.facts_at import facts_at
from tenure.targets.catalogue import targets_of

ORDERS = ("customer_id occurred_at order_id amount", "ana 2026-01-05 1 10", "bo 2026-01-06 2 10", "cy 2026-03-01 3 10")
CHANNEL = '[channels.email]\nconsent = "email"\n'
SAVE = '[actions.save]\nsays = "Stay"\nmoves = "lapse"\nwhen = "lapse_decile <= 5"\nchannels = ["email"]\n'


class Small:
    """``ids``: the customers of each day, each worth acting on and with consent to e-mail, but for what is changed."""

    def __init__(self, root: Path, rules: str, ids=("ana", "bo", "cy"), **tables):
        self.ids, self.root = list(ids), root
        self.toml = 'name = "shop"\n' + rules
        self.workspace = Workspace(root)
        self.stage(**tables)

    def stage(self, **tables):
        self.staged = staged(self.root, self.toml, **({"order_lines": ORDERS} | tables))
        self.policy = read_policy(self.staged.source)

    def scored(self, **changed) -> pd.DataFrame:
        plain = {
            "consent_email": True,
            "lapse_propensity": 0.5,
            "lapse_decile": 1,
            "lapse_at_stake": 100.0,
            "value_12m": 100.0,
        }
        reasons = {f"lapse_reason_{number}": "for a reason" for number in (1, 2, 3)}
        return pd.DataFrame({"customer_id": self.ids, **plain, **reasons} | changed)

    def decide(
        self,
        day: str,
        scored: pd.DataFrame | None = None,
        *,
        at=time(6),
        since_last=False,
        kind="scheduled",
        personal=None,
    ) -> Path:
        table = self.scored() if scored is None else scored
        (table[["customer_id"]].assign(orders=1)).to_parquet(self.root / "features.parquet")
        table.to_parquet(self.root / "scored.parquet")
        scored_sql, features = (
            f"SELECT * FROM read_parquet('{self.root / name}.parquet')" for name in ("scored", "features")
        )
        targets = {name: target for name, target in targets_of(self.staged.source).items() if name == "lapse"}
        now = datetime.combine(date.fromisoformat(day), at)
        deciding = Deciding(
            self.workspace, self.staged, self.policy, targets, {"lapse": "1"}, kind, now, personal or {}
        )
        with facts_at(self.staged, date.fromisoformat(day)) as facts:
            return decide_moment(deciding, Asked(facts, scored_sql, features), since_last=since_last)

    def ledger(self, kind="scheduled") -> pd.DataFrame:
        return read_decisions(self.workspace, "shop", kind, columns=[*SHORT, "candidates"])

    def sent(self) -> list[tuple[str, str, str]]:
        """Give what was sent or proposed. => customer, action, day of the decision"""
        rows = self.ledger()
        rows = rows[rows["action"].ne("nothing") & ~rows["arm"].isin(["withheld"])]
        return [
            (row.customer_id, row.action, str(row.as_of))
            for row in rows.sort_values(["as_of", "customer_id"]).itertuples()
        ]

    def answer(self, day: str, word: str = "approve", consents: pd.DataFrame | None = None) -> pd.DataFrame:
        """Answer all that waits. => events"""
        found = self.ledger()
        waiting = found.loc[found["status"] == "proposed", "decision_id"]
        answers = pd.DataFrame({"decision_id": waiting, "decision": word, "why": ""})
        agreed = self.scored().set_index("customer_id").filter(like="consent_") if consents is None else consents
        today = date.fromisoformat(day)
        at = datetime.combine(today, time(15))
        deciding = Deciding(self.workspace, self.staged, self.policy, {}, {}, "scheduled", at)
        held = dict.fromkeys(
            found.loc[found["customer_id"].isin(held_out(deciding, self.ids, today)), "decision_id"], "held out since"
        )
        events = events_of_answers(self.policy, found, answers, agreed, today=today, at=at, by="ann", stopped=held)
        append_events(self.workspace, "shop", events)
        return events

"""A simulated company whose actions are decided day by day: its facts, its policy, its scores, and what comes back.

Nothing here knows how decisions are made: it stages facts, asks for a day's decisions, answers some proposals and lets
the channels report.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd

from tenure.core.workspace import Workspace
from tenure.decisions.approval import answer_proposals
from tenure.decisions.candidates import Asked
from tenure.decisions.day import Deciding, decide_moment
from tenure.decisions.document import read_policy
from tenure.decisions.ledger import append_events, read_decisions
from tenure.snapshots.engines.facts_at import facts_at
from tenure.sources.ingest import stage_source
from tenure.sources.source import read_source
from tenure.targets.catalogue import targets_of

NAME, KIND = "company", "scheduled"
CHANNELS = {"email": 0.02, "phone": 2.0, "post": 0.8, "app": 0.0}
CONSENTS = ["consent_email", "consent_phone", "consent_post"]
TARGETS = ("lapse", "churn")
HISTORY_DAYS = 40
FAILED = 'on = { table = "payments", expression = "count(*) filter (where status = \'failed\') > 0", days = 1 }'
PAID = '{ table = "payments", expression = "count(*) filter (where status = \'succeeded\') > 0" }'
SOLVED = 'on = { table = "support_tickets", expression = "count(*) filter (where event = \'resolved\') > 0", days = 1 }'


def midnight(day: date) -> pd.Timestamp:
    return pd.Timestamp(day)


@dataclass
class Company:
    """``facts``: all there will ever be but for ``back``, the contacts that come back for what was decided."""

    root: Path
    seed: int
    customers: int
    first: date
    days: int
    toml: str
    restaged_every: int = 10
    facts: dict[str, pd.DataFrame] = field(default_factory=dict)
    back: list[dict] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)
    answered: list[dict] = field(default_factory=list)
    failed: dict[date, str] = field(default_factory=dict)
    seconds: float = 0.0  # that deciding took
    every: int = 10**6  # so many days are decided one by one, then each ``rest``-th
    rest: int = 1

    def __post_init__(self):
        self.today = self.first
        self.facts = draw_facts(self.seed, self.customers, self.first, self.days)
        self.workspace = Workspace(self.root)
        self.stage()

    @property
    def contacts(self) -> pd.DataFrame:
        """All contacts, with ``own``, the decision that each truly came of, and ``usable``, the first day that can know it."""
        never = pd.Timestamp("2200-01-01")
        back = pd.DataFrame(self.back, columns=[*self.facts["contacts"], "own", "staged_on"])
        back["staged_on"] = pd.to_datetime(back["staged_on"]).fillna(never)
        both = pd.concat(
            [self.facts["contacts"].assign(own=None, staged_on=pd.Timestamp(self.first)), back], ignore_index=True
        )
        both = both.astype(
            {"occurred_at": "datetime64[us]", "known_at": "datetime64[us]", "staged_on": "datetime64[us]"}
        )
        both["usable"] = np.maximum(both["known_at"].dt.normalize() + pd.Timedelta(days=1), both["staged_on"])
        return both.drop(columns="staged_on")

    def stage(self, known_before: date | None = None, root: Path | None = None):
        """Stage all facts, or in another workspace only those known before a day."""
        workspace = Workspace(root) if root else self.workspace
        raw = workspace.raw(NAME)
        raw.mkdir(parents=True, exist_ok=True)
        for name, table in (self.facts | {"contacts": self.contacts.drop(columns=["own", "usable"])}).items():
            kept = table if known_before is None else table[table["known_at"] < midnight(known_before)]
            kept.to_csv(raw / f"{name}.csv", index=False)
        (raw / "source.toml").write_text(self.toml, encoding="utf-8")
        staged = stage_source(workspace, read_source(workspace, NAME))
        if root is None:
            self.staged, self.policy = staged, read_policy(staged.source)
            for row in self.back:
                row.setdefault("staged_on", self.today)
        return staged

    def consents(self, day: date) -> pd.DataFrame:
        """Take each customer's newest word on each channel known before a day. => index customer_id"""
        known = self.facts["customers"]
        known = known[(known["known_at"] < midnight(day)) & (known["occurred_at"] < midnight(day))]
        words = known.sort_values(["occurred_at", "known_at"], kind="stable").groupby("customer_id")[CONSENTS]
        return words.last().astype("boolean")  # pandas' last passes over what is null

    def scored(self, day: date) -> pd.DataFrame:
        random = np.random.default_rng([self.seed, day.toordinal()])
        consents = self.consents(day)
        table = consents.reset_index().assign(value_12m=random.gamma(2, 60, len(consents)))
        for target in TARGETS:
            propensity = random.beta(1, 4, len(table))
            propensity[random.random(len(table)) < 0.15] = np.nan  # not eligible
            rank = pd.Series(propensity).rank(ascending=False, pct=True)
            table[f"{target}_propensity"] = propensity
            table[f"{target}_decile"] = np.ceil(rank * 10).astype("Int64")
            for number in (1, 2, 3):
                table[f"{target}_reason_{number}"] = [f"reason {one}" for one in random.integers(0, 9, len(table))]
            table[f"{target}_at_stake"] = np.where(
                random.random(len(table)) < 0.03, np.nan, random.gamma(2, 60, len(table))
            )
        return table

    def features(self, day: date) -> pd.DataFrame:
        random = np.random.default_rng([self.seed, day.toordinal(), 1])
        ids = self.consents(day).index
        return pd.DataFrame({"customer_id": ids, "spend_90d": random.gamma(2, 40, len(ids)).round(2), "visits_30d": random.poisson(3, len(ids))})  # fmt: skip

    def decide(self, day: date, *, staged=None, workspace=None, at=time(6), since_last=False, kind=KIND) -> Path:
        workspace, staged = workspace or self.workspace, staged or self.staged
        paths = []
        for name, table in (("scored", self.scored(day)), ("features", self.features(day))):
            paths.append(workspace.root / f"{name}.parquet")
            table.to_parquet(paths[-1], index=False)
        scored, features = (f"SELECT * FROM read_parquet('{path}')" for path in paths)
        targets = {name: target for name, target in targets_of(staged.source).items() if name in TARGETS}
        now = datetime.combine(day, at)
        deciding = Deciding(workspace, staged, self.policy, targets, dict.fromkeys(TARGETS, "1"), kind, now)
        with facts_at(staged, day) as facts:
            return decide_moment(deciding, Asked(facts, scored, features), since_last=since_last)

    def ledger(self, **options) -> pd.DataFrame:
        return read_decisions(self.workspace, NAME, KIND, **options)

    def answer(self, day: date) -> None:
        """Approve some proposals, reject some, leave the others; what was answered before is answered once more."""
        random = np.random.default_rng([self.seed, day.toordinal(), 2])
        found = self.ledger()
        waiting = found[found["status"] == "proposed"]
        given = waiting[random.random(len(waiting)) < 0.35]
        words = np.where(random.random(len(given)) < 0.75, "approve", "reject")
        answers = pd.DataFrame({"decision_id": given["decision_id"].to_numpy(), "decision": words, "why": ""})
        if self.answered and random.random() < 0.3:
            answers = pd.concat([answers, pd.DataFrame(self.answered[-2:])], ignore_index=True)
            answers = answers.drop_duplicates("decision_id")
        if answers.empty:
            return
        at = datetime.combine(day, time(15))
        deciding = Deciding(self.workspace, self.staged, self.policy, {}, {}, KIND, at)
        events = answer_proposals(deciding, answers, today=day, at=at, by="ann")
        append_events(self.workspace, NAME, events)
        self.answered += answers.to_dict("records")

    def report(self, day: date) -> None:
        """Let the channels report, with some delay, what was sent until a day: mostly by id, some not at all."""
        random = np.random.default_rng([self.seed, day.toordinal(), 3])
        found = self.ledger()
        found = found[
            found["action"].ne("nothing") & found["status"].ne("proposed") & ~found["decision_id"].isin(self.reported)
        ]
        for row in found[found["send_from"] < midnight(day)].itertuples():
            self.reported.add(row.decision_id)
            if row.arm not in ("best", "explored") or random.random() < 0.1:
                continue
            named = random.random() < 0.7
            what = {
                "customer_id": row.customer_id, "campaign_id": row.action, "channel": row.channel, "arm": "treated",
                "decision_id": row.decision_id if named else None, "own": row.decision_id,
            }  # fmt: skip
            when = max(row.send_from, midnight(day - timedelta(days=1)) if row.status == "drawn" else row.send_from)
            fate = random.choice(
                ["sent", None, "bounced", "complained", "unsubscribed", "taken"], p=[0.5, 0.25, 0.08, 0.02, 0.03, 0.12]
            )
            statuses = ["bounced"] if fate == "bounced" else ["sent", fate] if fate not in ("sent", None) else [fate]
            for later, status in enumerate(statuses):
                occurred = when + pd.Timedelta(hours=1 + 3 * later)
                known = occurred + pd.Timedelta(days=int(random.choice([0, 0, 1, 3])))
                self.back.append(what | {"occurred_at": occurred, "known_at": known, "status": status})

    def live(self) -> Iterator[date]:
        """Live day by day; each day's decisions stand when it is given."""
        for number in range(self.days):
            day = self.today = self.first + timedelta(days=number)
            if number and number % self.restaged_every == 0:
                self.stage()
            if number < self.every or number % self.rest == 0:
                began = monotonic()
                try:
                    self.decide(day)
                except Exception as error:  # a day without decisions; the others can still be judged
                    self.failed[day] = f"{type(error).__name__}: {error}"
                self.seconds += monotonic() - began
                yield day
            self.answer(day)
            self.report(day + timedelta(days=1))

    def copy_ledger(self, root: Path) -> Workspace:
        """Give another workspace with the same ledger."""
        workspace = Workspace(root)
        shutil.copytree(self.workspace.decisions_of(NAME), workspace.decisions_of(NAME))
        return workspace


def draw_facts(seed: int, customers: int, first: date, days: int) -> dict[str, pd.DataFrame]:
    """Draw what happens to the customers from some weeks before the first decision day to the end; much is known late."""
    random = np.random.default_rng(seed)
    ids = np.array([f"c{number:05d}" for number in range(customers)])
    begin, length = midnight(first) - pd.Timedelta(days=HISTORY_DAYS), HISTORY_DAYS + days

    def dated(count: int, who: np.ndarray | None = None, latest: float = 1.0) -> pd.DataFrame:
        who = random.choice(ids, count) if who is None else who
        occurred = begin + pd.to_timedelta((random.random(len(who)) * length * latest * 86400).astype(int), unit="s")
        late = random.choice([0, 0, 0, 1, 2, 5, 12], len(who)) * 86400 + random.integers(0, 3600, len(who))
        return pd.DataFrame(
            {"customer_id": who, "occurred_at": occurred, "known_at": occurred + pd.to_timedelta(late, unit="s")}
        )

    def flags(count: int) -> list:
        return random.choice(np.array([True, False, None], dtype=object), count, p=[0.6, 0.15, 0.25])

    def numbered(table: pd.DataFrame, name: str) -> pd.DataFrame:
        return table.assign(**{name: [f"{name[0]}{number}" for number in range(len(table))]})

    known = dated(0, ids, HISTORY_DAYS / length * 0.9)
    known["known_at"] = known["occurred_at"]
    joining = random.random(customers) < 0.08  # new customers, all through
    shift = pd.to_timedelta(random.integers(0, days, customers), unit="D") + pd.Timedelta(days=HISTORY_DAYS)
    known.loc[joining, ["occurred_at", "known_at"]] = known.loc[joining, ["occurred_at", "known_at"]].add(
        shift[joining], axis=0
    )
    changes = dated(max(4, customers * days // 120))
    people = pd.concat([known, changes], ignore_index=True)
    people = people.assign(**{name: flags(len(people)) for name in CONSENTS})
    started = known.assign(event="started", plan="basic", monthly_price=20, subscription_id=ids)
    orders = numbered(dated(customers * length // 15), "order_id").assign(
        quantity=1, amount=lambda t: random.gamma(2, 20, len(t)).round(2)
    )
    attempts = numbered(dated(customers * length // 60), "payment_id")
    attempts = attempts.assign(amount=20, status=random.choice(["failed", "succeeded"], len(attempts), p=[0.6, 0.4]))
    tickets = numbered(dated(max(4, customers * length // 200)), "ticket_id")
    tickets = tickets.assign(topic=random.choice(["size", "delivery"], len(tickets)), event=random.choice(["opened", "resolved", "reopened"], len(tickets), p=[0.4, 0.5, 0.1]))  # fmt: skip
    contacts = dated(customers * HISTORY_DAYS // 12, latest=HISTORY_DAYS / length)
    contacts = pd.concat([contacts, dated(customers * days // 300)], ignore_index=True)  # others write to them, too
    count = len(contacts)
    contacts = contacts.assign(
        campaign_id=random.choice(["spring", "act1", "act2"], count), channel=random.choice(list(CHANNELS), count),
        arm=random.choice(np.array(["treated", "control", None], dtype=object), count, p=[0.6, 0.15, 0.25]), decision_id=None,
        status=random.choice(np.array(["sent", None, "bounced", "complained", "unsubscribed"], dtype=object), count, p=[0.5, 0.4, 0.05, 0.02, 0.03]),
    )  # fmt: skip
    return {"customers": people, "subscription_events": started, "order_lines": orders, "payments": attempts, "support_tickets": tickets, "contacts": contacts}  # fmt: skip


def draw_policy(seed: int, customers: int) -> str:
    """Draw the rules of a company as the TOML of its source: limits bind, some actions are weak, some wait for a person."""
    random = np.random.default_rng([seed, 7])
    pick, many = random.choice, customers / 300
    channels = ["email", *(name for name in ("phone", "post", "app") if random.random() < 0.7)]
    limits = {"email": 40, "phone": 6, "post": 12, "app": 25}
    lines = [
        'name = "company"', 'currency = "EUR"', "[decisions]", f"hold_out = {pick([0.05, 0.1, 0.2])}",
        f"explore = {pick([0.0, 0.02, 0.05])}", f"explore_total = {pick([0.05, 0.1])}", f"waves = {pick([0, 1, 3])}",
        f"budget = {round(pick([15.0, 40.0]) * many, 2)}",
        f"at_most = {pick(['{ 7 = 1, 30 = 3 }', '{ 1 = 1, 10 = 2 }', '{ 3 = 1, 7 = 2, 30 = 5 }'])}",
        "quiet = " + pick(['["sun", "21:00-08:00"]', '["sat", "sun", "20:00-09:30"]', '["wed"]', '["20:00-07:00"]']),
    ]  # fmt: skip
    for name in channels:
        lines += [f"[channels.{name}]", f"cost = {CHANNELS[name]}", f"per_day = {max(1, int(limits[name] * many))}"]
        lines += [f'consent = "{"" if name == "app" else name}"']
    conditions = ("lapse_decile <= 6", "churn_propensity > 0.1 AND visits_30d >= 2", "spend_90d > 30", "lapse_propensity > 0.05 OR churn_decile = 1")  # fmt: skip
    for number in range(1, int(random.integers(2, 6))):
        own = list(random.permutation(channels)[: int(random.integers(1, len(channels) + 1))])
        lines += [
            f"[actions.act{number}]",
            'says = "Try it"',
            f"channels = {json.dumps(own)}",
            f"rest_days = {pick([0, 3, 10, 20])}",
        ]
        lines += [pick(['moves = "lapse"', 'moves = "churn"', "worth = 3.5"])]
        lines += [SOLVED, "expires_after = 4"] if number == 2 else [f'when = "{pick(conditions)}"']
        lines += [f"effect = {pick([0.02, 0.1, 0.3])}", f"cost = {pick([0.0, 0.5, 1.5])}"]
        lines += [f"if_taken = {pick([0.0, 2.0])}", f"take_up = {pick([0.1, 0.5])}"]
        lines += (
            [f'tier = "{pick(["automatic", "sample", "approve"])}"']
            if number != 1
            else ['tier = "approve"', f"expires_after = {pick([3, 7])}"]
        )
        lines += [f"per_day = {max(1, int(pick([4, 15]) * many))}"] if random.random() < 0.5 else []
    lines += [
        "[actions.failed]",
        'says = "Your payment failed"',
        FAILED,
        "expires_after = 4",
        "service = true",
        'channels = ["email"]',
    ]
    lines += [f'then = {{ after_days = {pick([1, 3])}, action = "failed_again", unless = {PAID} }}']
    lines += [
        "[actions.failed_again]",
        'says = "It still fails"',
        "service = true",
        f'channels = ["{channels[-1]}"]',
        'who = "success"',
    ]
    return "\n".join(lines) + "\n"

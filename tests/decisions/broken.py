"""What no ledger may hold, whatever the policy: each rule as a brute force over the decisions and the contacts.

The rules are those of the design alone. Where it leaves room, only what is wrong under every reading counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from functools import cached_property

import numpy as np
import pandas as pd
from company import NAME, Company, midnight

from tenure.decisions.action import Action, Policy
from tenure.decisions.ledger import read_events

SENT = ("best", "explored")
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Lived:
    """A company after some decision days. ``ledger``: as it stands, candidates included."""

    company: Company
    ledger: pd.DataFrame

    @property
    def policy(self) -> Policy:
        return self.company.policy

    @cached_property
    def days(self) -> list[date]:
        return sorted(pd.to_datetime(self.ledger["as_of"]).dt.date.unique())

    @cached_property
    def events(self) -> pd.DataFrame:
        return read_events(self.company.workspace, NAME)

    @cached_property
    def consents(self) -> dict[date, pd.DataFrame]:
        drawn = set(pd.to_datetime(self.events["at"]).dt.date) if len(self.events) else set()
        return {day: self.company.consents(day) for day in drawn.union(self.days)}

    @cached_property
    def acting(self) -> pd.DataFrame:
        """Decisions that act, with ``as_of`` and ``on`` (the day of sending) as times, ``was_sent``, ``decided_on``."""
        rows = self.ledger[self.ledger["action"].ne("nothing")].drop(columns="candidates", errors="ignore").copy()
        rows["as_of"] = pd.to_datetime(rows["as_of"])
        drawn = (
            self.events[self.events["event"] == "drawn"]
            if len(self.events)
            else pd.DataFrame(columns=["decision_id", "at"])
        )
        at = pd.to_datetime(
            rows["decision_id"].map(drawn.drop_duplicates("decision_id").set_index("decision_id")["at"])
        )
        rows["drawn_on"] = at.dt.normalize()
        rows["decided_on"] = rows["drawn_on"].fillna(rows["as_of"])
        late = rows["drawn_on"].map(self.next_open, na_action="ignore")
        planned = rows["send_from"].dt.normalize()
        rows["on"] = planned.where(late.isna() | (late <= planned), late).astype("datetime64[us]")
        rows["was_sent"] = rows["status"].isin(["decided", "drawn"]) & rows["arm"].isin(SENT)
        rows["reserves"] = rows["was_sent"] | rows["status"].isin(["proposed", "rejected", "drawn"])
        answered = self.events[self.events["event"].isin(["approved", "rejected"])] if len(self.events) else drawn
        rows["answered_on"] = pd.to_datetime(
            rows["decision_id"].map(answered.set_index("decision_id")["at"])
        ).dt.normalize()
        return rows

    def next_open(self, day: pd.Timestamp) -> pd.Timestamp:
        while WEEK[day.weekday()] in self.policy.rules.quiet:
            day += DAY
        return day

    @cached_property
    def marketing(self) -> pd.DataFrame:
        return self.acting[~self.acting["is_service"]]

    @cached_property
    def sends(self) -> pd.DataFrame:
        return self.marketing[self.marketing["was_sent"]].sort_values(["customer_id", "on"])

    @cached_property
    def history(self) -> pd.DataFrame:
        """Contacts that surely count and are not of our decisions, with the day ``on``."""
        rows = self.company.contacts
        rows = rows[
            rows["own"].isna() & rows["arm"].ne("control") & (rows["status"].isna() | (rows["status"] == "sent"))
        ]
        return rows.assign(on=rows["occurred_at"].dt.normalize())

    @cached_property
    def held(self) -> dict[date, set[str]]:
        rows = self.ledger[self.ledger["arm"] == "hold_out"]
        return {day: set(found["customer_id"]) for day, found in rows.groupby(pd.to_datetime(rows["as_of"]).dt.date)}


def broken(lived: Lived) -> list[str]:
    """Name all that is broken, the rule first."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(lived)]


def told(row) -> str:
    return f"{row.customer_id} {row.action} by {row.channel}, as of {row.as_of:%Y-%m-%d}, sent {row.on:%Y-%m-%d}"


def listed(row) -> list[dict]:
    return [] if row.candidates is None else list(row.candidates)


def contact_caps_hold_in_every_window(lived: Lived) -> Iterator[str]:
    known = {who: rows for who, rows in lived.history.groupby("customer_id")}
    for who, own in lived.sends.groupby("customer_id"):
        past = known.get(who)
        for row in own.itertuples():
            for days, most in lived.policy.rules.at_most.items():
                since = row.on - (days - 1) * DAY
                count = own["on"].between(since, row.on).sum()
                if past is not None:
                    count += (past["on"].between(since, row.on) & (past["usable"] <= row.as_of)).sum()
                if count > most:
                    late = f" (approved on {row.drawn_on:%Y-%m-%d})" if row.status == "drawn" else ""
                    yield f"{count} contacts in {days} days, {most} at most: {told(row)}{late}"


def nobody_is_contacted_without_consent(lived: Lived) -> Iterator[str]:
    for row in lived.sends.itertuples():
        channel = lived.policy.channels[row.channel]
        if not channel.consent:
            continue
        for day in {row.as_of.date(), row.decided_on.date()}:
            word = (
                lived.consents[day].get(channel.consent_column, pd.Series(dtype="boolean")).get(row.customer_id, pd.NA)
            )
            if word is pd.NA or not word:
                yield f"{told(row)}: consent was {word} as known on {day}"


def nobody_is_contacted_after_an_unsubscription(lived: Lived) -> Iterator[str]:
    contacts, words = lived.company.contacts, lived.company.facts["customers"]
    gone = contacts[contacts["status"] == "unsubscribed"]
    for row in lived.sends.itertuples():
        own = gone[
            (gone["customer_id"] == row.customer_id) & (gone["channel"] == row.channel) & (gone["usable"] <= row.as_of)
        ]
        if own.empty:
            continue
        column = lived.policy.channels[row.channel].consent_column
        again = words[(words["customer_id"] == row.customer_id) & (words["occurred_at"] >= own["occurred_at"].max())]
        if not (column and again[column].eq(True).any()):
            yield f"{told(row)}: unsubscribed on {own['occurred_at'].max():%Y-%m-%d}"


def who_complained_is_left_to_a_person(lived: Lived) -> Iterator[str]:
    contacts, tickets = lived.company.contacts, lived.company.facts["support_tickets"]
    tickets = tickets[tickets["event"] == "reopened"]
    tickets = tickets.assign(usable=tickets["known_at"].dt.normalize() + DAY)
    bad = pd.concat([contacts[contacts["status"] == "complained"], tickets])
    for row in lived.sends.itertuples():
        own = bad[(bad["customer_id"] == row.customer_id) & (bad["usable"] <= row.as_of)]
        if own["occurred_at"].between(row.as_of - 6 * DAY, row.as_of, inclusive="left").any():
            yield f"{told(row)}: complained on {own['occurred_at'].max():%Y-%m-%d}"


def nobody_held_out_is_contacted(lived: Lived) -> Iterator[str]:
    """Nor when it is approved or sent later than it was decided, in another month."""
    held: dict[int, set[str]] = {}
    for day, who in lived.held.items():
        held[months(day)] = held.get(months(day), set()) | who
    for row in lived.sends.itertuples():
        for day in {row.as_of.date(), row.decided_on.date(), row.on.date()}:
            if row.customer_id in held.get(months(day), ()):
                yield f"{told(row)}: held out on {day}"


def the_hold_out_lasts(lived: Lived) -> Iterator[str]:
    """Within a month nobody comes or goes; who joins after the first month stays at least twelve."""
    scored = {
        day: set(rows["customer_id"])
        for day, rows in lived.ledger.groupby(pd.to_datetime(lived.ledger["as_of"]).dt.date)
    }
    since: dict[str, date] = {}
    for before, day in zip(lived.days, lived.days[1:], strict=False):
        was, now = lived.held.get(before, set()), lived.held.get(day, set())
        came, left = now - was, (was - now) & scored[day]
        since |= dict.fromkeys(came, day)
        if (before.year, before.month) == (day.year, day.month) and (left or came & scored[before]):
            yield f"on {day} {sorted(came & scored[before])[:3]} came and {sorted(left)[:3]} left within a month"
        for who in left:
            if who in since and months(day) - months(since[who]) < 12:
                yield f"{who} joined on {since[who]} and left on {day}"


def months(day: date) -> int:
    return day.year * 12 + day.month


def its_share_is_as_declared(lived: Lived) -> Iterator[str]:
    share = lived.policy.rules.hold_out
    for day in lived.days:
        count = lived.ledger.loc[pd.to_datetime(lived.ledger["as_of"]).dt.date == day, "customer_id"].nunique()
        found, spread = len(lived.held.get(day, ())), np.sqrt(count * share * (1 - share))
        if abs(found - count * share) > 4.5 * spread + 1:
            yield f"on {day} {found} of {count} are held out, {share:.0%} expected"
            return


def the_budget_of_a_day_is_kept(lived: Lived) -> Iterator[str]:
    if lived.policy.rules.budget is not None:
        for day, rows in lived.marketing[lived.marketing["reserves"]].groupby("as_of"):
            if (spent := rows["cost"].sum()) > lived.policy.rules.budget + 1e-9:
                yield f"on {day:%Y-%m-%d} {spent:.2f} of {lived.policy.rules.budget:.2f}"
    for row in lived.acting.itertuples():
        plain = lived.policy.actions[row.action].cost + lived.policy.channels[row.channel].cost
        if abs(row.cost - plain) > 1e-9:
            yield f"{told(row)}: cost {row.cost}, not {plain}"
            return


def capacities_hold_on_each_day_of_sending(lived: Lived) -> Iterator[str]:
    """What is sent and what waits takes capacity on its day; what service took before is not there for marketing."""
    planned = lived.acting[lived.acting["reserves"]].assign(on=lambda rows: rows["send_from"].dt.normalize())
    for kind, of in (("channel", lived.policy.channels), ("action", lived.policy.actions)):
        for (name, on), rows in planned.groupby([kind, "on"]):
            most = of[name].per_day
            if most is None:
                continue
            for day in rows.loc[~rows["is_service"], "as_of"].unique():
                # Of what was proposed before, what was refused or withheld until then takes none.
                freed = ~rows["was_sent"] & (rows["answered_on"] < day)
                before = rows[(rows["as_of"] < day) & ~freed & ~(rows["send_until"] < day)]
                today = rows[rows["as_of"] == day]
                count, service = len(before) + len(today), before["is_service"].sum() + today["is_service"].sum()
                if count > most:
                    yield f"{count} by {kind} {name} on {on:%Y-%m-%d} (as of {day:%Y-%m-%d}), {most} at most; {service} are service"


def one_decision_for_each_customer_and_day(lived: Lived) -> Iterator[str]:
    plain = lived.ledger[~lived.ledger["is_service"].astype(bool)]
    for as_of, rows in plain.groupby(pd.to_datetime(plain["as_of"]).dt.date):
        scheduled = rows.loc[rows["moment"] == "schedule", "customer_id"]
        if scheduled.duplicated().any():
            yield f"{scheduled[scheduled.duplicated()].iloc[0]} twice on {as_of}"
        if set(scheduled) != set(lived.company.consents(as_of).index):
            yield f"on {as_of} {len(scheduled)} of {len(lived.company.consents(as_of))} customers"
    acting = lived.marketing[lived.marketing["reserves"]]
    for row in acting[acting.duplicated(["customer_id", "as_of"])].itertuples():
        yield f"{told(row)}: the second of the day"
    service = lived.acting[lived.acting["is_service"]]
    for row in service[service.duplicated(["customer_id", "as_of", "action"])].itertuples():
        yield f"{told(row)}: the second service message of the day"
    if lived.ledger["decision_id"].duplicated().any():
        yield "two decisions of one id"


def nothing_is_sent_in_quiet_times(lived: Lived) -> Iterator[str]:
    quiet = lived.policy.rules.quiet
    hours = [given.split("-") for given in quiet if "-" in given]
    since, until = (time.fromisoformat(hours[0][1]), time.fromisoformat(hours[0][0])) if hours else (time.min, time.max)
    for row in lived.acting.itertuples():
        for what in (row.send_from, row.send_until):
            if WEEK[what.weekday()] in quiet or not since <= what.time() <= until:
                yield f"{told(row)}: {what}"
        one_day = row.send_from.date() == row.send_until.date() or not quiet
        if not row.send_from < row.send_until or row.send_from < row.as_of or (row.was_sent and not one_day):
            yield f"{told(row)}: from {row.send_from} until {row.send_until}"


def an_action_rests(lived: Lived) -> Iterator[str]:
    for (who, action), own in lived.sends.groupby(["customer_id", "action"]):
        rest = lived.policy.actions[action].rest_days
        past = lived.history[(lived.history["customer_id"] == who) & (lived.history["campaign_id"] == action)]
        for row in own.itertuples():
            seen = past.loc[past["usable"] <= row.as_of, "on"]
            others = pd.concat([seen, own.loc[own["on"] < row.on, "on"]])
            gap = (row.on - others.max()).days if len(others) else rest
            if gap < rest or (rest and (own["on"] == row.on).sum() > 1):
                yield f"{told(row)}: {gap} days after the last, {rest} expected"


def every_refusal_has_a_reason(lived: Lived) -> Iterator[str]:
    for row in lived.ledger[~lived.ledger["is_service"].astype(bool)].itertuples():
        candidates = listed(row)
        for one in candidates:
            if lived.policy.actions[one["action"]].service:
                continue
            chosen = (one["action"], one["channel"]) == (row.action, row.channel)
            if not chosen and not one["refused_because"]:
                yield f"{row.customer_id} as of {row.as_of}, {row.arm} {row.action}: {one['action']} by {one['channel']}"
            if chosen and one["refused_because"]:
                yield f"{row.customer_id} as of {row.as_of}: {row.action} was chosen and refused: {one['refused_because']}"
        if row.action != "nothing" and (row.action, row.channel) not in {
            (one["action"], one["channel"]) for one in candidates
        }:
            yield f"{row.customer_id} as of {row.as_of}: {row.action} was chosen and no candidate"


def every_chance_is_one(lived: Lived) -> Iterator[str]:
    waits = lived.ledger["status"].isin(["proposed", "rejected"])
    wrong = ~waits & ~(lived.ledger["chance"].gt(0) & lived.ledger["chance"].le(1) & lived.ledger["arm"].notna())
    wrong |= waits & (lived.ledger["chance"].notna() | lived.ledger["arm"].notna())
    for row in lived.ledger[wrong].itertuples():
        yield f"{row.customer_id} as of {row.as_of}: {row.action}, {row.status}, {row.arm}, chance {row.chance}"


def what_is_best_is_worth_more_than_nothing(lived: Lived) -> Iterator[str]:
    best = lived.marketing[(lived.marketing["arm"] == "best") & ~(lived.marketing["expected_value"] > 0)]
    for row in best.itertuples():
        yield f"{told(row)}: {row.expected_value}"


def a_proposal_is_sent_once_after_its_approval(lived: Lived) -> Iterator[str]:
    if lived.events.empty:
        return
    rows = lived.ledger.set_index("decision_id")
    for name, own in lived.events.groupby("decision_id"):
        words = own["event"].tolist()
        if words not in (["approved", "drawn"], ["rejected"], ["approved"]):
            yield f"{name}: {words}"
        elif "drawn" in words and (own["at"].iloc[1] < own["at"].iloc[0] or rows.loc[name, "status"] != "drawn"):
            yield f"{name}: drawn before it was approved"
        if "drawn" in words:
            age = (own["at"].iloc[-1].date() - rows.loc[name, "send_from"].date()).days
            if age > lived.policy.actions[rows.loc[name, "action"]].expires_after:
                yield f"{name}: drawn {age} days after it was proposed"
    asked = lived.ledger[lived.ledger["tier"].eq("approve") & ~lived.ledger["is_service"].astype(bool)]
    sent = asked[asked["status"].eq("decided")]
    for row in sent[sent["arm"].isin(SENT)].itertuples():
        yield f"{row.customer_id} as of {row.as_of}: {row.action} was sent without being asked"


def a_fact_opens_its_action_once(lived: Lived) -> Iterator[str]:
    for action in lived.policy.actions.values():
        if action.on:
            yield from _opened_wrongly(lived, action, _facts(lived, action))


def _facts(lived: Lived, action: Action) -> pd.DataFrame:
    column, value = {"payments": ("status", "failed"), "support_tickets": ("event", "resolved")}[action.on.table]
    table = lived.company.facts[action.on.table]
    return table[table[column] == value]


def _opened_wrongly(lived: Lived, action: Action, facts: pd.DataFrame) -> Iterator[str]:
    """Judge who was a candidate on each day but the first, by the facts that had become known since the day before."""
    found: dict[date, set[str]] = {}
    rows = lived.ledger[lived.ledger["is_service"].astype(bool) == action.service]
    for row in rows.itertuples():
        names = [row.action] if action.service else [one["action"] for one in listed(row)]
        if action.name in names:
            found.setdefault(pd.Timestamp(row.as_of).date(), set()).add(row.customer_id)
    for before, day in zip(lived.days, lived.days[1:], strict=False):
        new = facts[
            (facts["known_at"] >= midnight(before))
            & (facts["known_at"] < midnight(day))
            & (facts["occurred_at"] < midnight(day))
        ]
        age = (midnight(day) - new["occurred_at"].dt.normalize()).dt.days
        must = set(new.loc[age <= action.expires_after, "customer_id"]) & set(lived.company.consents(day).index)
        may = set(new.loc[age <= action.expires_after, "customer_id"])
        for who in sorted(found.get(day, set()) - may)[:3]:
            yield f"{action.name} was open to {who} on {day}, without a new fact"
        for who in sorted(must - found.get(day, set()))[:3]:
            yield f"{action.name} was not open to {who} on {day}"


def a_sequence_goes_on_once(lived: Lived) -> Iterator[str]:
    for first in lived.policy.actions.values():
        if not first.then:
            continue
        after = lived.acting[lived.acting["action"] == first.then.action]
        paid = lived.company.facts["payments"].query("status == 'succeeded'")
        for who, begun in lived.acting[(lived.acting["action"] == first.name) & lived.acting["was_sent"]].groupby(
            "customer_id"
        ):
            yield from _followed_wrongly(
                lived, first, begun, after[after["customer_id"] == who], paid[paid["customer_id"] == who]
            )
        for row in after[
            ~after["customer_id"].isin(lived.acting.loc[lived.acting["action"] == first.name, "customer_id"])
        ].itertuples():
            yield f"{told(row)}: after nothing"


def _followed_wrongly(
    lived, first: Action, begun: pd.DataFrame, after: pd.DataFrame, paid: pd.DataFrame
) -> Iterator[str]:
    wait = first.then.after_days * DAY
    if len(after) > len(begun):
        yield f"{told(after.iloc[-1])}: {len(after)} after {len(begun)}"
    for row in after.itertuples():
        due = begun[begun["on"] + wait <= row.on]
        if due.empty:
            yield f"{told(row)}: {first.name} was sent on {begun['on'].min():%Y-%m-%d}"
            continue
        since = due["on"].max()
        if (
            (paid["occurred_at"] >= since + DAY) & (paid["occurred_at"] < row.as_of) & (paid["known_at"] < row.as_of)
        ).any():
            yield f"{told(row)}: paid since {since:%Y-%m-%d}"
    bounced = lived.company.contacts.query("status == 'bounced'")["own"]
    for row in begun[~begun["decision_id"].isin(bounced)].itertuples():
        alone = (begun["on"] - row.on).abs().between(DAY, 12 * DAY).sum() == 0
        on = [day for day in lived.days if lived.next_open(midnight(day)) >= row.on + wait]
        if not alone or not on or (paid["occurred_at"].between(row.on - DAY, midnight(on[0]))).any():
            continue
        if not (after["as_of"] == midnight(on[0])).any():
            yield f"{row.customer_id} was sent {first.name} on {row.on:%Y-%m-%d}, and nothing after it as of {on[0]}"


RULES = (
    contact_caps_hold_in_every_window, nobody_is_contacted_without_consent, nobody_is_contacted_after_an_unsubscription,
    who_complained_is_left_to_a_person, nobody_held_out_is_contacted, the_hold_out_lasts, its_share_is_as_declared,
    the_budget_of_a_day_is_kept, capacities_hold_on_each_day_of_sending, one_decision_for_each_customer_and_day,
    nothing_is_sent_in_quiet_times, an_action_rests, every_refusal_has_a_reason, every_chance_is_one,
    what_is_best_is_worth_more_than_nothing, a_proposal_is_sent_once_after_its_approval, a_fact_opens_its_action_once,
    a_sequence_goes_on_once,
)  # fmt: skip

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
    """A company after some decision days. ``ledger``: as it stands, without the candidates, which are read day by day."""

    company: Company
    ledger: pd.DataFrame

    def with_candidates(self) -> Iterator:
        """Give each customer's decision with its candidates."""
        columns = ["decision_id", "customer_id", "as_of", "action", "channel", "arm", "is_service", "candidates"]
        for day in self.days:
            found = self.company.ledger(as_of=day, columns=columns)
            yield from found[~found["is_service"].astype(bool)].itertuples()

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
        rows = self.ledger[self.ledger["action"].ne("nothing")].copy()
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
    sends = lived.sends.reset_index(drop=True)
    places = pd.factorize(sends["customer_id"])[0].astype(np.int64) * 1_000_000
    days = (sends["on"] - pd.Timestamp("2020-01-01")).dt.days.to_numpy()
    ordered = np.sort(places + days)
    past = sends.reset_index()[["index", "customer_id", "on", "as_of"]].merge(
        lived.history[["customer_id", "on", "usable"]], on="customer_id", suffixes=("", "_past")
    )
    past = past[(past["usable"] <= past["as_of"]) & (past["on_past"] <= past["on"])]
    for window, most in lived.policy.rules.at_most.items():
        own = np.searchsorted(ordered, places + days, "right") - np.searchsorted(ordered, places + days - window + 1)
        within = past.loc[past["on_past"] > past["on"] - window * DAY, "index"].value_counts()
        count = own + sends.index.map(within).fillna(0).to_numpy().astype(int)
        for place in np.flatnonzero(count > most):
            row = next(sends.iloc[[place]].itertuples())
            late = f" (approved on {row.drawn_on:%Y-%m-%d})" if row.status == "drawn" else ""
            yield f"{count[place]} contacts in {window} days, {most} at most: {told(row)}{late}"


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
    gone = contacts.loc[contacts["status"] == "unsubscribed", ["customer_id", "channel", "occurred_at", "usable"]]
    met = lived.sends.merge(gone, on=["customer_id", "channel"])
    met = met[met["usable"] <= met["as_of"]].drop_duplicates("decision_id")
    for row in met.itertuples():
        column = lived.policy.channels[row.channel].consent_column
        again = words[(words["customer_id"] == row.customer_id) & (words["occurred_at"] >= row.occurred_at)]
        if not (column and again[column].eq(True).any()):
            yield f"{told(row)}: unsubscribed on {row.occurred_at:%Y-%m-%d}"


def who_complained_is_left_to_a_person(lived: Lived) -> Iterator[str]:
    contacts, tickets = lived.company.contacts, lived.company.facts["support_tickets"]
    tickets = tickets[tickets["event"] == "reopened"]
    tickets = tickets.assign(usable=tickets["known_at"].dt.normalize() + DAY)
    bad = pd.concat([contacts[contacts["status"] == "complained"], tickets])[["customer_id", "occurred_at", "usable"]]
    met = lived.sends.merge(bad, on="customer_id")
    met = met[
        (met["usable"] <= met["as_of"])
        & (met["occurred_at"] >= met["as_of"] - 6 * DAY)
        & (met["occurred_at"] < met["as_of"])
    ]
    for row in met.itertuples():
        yield f"{told(row)}: complained on {row.occurred_at:%Y-%m-%d}"


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
    rests = {name: action.rest_days for name, action in lived.policy.actions.items()}
    sends = lived.sends.sort_values(["customer_id", "action", "on"])
    sends = sends.assign(before=sends.groupby(["customer_id", "action"])["on"].shift())
    past = lived.history[["customer_id", "campaign_id", "on", "usable"]].rename(
        columns={"campaign_id": "action", "on": "before"}
    )
    met = sends.drop(columns="before").merge(past, on=["customer_id", "action"])
    met = met[(met["usable"] <= met["as_of"]) & (met["before"] <= met["on"])]
    for row in pd.concat([sends[sends["before"].notna()], met]).itertuples():
        if (row.on - row.before).days < rests[row.action]:
            yield f"{told(row)}: {(row.on - row.before).days} days after the last, {rests[row.action]} expected"


def every_refusal_has_a_reason(lived: Lived) -> Iterator[str]:
    for row in lived.with_candidates():
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
    if action.service:
        rows = lived.acting[lived.acting["action"] == action.name]
        asked = zip(rows["as_of"], rows["customer_id"], strict=True)
    else:
        asked = (
            (row.as_of, row.customer_id)
            for row in lived.with_candidates()
            if action.name in {one["action"] for one in listed(row)}
        )
    for as_of, who in asked:
        found.setdefault(pd.Timestamp(as_of).date(), set()).add(who)
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
    contacts = lived.company.contacts
    bounced = {*contacts.loc[contacts["status"] == "bounced", "own"].dropna()}
    paid = _by_customer(lived.company.facts["payments"].query("status == 'succeeded'"))
    openings = [(midnight(day), lived.next_open(midnight(day))) for day in lived.days]
    for first in lived.policy.actions.values():
        if not first.then:
            continue
        begun = _by_customer(lived.acting[(lived.acting["action"] == first.name) & lived.acting["was_sent"]])
        after = _by_customer(lived.acting[lived.acting["action"] == first.then.action])
        for who in begun.keys() | after.keys():
            yield from _followed_wrongly(
                first, begun.get(who, []), after.get(who, []), paid.get(who, []), bounced, openings
            )


def _by_customer(rows: pd.DataFrame) -> dict[str, list]:
    found: dict[str, list] = {}
    for row in rows.itertuples():
        found.setdefault(row.customer_id, []).append(row)
    return found


def _followed_wrongly(
    first: Action, begun: list, after: list, paid: list, bounced: set, openings: list
) -> Iterator[str]:
    wait = first.then.after_days * DAY
    if len(after) > len(begun):
        yield f"{told(after[-1])}: {len(after)} after {len(begun)}"
    for row in after:
        due = [one.on for one in begun if one.on + wait <= row.on]
        if not due:
            yield f"{told(row)}: {first.name} was not sent {first.then.after_days} days before"
        elif any(max(due) + DAY <= one.occurred_at < row.as_of and one.known_at < row.as_of for one in paid):
            yield f"{told(row)}: paid since {max(due):%Y-%m-%d}"
    for row in begun:
        alone = sum(DAY <= abs(one.on - row.on) <= 12 * DAY for one in begun) == 0
        due = next((day for day, opens in openings if opens >= row.on + wait), None)
        if row.decision_id in bounced or not alone or due is None:
            continue
        if any(row.on - DAY <= one.occurred_at <= due for one in paid):
            continue
        if all(one.as_of != due for one in after):
            yield f"{row.customer_id} was sent {first.name} on {row.on:%Y-%m-%d}, and nothing after it as of {due:%Y-%m-%d}"


RULES = (
    contact_caps_hold_in_every_window, nobody_is_contacted_without_consent, nobody_is_contacted_after_an_unsubscription,
    who_complained_is_left_to_a_person, nobody_held_out_is_contacted, the_hold_out_lasts, its_share_is_as_declared,
    the_budget_of_a_day_is_kept, capacities_hold_on_each_day_of_sending, one_decision_for_each_customer_and_day,
    nothing_is_sent_in_quiet_times, an_action_rests, every_refusal_has_a_reason, every_chance_is_one,
    what_is_best_is_worth_more_than_nothing, a_proposal_is_sent_once_after_its_approval, a_fact_opens_its_action_once,
    a_sequence_goes_on_once,
)  # fmt: skip

"""Persons as groups of customers: links and decisions become events, and the oldest customer's id is the person's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tenure.identity.events import Event, Kind, Ledger


@dataclass(frozen=True)
class Link:
    """Two customers are one person, known since ``known_at``."""

    left: str
    right: str
    known_at: datetime
    probability: float
    cause: str


class Persons:
    """The persons known now; joining two of them gives the events that say so."""

    def __init__(self, ledger: Ledger, first_known: dict[str, datetime]) -> None:
        self._person = ledger.mapping()
        self._apart = ledger.apart()
        self._first_known = first_known
        self._since = {event.customer_id: event.known_at for event in ledger.events}
        self._members: dict[str, list[str]] = {}
        for customer, person in self._person.items():
            self._members.setdefault(person, [person]).append(customer)

    def person(self, customer: str) -> str:
        return self._person.get(customer, customer)

    def members(self, person: str) -> list[str]:
        return self._members.get(person, [person])

    def join(self, links: Iterable[Link]) -> tuple[list[Event], list[Link]]:
        """Join persons in the order in which the links were known. => events; links that a human's split forbids"""
        events: list[Event] = []
        forbidden = []
        for link in sorted(links, key=lambda link: (link.known_at, -link.probability, link.left, link.right)):
            kept, moved = sorted((self.person(link.left), self.person(link.right)), key=self._age)
            if kept == moved:
                continue
            if self._are_apart(kept, moved):
                forbidden.append(link)
            else:
                events += self._move(moved, kept, link)
        return events, forbidden

    def _age(self, person: str) -> tuple[datetime, str]:
        return self._first_known.get(person, datetime.max), person

    def _are_apart(self, kept: str, moved: str) -> bool:
        if not self._apart:
            return False
        return any(frozenset((a, b)) in self._apart for a in self.members(kept) for b in self.members(moved))

    def _move(self, moved: str, kept: str, link: Link) -> list[Event]:
        customers = self.members(moved)
        kind: Kind = "joined" if len(customers) == 1 else "merged"
        # An event may not be older than the former one of the same customer: the last word is the last known.
        known_at = max([link.known_at, *(self._since[c] for c in customers if c in self._since)])
        for customer in customers:
            self._person[customer] = kept
            self._since[customer] = known_at
        self._members[kept] = [*self.members(kept), *customers]
        self._members.pop(moved, None)
        return [Event(known_at, c, kept, kind, link.cause, link.probability) for c in customers]

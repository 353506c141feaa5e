"""Subscriptions and customer states of one staged source as tables of an engine, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from tenure.features.customer_states import customer_states, outcomes, segments_with_ends, spans
from tenure.features.due_dates import Dialect
from tenure.features.known_subscriptions import Known, lapses, renewals, subscriptions
from tenure.features.subscription_states import StateRules, lines, seen_before, seen_on, segments

EVENTS = "subscription_events"


class StateTables:
    """What is known of subscriptions.

    ``create`` makes a table of a name and a query; ``relation`` gives the SQL of the staged events, as those of the
    persons known.
    """

    def __init__(self, create: Callable[[str, str], object], relation: Callable[[str], str], dialect: Dialect) -> None:
        self._create = create
        self._relation = relation
        self._dialect = dialect
        self._known_by: StateRules | None = None
        self._states: tuple[StateRules, date] | None = None

    def forget(self, *, is_everything: bool) -> None:
        """Make anew, when next asked for, what is known at the cutoffs; and everything, where persons are others."""
        self._known_by = None
        if is_everything:
            self._states = None

    def at_cutoffs(self, rules: StateRules, lead_days: int) -> str:
        """Give the SQL of each subscription at each cutoff of the relation ``cutoffs``, as known before it."""
        return subscriptions(self.known(rules), self._dialect, rules, lead_days)

    def at_outcome(self, rules: StateRules, as_of: date, lead_days: int, horizon_days: int) -> str:
        """Give the SQL of what became of the customers after each of ``cutoffs``, as known before the as-of."""
        return outcomes(self.states(rules, as_of), "spans", self._dialect, lead_days, horizon_days)

    def lives(self, rules: StateRules, as_of: date) -> str:
        """Give the SQL of each subscription's segments as known before a day, with where they end unsaid."""
        last = self._make("last", f"SELECT DATE '{as_of}' AS cutoff", seen_before, rules)
        return f"""
            SELECT *
            FROM ({segments_with_ends(last, self._dialect, rules)})
            JOIN {last.lines} USING (line)
        """

    def states(self, rules: StateRules, as_of: date) -> str:
        """Make the customer states as known before a day; return the name of their table."""
        if self._states != (rules, as_of):
            day = f"SELECT DATE '{as_of}' AS cutoff"
            last = self._make("last", day, seen_before, rules, with_agreed=False)
            self._create("spans", spans(last, self._dialect, rules))
            self._create("states", customer_states("spans"))
            self._states = (rules, as_of)
        return "states"

    def known(self, rules: StateRules) -> Known:
        """Make the tables that tell what was known before each of ``cutoffs``."""
        if self._known_by != rules:
            self._make("known", "SELECT * FROM cutoffs", seen_on, rules)
            self._known_by = rules
        return _named("known")

    def _make(
        self,
        name: str,
        cutoffs: str,
        seen: Callable[[str, str, Dialect], str],
        rules: StateRules,
        *,
        with_agreed: bool = True,
    ) -> Known:
        """Make the tables that tell of cutoffs."""
        known = _named(name)
        self._create(known.cutoffs, cutoffs)
        events = seen(self._relation(EVENTS), known.cutoffs, self._dialect)
        self._create(known.lines, lines(events))
        self._create(known.segments, segments(events, self._dialect, rules, with_agreed=with_agreed))
        self._create(known.renewals, renewals(known, self._dialect, rules))
        self._create(known.lapses, lapses(known.segments, self._dialect, rules))
        return known


def _named(name: str) -> Known:
    return Known(*(f"{name}_{part}" for part in ("cutoffs", "lines", "segments", "renewals", "lapses")))

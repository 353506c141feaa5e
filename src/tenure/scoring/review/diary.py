"""The diary: what the runs of the last weeks did and met, day by day."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import median
from typing import Literal

from tenure.core.alerts import Alert
from tenure.scoring.review.failures import Failure

DAYS = 31
Tone = Literal["good", "plain", "warning", "error"]


@dataclass(frozen=True)
class RunOfDay:
    """What one as-of's folder and the ledger say. ``versions`` scored it, by target; ``trained`` says what became of each training.

    ``finished_at`` is UTC, ISO; empty for the run that is under way.
    """

    as_of: date
    kind: str
    alerts: tuple[Alert, ...] = ()
    versions: Mapping[str, str] | None = None
    trained: Mapping[str, str] | None = None
    finished_at: str = ""


@dataclass(frozen=True)
class Reason:
    """Why a version of a target was ``promoted`` or ``rolled back``, and when (UTC, ISO)."""

    target: str
    version: str
    what: str
    when: str
    text: str


@dataclass(frozen=True)
class Event:
    """One thing to tell of a day, with how it is to be read."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Entry:
    """A day, or a span of days in a row on which nothing was new. ``what``: run, score, audit, failed or nothing ran.

    ``still`` names what alerts from earlier days are about that go on.
    """

    first: date
    last: date
    what: str
    events: tuple[Event, ...]
    still: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def write_diary(runs: Sequence[RunOfDay], failures: Sequence[Failure], why: Sequence[Reason]) -> list[Entry]:
    """Tell the runs and failures of the last month, oldest first; alerts only when they begin or end.

    ``why`` gives the reasons for the changes of champions, oldest first.
    """
    if not runs:
        return []
    ordered = sorted(runs, key=lambda run: run.as_of)
    first = ordered[-1].as_of - timedelta(days=DAYS)
    by_day: dict[date, tuple[str, list[Event]]] = {}
    still: dict[date, tuple[str, ...]] = {}
    for before, run in zip([None, *ordered], ordered, strict=False):
        by_day[run.as_of] = (run.kind, [*_trainings(run), *_champions(before, run, why), *_alerts(before, run)])
        still[run.as_of] = _still(before, run)
    for failure in failures:
        day = date.fromisoformat(failure.as_of)
        what, events = by_day.get(day, ("failed", []))
        told = Event("error", f"{failure.doing} failed: {failure.text}")
        by_day[day] = (what, [told, *(event for event in events if event != told)])
    for day in _missing(list(by_day)):
        by_day[day] = (
            "nothing ran",
            [Event("error", "nobody started a run on a day that usually has one; look at the scheduler")],
        )
    shown = (day for day in sorted(by_day) if first <= day <= ordered[-1].as_of)
    return _merged([Entry(day, day, by_day[day][0], tuple(by_day[day][1]), still.get(day, ())) for day in shown])


def _trainings(run: RunOfDay) -> list[Event]:
    return [Event("plain", f"{target} {told}") for target, told in (run.trained or {}).items()]


def _champions(before: RunOfDay | None, run: RunOfDay, why: Sequence[Reason]) -> list[Event]:
    """Say which target is scored by another version than the time before."""
    events = []
    for target, version in (run.versions or {}).items():
        former = ((before.versions if before else None) or {}).get(target)
        if former is None or former == version:
            continue
        is_back = int(version) < int(former)
        changed = (target, former, "rolled back") if is_back else (target, version, "promoted")
        reason = _reason(changed, run, why)
        told = (
            f"{target} rolled back to v{version} from v{former}"
            if is_back
            else f"{target} champion is v{version}, before v{former}"
        )
        events.append(Event("warning" if is_back else "good", f"{told}{f': {reason}' if reason else ''}"))
    return events


def _reason(changed: tuple[str, str, str], run: RunOfDay, why: Sequence[Reason]) -> str:
    """Give the reason for what a run found changed: the last one before it, for a version may come and go more than once."""
    told = [
        r.text
        for r in why
        if (r.target, r.version, r.what) == changed and (r.when <= run.finished_at or not run.finished_at)
    ]
    return told[-1] if told else ""


def _alerts(before: RunOfDay | None, run: RunOfDay) -> list[Event]:
    """Say what alerts began and which are over; one that goes on with other numbers is the same."""
    known = _known(before)
    now = {_same(alert) for alert in run.alerts}
    began = [Event(a.severity, f"{a.about}: {a.text}") for a in run.alerts if _same(a) not in known]
    about_now = {alert.about for alert in run.alerts}
    over = sorted({a.about for a in before.alerts if _same(a) not in now} - about_now) if before else []
    return [*began, *(Event("good", f"{about}: no alert any more") for about in over)]


def _still(before: RunOfDay | None, run: RunOfDay) -> tuple[str, ...]:
    known = _known(before)
    return tuple(sorted({alert.about for alert in run.alerts if _same(alert) in known}))


def _known(before: RunOfDay | None) -> set[tuple[str, frozenset[str]]]:
    return {_same(alert) for alert in before.alerts} if before else set()


def began(runs: Sequence[RunOfDay], alerts: Sequence[Alert]) -> list[date]:
    """Tell since which as-of each alert of the last run has stood without a break, through the runs given, in any order."""
    ordered = sorted(runs, key=lambda run: run.as_of)
    days = []
    for alert in alerts:
        day = ordered[-1].as_of
        for run in reversed(ordered):
            if _same(alert) not in {_same(other) for other in run.alerts}:
                break
            day = run.as_of
        days.append(day)
    return days


def _same(alert: Alert) -> tuple[str, frozenset[str]]:
    """Name an alert by what it is about and its words: its numbers, and their order, change from day to day."""
    return alert.about, frozenset(re.findall(r"[^\W\d]+", alert.text))


def _missing(days: list[date]) -> list[date]:
    """List the days between the first and the last without a run or a failure, where runs are daily."""
    ordered = sorted(days)
    gaps = [(later - earlier).days for earlier, later in zip(ordered, ordered[1:], strict=False)]
    if len(gaps) < 5 or median(gaps) > 1:
        return []
    # A long silence before the daily runs began is none of theirs.
    return [e + timedelta(days=n) for e, gap in zip(ordered, gaps, strict=False) if gap <= 7 for n in range(1, gap)]


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Join quiet days in a row, of one kind and with the same alerts going on, into spans."""
    told: list[Entry] = []
    for entry in entries:
        last = told[-1] if told else None
        is_next = last is not None and entry.first == last.last + timedelta(days=1) and entry.what == last.what
        is_as_quiet = last is not None and not entry.events and not last.events and entry.still == last.still
        if last and is_next and is_as_quiet:
            told[-1] = replace(last, last=entry.last)
        else:
            told.append(entry)
    return told

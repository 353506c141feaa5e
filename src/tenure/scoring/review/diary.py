"""The diary: what the runs of the last weeks did and met, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import takewhile
from statistics import median
from typing import Literal

from tenure.core.problems import Problem
from tenure.scoring.review.failures import Failure

DAYS = 31
Tone = Literal["good", "plain", "warning", "error"]


@dataclass(frozen=True)
class RunOfDay:
    """What one as-of's folder and the ledger say.

    ``versions`` scored it, by target; ``trained`` says what became of each training; ``learnt`` by what was decided, by
    subject: effects, channels, recommendations.
    ``finished_at`` is UTC, ISO; empty for the run that is under way.
    """

    as_of: date
    kind: str
    problems: tuple[Problem, ...] = ()
    versions: Mapping[str, str] | None = None
    trained: Mapping[str, str] | None = None
    finished_at: str = ""
    learnt: Mapping[str, str] | None = None


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
    """One line of a day; ``tone`` says how to read it."""

    tone: Tone
    text: str


NOBODY_RAN = Event("error", "nobody started a run on a day that usually has one; look at the scheduler")


@dataclass(frozen=True)
class Entry:
    """A day, or a span of days in a row on which nothing was new. ``what``: run, score, audit, failed or nothing ran.

    ``still`` names the subjects of problems that go on from earlier days.
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
    """Write the runs and failures of the last month, oldest first; problems only when they begin or end.

    ``why`` gives the reasons for the changes of champions, oldest first.
    """
    if not runs:
        return []
    ordered = sorted(runs, key=lambda run: run.as_of)
    first = ordered[-1].as_of - timedelta(days=DAYS)
    by_day: dict[date, tuple[str, list[Event]]] = {}
    still: dict[date, tuple[str, ...]] = {}
    for before, run in zip([None, *ordered], ordered, strict=False):
        trainings = [Event("plain", f"{target} {became}") for target, became in (run.trained or {}).items()]
        by_day[run.as_of] = (
            run.kind,
            [*trainings, *_champions(before, run, why), *_learnt(before, run), *_problems(before, run)],
        )
        still[run.as_of] = _still(before, run)
    for failure in failures:
        day = date.fromisoformat(failure.as_of)
        what, events = by_day.get(day, ("failed", []))
        failed = Event("error", f"{failure.doing} failed: {failure.text}")
        by_day[day] = (what, [failed, *(event for event in events if event != failed)])
    for day in _missing(list(by_day)):
        by_day[day] = ("nothing ran", [NOBODY_RAN])
    shown = (day for day in sorted(by_day) if first <= day <= ordered[-1].as_of)
    return _merged([Entry(day, day, by_day[day][0], tuple(by_day[day][1]), still.get(day, ())) for day in shown])


def _champions(before: RunOfDay | None, run: RunOfDay, why: Sequence[Reason]) -> list[Event]:
    """List the targets that another version scores than the run before."""
    former_versions = (before.versions if before else None) or {}
    events = []
    for target, version in (run.versions or {}).items():
        former = former_versions.get(target)
        if former is None or former == version:
            continue
        tone: Tone
        if int(version) < int(former):
            tone, text, changed = (
                "warning",
                f"{target} rolled back to v{version} from v{former}",
                (former, "rolled back"),
            )
        else:
            tone, text, changed = "good", f"{target} champion is v{version}, before v{former}", (version, "promoted")
        reason = _reason((target, *changed), run, why)
        events.append(Event(tone, f"{text}: {reason}" if reason else text))
    return events


def _learnt(before: RunOfDay | None, run: RunOfDay) -> list[Event]:
    """List what is chosen otherwise since the run before: outcomes have taught it."""
    former = (before.learnt if before else None) or {}
    return [
        Event("good", f"{subject}: {words}, before {former[subject]}")
        for subject, words in (run.learnt or {}).items()
        if former.get(subject, words) != words
    ]


def _reason(changed: tuple[str, str, str], run: RunOfDay, why: Sequence[Reason]) -> str:
    """Return the last reason for a change before the end of a run: a version may come and go more than once."""
    texts = [
        reason.text
        for reason in why
        if (reason.target, reason.version, reason.what) == changed
        and (reason.when <= run.finished_at or not run.finished_at)
    ]
    return texts[-1] if texts else ""


def _problems(before: RunOfDay | None, run: RunOfDay) -> list[Event]:
    """List the problems that began, and what those that ended were about."""
    former = before.problems if before else ()
    events = [Event(p.level, f"{p.about}: {p.text}") for p in run.problems if not _is_among(p, former)]
    ended = {p.about for p in former if not _is_among(p, run.problems)} - {p.about for p in run.problems}
    return [*events, *(Event("good", f"{about}: no problem any more") for about in sorted(ended))]


def _still(before: RunOfDay | None, run: RunOfDay) -> tuple[str, ...]:
    former = before.problems if before else ()
    return tuple(sorted({problem.about for problem in run.problems if _is_among(problem, former)}))


def _is_among(problem: Problem, others: Iterable[Problem]) -> bool:
    return any(problem.is_same(other) for other in others)


def began(runs: Sequence[RunOfDay], problems: Sequence[Problem]) -> list[date]:
    """Find since which as-of each problem of the last run has stood without a break; the runs come in any order."""
    newest_first = sorted(runs, key=lambda run: run.as_of, reverse=True)
    return [_since(problem, newest_first) for problem in problems]


def _since(problem: Problem, newest_first: Sequence[RunOfDay]) -> date:
    unbroken = takewhile(lambda run: _is_among(problem, run.problems), newest_first)
    return min((run.as_of for run in unbroken), default=newest_first[0].as_of)


def _missing(days: list[date]) -> list[date]:
    """List the days between the first and the last without a run or a failure, where runs are daily."""
    ordered = sorted(days)
    gaps = [(later - earlier).days for earlier, later in zip(ordered, ordered[1:], strict=False)]
    if len(gaps) < 5 or median(gaps) > 1:
        return []
    # A long silence before the daily runs began is none of theirs.
    return [e + timedelta(days=n) for e, gap in zip(ordered, gaps, strict=False) if gap <= 7 for n in range(1, gap)]


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Join quiet days in a row, of one kind and with the same problems going on, into spans."""
    merged: list[Entry] = []
    for entry in entries:
        last = merged[-1] if merged else None
        if last and _continues(last, entry):
            merged[-1] = replace(last, last=entry.last)
        else:
            merged.append(entry)
    return merged


def _continues(last: Entry, entry: Entry) -> bool:
    is_next_day = entry.first == last.last + timedelta(days=1)
    return is_next_day and not (last.events or entry.events) and (last.what, last.still) == (entry.what, entry.still)

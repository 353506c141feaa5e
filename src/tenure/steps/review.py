"""Forecast vs. outcome, drift and freshness: what 06_review calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd

from tenure.core.errors import RegistryError, UnknownNameError
from tenure.core.problems import Problem, problems_of, save_problems, worst_first
from tenure.decisions.action import Rules
from tenure.decisions.assigned import unacted
from tenure.models.explain import labels_of
from tenure.models.model import PropensityModel
from tenure.models.registry.history import PROMOTED, changes_of
from tenure.models.version import Version
from tenure.scoring.ledger import scored_versions, state
from tenure.scoring.review.diary import DAYS, Reason, RunOfDay, began, write_diary
from tenure.scoring.review.drift import Drift, drift_problems, drift_table
from tenure.scoring.review.failures import read_failures
from tenure.scoring.review.freshness import change_problems, freshness_problems, freshness_table
from tenure.scoring.review.outcomes import find_outcomes, outcome_problems
from tenure.scoring.review.review import Review
from tenure.snapshots.engines.known_customers import rows_per_day
from tenure.snapshots.rows import read_rows
from tenure.steps.chosen import choose_models
from tenure.steps.decide import kind_lived
from tenure.steps.opening import Session, writes
from tenure.steps.report import write_index
from tenure.steps.results import (
    FORMER_REVIEW_PROBLEMS,
    REVIEW_PROBLEMS,
    is_quick,
    learnt_in,
    saved_records,
    scoring_outcomes,
)
from tenure.steps.run_record import sealed_runs
from tenure.steps.score import scored_before


@writes
def review_run(session: Session) -> Review:
    """Compare forecasts with outcomes, today's inputs and scores with the test cutoff's, tables with their own history.

    The diary of the last month comes with it. Writes ``review.html`` and ``review.problems.json``, and the index anew.
    """
    from tenure.reporting.pages import write_page
    from tenure.reporting.review_page import review_page

    outcomes, problems = find_outcomes(session.snapshots, partial(_about, session), partial(_untouched, session))
    former = _former_runs(session)
    freshness = freshness_table(rows_per_day(session.staged, session.as_of), session.as_of)
    vital = {table for target in session.snapshots.targets.values() for table in target.tables}
    before = scored_before(session)
    scored = scoring_outcomes(session.output) or {
        one.target: one.document() for one in choose_models(session, None, (), before)
    }
    drift = {name: _drift(session, name, model) for name, model in _scoring_models(session, scored).items()}
    problems += [
        *outcome_problems(outcomes),
        *freshness_problems(freshness, vital),
        *change_problems(session.staged.tables, [former[day] for day in sorted(former)]),
        *champion_problems(session, scored, before),
    ]
    for name, found in drift.items():
        problems += drift_problems(name, found.features, found.scores, found.since)
    problems = worst_first(problems)
    runs = _runs(session, former, problems)
    diary = write_diary(runs, read_failures(session.workspace, session.source.name), _why(session))
    review = Review(outcomes, drift, freshness, problems, began(runs, problems), diary)
    save_problems(problems, session.output / REVIEW_PROBLEMS)
    (session.output / FORMER_REVIEW_PROBLEMS).unlink(missing_ok=True)
    page = review_page(review, staged=session.staged, as_of=session.as_of, is_quick=is_quick(session))
    write_page(session.output / "review.html", page)
    write_index(session)
    return review


def champion_problems(
    session: Session, scored: Mapping[str, Mapping[str, Any]], before: Collection[str]
) -> Iterator[Problem]:
    """List targets due to be scored that were not, and champions in use that are quick or never passed their gates."""
    for name, outcome in scored.items():
        if outcome["outcome"] == "error" or (outcome["outcome"] == "refused" and name in before):
            text = f"nobody was scored. {outcome['reason']}"
            yield Problem("error", name, text, "not_scored", (outcome["code"],))
        if outcome["outcome"] != "scored":
            continue
        if outcome["is_quick"]:
            text = (
                f"scored by version {outcome['model_version']}, of a quick run: do not act on its numbers. "
                "Train with 'tenure run'."
            )
            yield Problem("warning", name, text, "quick_champion")
        version = session.registry.find(session.model_name(name), outcome["model_version"])
        if not version.is_promotable:
            yield _never_passed(session, name, version)


def _never_passed(session: Session, target: str, version: Version) -> Problem:
    """Say which gates a version in use did not pass, and who put it there."""
    failed = "; ".join(session.registry.overridden_gates(version.name, version.version)) or "nobody judged it"
    promotions = [change for change in changes_of(version.version, version.tags) if change.what == PROMOTED]
    by = "; its alias was moved outside Tenure"
    if promotions:
        last = promotions[-1]
        by = f"; promoted by {last.who} at {last.when} ({last.why})"
    text = (
        f"version {version.version} is in use and never passed its gates: {failed}{by}. "
        "Roll back, or train anew with 'tenure run'."
    )
    return Problem("error", target, text, "gates_not_passed")


def _scoring_models(session: Session, scored: Mapping[str, Mapping[str, Any]]) -> dict[str, PropensityModel]:
    """Load the models this as-of was scored with, else the champions."""
    return {
        name: session.registry.load(session.model_name(name), outcome["model_version"])
        for name, outcome in scored.items()
        if outcome["outcome"] == "scored"
    }


def _drift(session: Session, name: str, model: PropensityModel) -> Drift:
    """Compare a model's inputs and propensities at the as-of with those at its test cutoff."""
    target, test = session.target(name), date.fromisoformat(model.about["test_cutoff"])
    columns = [column for column in session.snapshots.columns if column.name in set(model.feature_names)]
    # The fitting cutoff (its snapshot is there) about as long before the test cutoff as the as-of is after it.
    fitted = [date.fromisoformat(day) for day in model.about["fitting_cutoffs"]]
    former = min(fitted, key=lambda day: abs((test - day) - (session.as_of - test)))
    then, before, now = (
        read_rows(session.snapshots, target, [day], columns, labels=False) for day in (former, test, session.as_of)
    )
    scored = [pd.DataFrame({"propensity": model.propensities(table)}) for table in (before, now)]
    labels = dict(zip(model.feature_names, labels_of(model.meanings), strict=True))
    moved = drift_table(before, now, model.feature_names, then)
    return Drift(
        str(test), moved.assign(label=moved["name"].map(labels)), drift_table(scored[0], scored[1], ["propensity"])
    )


def _former_runs(session: Session) -> dict[date, dict[str, Any]]:
    """Read the ``run.json`` of every as-of of the last month before this one, and of the last one before that."""
    found = sealed_runs(session.workspace, session.source.name)
    days, since = [day for day in found if day < session.as_of], session.as_of - timedelta(days=DAYS)
    shown = [*[day for day in days if day < since][-1:], *[day for day in days if day >= since]]
    return {day: found[day].document for day in shown}


def _runs(session: Session, former: Mapping[date, dict[str, Any]], problems: Sequence[Problem]) -> list[RunOfDay]:
    """Sum up what the runs of the last month did, and this one."""
    versions = partial(scored_versions, session.workspace, session.source.name)
    runs = [
        RunOfDay(
            day,
            run["kind"],
            tuple(problems_of(run)),
            versions(day),
            _former_trainings(run),
            run["finished_at"],
            learnt_in(session.workspace.reports(session.source.name, day)),
        )
        for day, run in former.items()
    ]
    trained = {
        record.target: _became(record.status, record.model.version, record.reason)
        for record in saved_records(session)
        if record.model.version
    }
    kind = "run" if trained else "score"
    learnt = learnt_in(session.output)
    today = RunOfDay(session.as_of, kind, tuple(problems), versions(session.as_of), trained, learnt=learnt)
    return [*runs, today]


def _former_trainings(run: Mapping[str, Any]) -> dict[str, str]:
    found = run.get("targets", {}).items()
    return {name: _became(t["status"], t["model_version"], t["reason"]) for name, t in found if t["model_version"]}


def _became(status: str, version: str, reason: str) -> str:
    """Say what became of a training, and what stood in its way."""
    return f"{status}, v{version}" + (f": {reason}" if status == "blocked" and reason else "")


def _why(session: Session) -> list[Reason]:
    """Say why versions were promoted or rolled back, and by whom."""
    return [
        Reason(target, change.version, change.what, change.when, f"{change.why} ({change.who})")
        for target in session.snapshots.targets
        for change in session.registry.changes(session.model_name(target))
    ]


def _untouched(session: Session, first: date, end: date) -> pd.DataFrame | None:
    rules = session.source.decisions
    return unacted(
        session.workspace, session.source.name, kind_lived(session), first, end, rules.get("explore", Rules.explore)
    )


def _about(session: Session, target: str, version: str, run_kind: str) -> dict[str, Any] | None:
    """Read what the model of an old version says of itself, where the registry still has it."""
    name = replace(session, run_kind=run_kind).model_name(target)
    try:
        return session.registry.load(name, version).about
    except (RegistryError, UnknownNameError):
        return None


def ledger_state(session: Session) -> str:
    """Identify what a review may read of the ledger: the scores of earlier as-ofs."""
    return state(session.workspace, session.source.name, session.as_of)

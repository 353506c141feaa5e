"""Promises, drift and deliveries: what 06_review calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd

from tenure.core.alerts import Alert, save_alerts, worst_first
from tenure.core.errors import RegistryError, UnknownNameError
from tenure.core.stored import made_of
from tenure.models.explain import labels_of
from tenure.models.model import PropensityModel
from tenure.models.registry.history import PROMOTED, changes_of
from tenure.models.version import Version
from tenure.scoring.ledger import scored_versions, state
from tenure.scoring.review.diary import DAYS, Entry, Reason, RunOfDay, began, write_diary
from tenure.scoring.review.drift import drift_alerts, drift_table
from tenure.scoring.review.failures import read_failures
from tenure.scoring.review.freshness import change_alerts, delivery_alerts, delivery_table
from tenure.scoring.review.outcomes import Promise, find_promises, promise_alerts, promise_table
from tenure.snapshots.engines.known_customers import rows_per_day
from tenure.snapshots.rows import read_rows
from tenure.steps.opening import Session, writes
from tenure.steps.report import write_index
from tenure.steps.results import REVIEW_ALERTS, is_quick, saved_records, scoring_outcomes
from tenure.steps.run_record import sealed_runs
from tenure.steps.score import choose_models, scored_before
from tenure.targets.definition import Target


@dataclass(frozen=True)
class Review:
    """What a review found; tables as ``promise_table``, ``drift_table`` and ``delivery_table`` give them."""

    promises: list[Promise]
    features: dict[str, pd.DataFrame]
    scores: dict[str, pd.DataFrame]
    since: dict[str, str]
    deliveries: pd.DataFrame
    alerts: list[Alert]
    diary: list[Entry]

    @property
    def table(self) -> pd.DataFrame:
        return promise_table(self.promises)

    @property
    def drift(self) -> pd.DataFrame:
        """The ten most drifted features of each target. => target, name, psi, chance, ..."""
        tops = [table.head(10).assign(target=name) for name, table in self.features.items()]
        return pd.concat(tops, ignore_index=True) if tops else pd.DataFrame()


@writes
def review_run(session: Session) -> Review:
    """Compare promises with what came true, today's inputs and scores with the test cutoff's, deliveries with their history.

    What the runs of the last month did and met comes with it. Writes ``review.html`` and its alerts into the output, and the index anew.
    """
    from tenure.reporting.report import write_page
    from tenure.reporting.review_page import review_page

    promises, unreviewed = find_promises(session.snapshots, partial(_about, session))
    former = _former_runs(session)
    deliveries = delivery_table(rows_per_day(session.staged, session.as_of), session.as_of)
    alerts = [
        *promise_alerts(promises),
        *unreviewed,
        *delivery_alerts(
            deliveries, {table for target in session.snapshots.targets.values() for table in target.tables}
        ),
        *change_alerts(session.staged.tables, [former[day] for day in sorted(former)]),
    ]
    before = scored_before(session)
    outcomes = scoring_outcomes(session.output) or {
        one.target: one.document() for one in choose_models(session, None, (), before)
    }
    alerts += champion_alerts(session, outcomes, before)
    features, scores, since = {}, {}, {}
    for name, model in _scoring_models(session, outcomes).items():
        since[name] = str(model.about["test_cutoff"])
        features[name], scores[name] = _drift(session, session.target(name), model)
        alerts += drift_alerts(name, features[name], scores[name], since[name])
    alerts = worst_first(alerts)
    runs = _runs(session, former, alerts)
    diary = write_diary(runs, read_failures(session.workspace, session.source.name), _why(session))
    found = Review(promises, features, scores, since, deliveries, alerts, diary)
    save_alerts(found.alerts, session.output / REVIEW_ALERTS)
    page = review_page(
        promises, features, scores, since, deliveries, found.alerts, found.diary, began=began(runs, alerts), staged=session.staged,
        as_of=session.as_of, is_quick=is_quick(session),
    )  # fmt: skip
    write_page(session.output / "review.html", page)
    write_index(session)
    return found


def champion_alerts(
    session: Session, outcomes: Mapping[str, Mapping[str, Any]], before: Collection[str]
) -> Iterator[Alert]:
    """Name the targets nobody scores, though they were scored ``before`` or have a champion, and champions that are quick or never passed."""
    for name, outcome in outcomes.items():
        if outcome["outcome"] == "error" or (outcome["outcome"] == "refused" and name in before):
            yield Alert("error", name, f"nobody was scored. {outcome['reason'].removeprefix(f'{name}: ')}")
        if outcome["outcome"] != "scored":
            continue
        if outcome["is_quick"]:
            yield Alert(
                "warning", name, f"scored by version {outcome['model_version']}, of a quick run: do not act on its numbers. Train with 'tenure run'."
            )  # fmt: skip
        version = session.registry.find(session.model_name(name), outcome["model_version"])
        if not version.is_promotable:
            yield _never_passed(session, name, version)


def _never_passed(session: Session, target: str, version: Version) -> Alert:
    """Say which gates a version in use did not pass, and who put it there."""
    failed = "; ".join(session.registry.overridden_gates(version.name, version.version)) or "nobody judged it"
    promotions = [change for change in changes_of(version.version, version.tags) if change.what == PROMOTED]
    by = "; its alias was moved outside Tenure"
    if promotions:
        last = promotions[-1]
        by = f"; promoted by {last.who} at {last.when} ({last.why})"
    text = f"version {version.version} is in use and never passed its gates: {failed}{by}. Roll back, or train anew with 'tenure run'."
    return Alert("error", target, text)


def _scoring_models(session: Session, outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, PropensityModel]:
    """Load the models this as-of was scored with, else the champions."""
    return {
        name: session.registry.load(session.model_name(name), outcome["model_version"])
        for name, outcome in outcomes.items()
        if outcome["outcome"] == "scored"
    }


def _drift(session: Session, target: Target, model: PropensityModel) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare a model's inputs and propensities at the as-of with those at its test cutoff."""
    columns = [column for column in session.snapshots.columns if column.name in set(model.feature_names)]
    test = date.fromisoformat(model.about["test_cutoff"])
    # Of those it was fitted at, whose snapshots are there, the one that lies about as long before the test cutoff as the as-of after it.
    fitted = [date.fromisoformat(day) for day in model.about["fitting_cutoffs"]]
    former = min(fitted, key=lambda day: abs((test - day) - (session.as_of - test)))
    then, before, now = (
        read_rows(session.snapshots, target, [day], columns, labels=False) for day in (former, test, session.as_of)
    )
    scored = [pd.DataFrame({"propensity": model.propensities(table)}) for table in (before, now)]
    labels = dict(zip(model.feature_names, labels_of(model.meanings), strict=True))
    moved = drift_table(before, now, model.feature_names, then)
    return moved.assign(label=moved["name"].map(labels)), drift_table(scored[0], scored[1], ["propensity"])


def _former_runs(session: Session) -> dict[date, dict[str, Any]]:
    """Read the ``run.json`` of every as-of of the last month before this one, and of the last one before that."""
    found = sealed_runs(session.workspace, session.source.name)
    days, since = [day for day in found if day < session.as_of], session.as_of - timedelta(days=DAYS)
    shown = [*[day for day in days if day < since][-1:], *[day for day in days if day >= since]]
    return {day: found[day].document for day in shown}


def _runs(session: Session, former: dict[date, dict[str, Any]], alerts: list[Alert]) -> list[RunOfDay]:
    """Tell what the runs of the last month did, and this one."""
    runs = [
        RunOfDay(
            day, document["kind"], tuple(made_of(Alert, line) for line in document["alerts"]), scored_versions(session.workspace, session.source.name, day),
            _trainings(document), document["finished_at"],
        )
        for day, document in former.items()
    ]  # fmt: skip
    records = {record.target: record for record in saved_records(session)}
    trained = {name: _became(r.status, r.version, r.reason) for name, r in records.items() if r.version}
    kind = "run" if trained else "score"
    today = RunOfDay(
        session.as_of,
        kind,
        tuple(alerts),
        scored_versions(session.workspace, session.source.name, session.as_of),
        trained,
    )
    return [*runs, today]


def _trainings(document: dict[str, Any]) -> dict[str, str]:
    found = document.get("targets", {}).items()
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


def _about(session: Session, target: str, version: str, run_kind: str) -> dict[str, Any] | None:
    """Read what the model of an old version says of itself, where the registry still has it."""
    name = replace(session, run_kind=run_kind).model_name(target)
    try:
        return session.registry.load(name, version).about
    except (RegistryError, UnknownNameError):
        return None


def ledger_state(session: Session) -> str:
    """Tell what a review may read of the ledger apart from any other: the scores of earlier as-ofs."""
    return state(session.workspace, session.source.name, session.as_of)

"""Which notebooks a run is made of, what each depends on, and what its outputs are."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenure.core.errors import NotEnoughDataError
from tenure.decisions.document import read_policy
from tenure.models.scorecard import WALK_CUTOFFS
from tenure.reporting.record import TrainingRecord
from tenure.runs.step_cache import Step
from tenure.runs.work import Work
from tenure.snapshots.rows import count_eligible
from tenure.steps.decide import decided_state
from tenure.steps.opening import Session
from tenure.steps.personal import effect_versions
from tenure.steps.results import saved_records, trained_in
from tenure.steps.review import ledger_state
from tenure.steps.score import run_versions
from tenure.targets.catalogue import all_targets

SCORE_OUTPUTS = ("*.csv", "*.parquet", "scoring.json", "models/*/*")


def features_step(session: Session, asked: Sequence[str]) -> Step:
    return Step("02_features", "02_features", parameters={"targets": ",".join(asked), "engine": session.engine})


def training_steps(session: Session, asked: Sequence[str], *, full: bool) -> list[Step]:
    """Give the trainings of the targets that the source can answer, the longest first.

    Begun last, it would work on alone while a core is idle.
    """
    able = [name for name in asked if name in session.snapshots.targets]
    return [
        _training_step(session, name, full=full)
        for name in sorted(able, key=lambda name: -_fitting_rows(session, name))
    ]


def scoring_step(session: Session, trained: Sequence[str]) -> Step:
    return Step(
        "04_score", "04_score", SCORE_OUTPUTS, {"versions": "from_run", "engine": session.engine}, tuple(trained),
        lambda: json.dumps(champions(session) | run_versions(session)),
    )  # fmt: skip


def champions(session: Session) -> dict[str, str | None]:
    """Give the champion of each target that the source can answer."""
    return {name: session.registry.champion(session.model_name(name)) for name in session.snapshots.targets}


def telling_steps(session: Session, trained: Sequence[str]) -> list[Step]:
    """Give the steps that write the pages of what was trained and scored, the review and the campaigns; the longest first."""
    targets = {*all_targets(session.source), *trained_in(session.output)}
    pages = ("customers.html", "value.html", *(f"{name}.html" for name in sorted(targets)))
    report = Step("05_report", "05_report", pages, after=("01_ingest", "04_score", *trained))
    review = Step(
        "06_review", "06_review", ("review.*",), after=("01_ingest", "04_score"), state=lambda: ledger_state(session)
    )
    measure = [measuring_step(session)] if has_campaigns(session) else []
    return [review, report, *measure] if trained else [review, *measure]


def has_campaigns(session: Session) -> bool:
    """Say whether the source tells whom it contacted."""
    contacts = session.staged.tables.get("contacts")
    return contacts is not None and contacts.staged > 0


def measuring_step(session: Session) -> Step:
    return Step(
        "10_measure", "10_measure", ("campaigns.*",), after=("01_ingest",),
        state=lambda: ledger_state(session) + decided_state(session, earlier=True),
    )  # fmt: skip


def effects_step(session: Session) -> Step:
    return Step(
        "11_effects", "11_effects", ("effects.*",), after=("01_ingest", "10_measure"),
        state=lambda: ledger_state(session) + decided_state(session, earlier=True),
    )  # fmt: skip


def kpis_step(session: Session) -> Step:
    return Step(
        "12_kpis", "12_kpis", ("kpis.*",), after=("01_ingest", "10_measure"), state=lambda: ledger_state(session)
    )  # fmt: skip


# What people fill in, the queue, is none of them: it is never removed.
DECISION_OUTPUTS = ("decisions.*", "actions/*.csv", "states/*.csv", "audiences/*.csv")


def deciding_step(session: Session, *, since_last: bool = False) -> Step:
    """Give the step that decides: it depends on the actions, and on what was decided and answered before."""
    return Step(
        "09_decide", "09_decide", DECISION_OUTPUTS, {"since_last": since_last}, ("01_ingest", "04_score"),
        lambda: decided_state(session) + _effects_state(session) + (session.run_id if since_last else ""),
        lambda: decided_state(session) + _effects_state(session),
    )  # fmt: skip


def _effects_state(session: Session) -> str:
    return json.dumps(effect_versions(session, read_policy(session.source)))


def trained_steps(work: Work) -> list[str]:
    """Name the steps of the trainings there are in a folder."""
    return [f"03_train_{record.target}" for record in saved_records(work.run)]


def _fitting_rows(session: Session, target: str) -> int:
    """Say how large a training is: the eligible rows of its fitting cutoffs, none where there is too little history."""
    try:
        fitting = session.snapshots.plan(session.target(target)).fitting
        return sum(count_eligible(session.snapshots, session.target(target), fitting).values())
    except NotEnoughDataError:
        return 0


def _training_step(session: Session, target: str, *, full: bool) -> Step:
    """A training depends on the champion it is compared with; that its own version became champion is no change."""

    def state() -> str:
        return _champion_state(session, target)

    def settles_as() -> str:
        record = TrainingRecord.load(session.training_folder(target))
        return f"champion {record.model.version}" if record.status == "trained" else state()

    longer = {"walk_cutoffs": WALK_CUTOFFS} if full else {}
    outputs = (f"training/{target}/*", f"training/{target}/figures/*")
    return Step(f"03_train_{target}", "03_train", outputs, {"target": target} | longer, (), state, settles_as)


def _champion_state(session: Session, target: str) -> str:
    name = session.model_name(target)
    made = next((record.model.version for record in saved_records(session) if record.target == target), "")
    if made and made not in {found.version for found in session.registry.versions(name)}:
        return "its version is gone"
    return f"champion {session.registry.champion(name)}"

"""Which notebooks a run is made of, what each depends on, and what its outputs are."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenure.errors import NotEnoughDataError
from tenure.flows.work import Work, side_by_side
from tenure.graph import Step
from tenure.models.scorecard import WALK_CUTOFFS
from tenure.reporting.record import TrainingRecord
from tenure.snapshot_rows import count_rows
from tenure.steps.opening import Run
from tenure.steps.results import saved_records
from tenure.steps.review import ledger_state
from tenure.steps.score import run_versions
from tenure.targets.catalogue import all_targets

SCORE_OUTPUTS = ("*.csv", "*.parquet", "models/*/*")


def run_steps(work: Work, asked: Sequence[str], *, full: bool) -> None:
    run = work.run
    able = [name for name in asked if name in run.snapshots.targets]
    features = Step("02_features", "02_features", parameters={"targets": ",".join(asked), "engine": run.engine})
    side_by_side(work, [Step("01_ingest", "01_ingest"), features])
    # The longest first: begun last, it would work on alone while a core is idle.
    longest_first = sorted(able, key=lambda name: -_fitting_rows(run, name))
    side_by_side(work, [training_step(run, name, full=full) for name in longest_first])
    trained = tuple(f"03_train_{record.target}" for record in saved_records(run))
    if full:
        work.perform(Step("07_audit", "07_audit", ("audit.*",), {"targets": ",".join(able)}))
    scoring = Step(
        "04_score", "04_score", SCORE_OUTPUTS, {"versions": "from_run", "engine": run.engine}, trained,
        lambda: json.dumps(run_versions(run)),
    )  # fmt: skip
    work.perform(scoring)
    tell(work, trained)


def _fitting_rows(run: Run, target: str) -> int:
    """Say how large a training is: the eligible rows of its fitting cutoffs, none where there is too little history."""
    try:
        return count_rows(run.snapshots, run.target(target), run.snapshots.plan(run.target(target)).fitting)
    except NotEnoughDataError:
        return 0


def tell(work: Work, trained: tuple[str, ...]) -> None:
    """Write the pages of what was trained and scored, and the review."""
    run = work.run
    pages = ("customers.html", "value.html", *(f"{name}.html" for name in all_targets()))
    report = Step("05_report", "05_report", pages, after=("04_score", *trained))
    review = Step("06_review", "06_review", ("review.*",), after=("04_score",), state=lambda: ledger_state(run))
    # The longer one first.
    side_by_side(work, [review, report] if trained else [review])


def training_step(run: Run, target: str, *, full: bool) -> Step:
    """A training depends on the champion it is compared with; that its own version became champion is no change."""

    def state() -> str:
        return _champion_state(run, target)

    def settles_as() -> str:
        record = TrainingRecord.load(run.training_folder(target))
        return f"champion {record.version}" if record.status == "trained" else state()

    longer = {"walk_cutoffs": WALK_CUTOFFS} if full else {}
    outputs = (f"training/{target}/*", f"training/{target}/figures/*")
    return Step(f"03_train_{target}", "03_train", outputs, {"target": target} | longer, (), state, settles_as)


def _champion_state(run: Run, target: str) -> str:
    name = run.model_name(target)
    made = next((record.version for record in saved_records(run) if record.target == target), "")
    if made and made not in {found.version for found in run.registry.versions(name)}:
        return "its version is gone"
    return f"champion {run.registry.champion(name)}"

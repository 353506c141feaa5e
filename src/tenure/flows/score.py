"""Scores of an as-of by the champions, without training."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenure.flows.progress import Progress, RunResult, say_nothing
from tenure.flows.steps_of_run import SCORE_OUTPUTS, tell
from tenure.flows.work import added_to
from tenure.flows.writer import writing
from tenure.graph import Step
from tenure.steps.opening import Run
from tenure.steps.results import saved_records
from tenure.steps.score import with_those_scored
from tenure.targets.catalogue import check_targets


def score_flow(
    source: str,
    *,
    as_of: str,
    targets: Sequence[str] = (),
    workspace: str = "",
    allow_hindsight: bool = False,
    engine: str = "",
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
) -> RunResult:
    """Score with the champions, no training; the as-of's folder is replaced whole, what else it held stays.

    Targets that were scored there and are not asked for are scored again too.

    Raises
    ------
    TenureError : no champion, an unknown target, an as-of the champions have seen.
    """
    check_targets(targets)
    doing = f"tenure score {source}"
    with writing(
        source, doing, as_of=as_of, workspace=workspace, wait_minutes=wait_minutes, engine=engine, progress=progress
    ) as run:
        for name in targets:
            run.target(name)  # one that the source cannot answer is told before a kernel starts
        with added_to(run, progress) as work:
            asked = with_those_scored(run.output, targets)
            parameters = {"targets": ",".join(asked), "allow_hindsight": allow_hindsight, "engine": run.engine}
            work.perform(Step("04_score", "04_score", SCORE_OUTPUTS, parameters, state=lambda: _champions_state(run)))
            tell(work, tuple(f"03_train_{record.target}" for record in saved_records(work.run)))
            document = work.finish("score", targets)
        return RunResult(run.output, document, work.performed)


def _champions_state(run: Run) -> str:
    return json.dumps({name: run.registry.champion(run.model_name(name)) for name in run.snapshots.targets})

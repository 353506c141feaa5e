"""Scores of an as-of by the champions, without training."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tenure.runs.progress import Progress, RunResult, say_nothing
from tenure.runs.step_cache import Step
from tenure.runs.steps_of_run import SCORE_OUTPUTS, champions, telling_steps, trained_steps
from tenure.runs.work import added_to
from tenure.runs.writer import writing
from tenure.steps.score import with_those_scored


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
    with writing(
        source, f"tenure score {source}", kind="score", as_of=as_of, workspace=workspace, engine=engine,
        wait_minutes=wait_minutes, progress=progress, targets=list(targets), allow_hindsight=allow_hindsight,
    ) as run:  # fmt: skip
        for name in targets:
            run.target(name)  # one that the source cannot answer is said before a kernel starts
        final = run.workspace.reports(source, run.as_of)
        with added_to(run, progress) as work:
            asked = with_those_scored(final, targets)
            parameters = {"targets": ",".join(asked), "allow_hindsight": allow_hindsight, "engine": run.engine}
            work.perform(
                Step("04_score", "04_score", SCORE_OUTPUTS, parameters, state=lambda: json.dumps(champions(run)))
            )
            work.perform(*telling_steps(work.run, trained_steps(work)))
            document = work.finish(targets)
        return RunResult(final, document, work.performed)

"""Decisions of an as-of that was scored before."""

from __future__ import annotations

from tenure.runs.progress import Progress, RunResult, say_nothing
from tenure.runs.steps_of_run import deciding_step
from tenure.runs.work import added_to
from tenure.runs.writer import writing


def decide_flow(
    source: str,
    *,
    as_of: str = "",
    since_last: bool = False,
    workspace: str = "",
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
) -> RunResult:
    """Decide on the scores of an as-of; its folder is replaced whole, what else it held stays.

    Raises
    ------
    TenureError : no action is declared, nothing was scored, a later day was decided on.
    """
    with writing(
        source, f"tenure decide {source}", kind="decide", as_of=as_of, workspace=workspace,
        wait_minutes=wait_minutes, progress=progress, since_last=since_last,
    ) as run:  # fmt: skip
        final = run.workspace.reports(source, run.as_of)
        with added_to(run, progress) as work:
            work.perform(deciding_step(work.run, since_last=since_last))
            document = work.finish(())
        return RunResult(final, document, work.performed)

"""The campaigns of a source measured as of a day, added to what its folder holds."""

from __future__ import annotations

from pathlib import Path

from tenure.runs.progress import Progress, say_nothing
from tenure.runs.run import promote_effects
from tenure.runs.steps_of_run import effects_step, measuring_step
from tenure.runs.work import added_to
from tenure.runs.writer import writing
from tenure.steps.results import campaign_results


def measure_flow(
    source: str, *, as_of: str = "", workspace: str = "", wait_minutes: float = 0.0, progress: Progress = say_nothing
) -> tuple[Path, list[dict[str, str]]]:
    """Measure every campaign; return the folder written and each result in words: about, verdict, text.

    Raises
    ------
    TenureError : an unknown source, an as-of outside the data.
    """
    with writing(
        source, f"tenure measure {source}", kind="measure", as_of=as_of, workspace=workspace,
        wait_minutes=wait_minutes, progress=progress,
    ) as run:  # fmt: skip
        with added_to(run, progress) as work:
            work.perform(measuring_step(work.run))
            work.perform(effects_step(work.run))
            work.finish(())
        folder = run.workspace.reports(source, run.as_of)
        promote_effects(run, folder)
        return folder, campaign_results(folder)

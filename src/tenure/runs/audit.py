"""The whole audit of an as-of, added to what its folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenure.core.stored import read_stored
from tenure.runs.progress import Progress, say_nothing
from tenure.runs.step_cache import Step
from tenure.runs.work import added_to
from tenure.runs.writer import writing
from tenure.steps.audit import FORMAT_VERSION


def audit_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
) -> tuple[Path, list[str]]:
    """Run the whole audit; return the folder written and the errors, one line each.

    Raises
    ------
    TenureError : an unknown source or target, an as-of outside the data.
    """
    with writing(
        source, f"tenure audit {source}", kind="audit", as_of=as_of, workspace=workspace, quick=quick,
        wait_minutes=wait_minutes, progress=progress, targets=list(targets),
    ) as run:  # fmt: skip
        with added_to(run, progress) as work:
            work.perform(Step("07_audit", "07_audit", ("audit.*",), {"targets": ",".join(targets)}))
            work.finish(targets)
        folder = run.workspace.reports(source, run.as_of)
        return folder, list(read_stored(folder / "audit.json", FORMAT_VERSION)["errors"])

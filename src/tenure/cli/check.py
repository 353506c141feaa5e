"""The command that checks a source without running it."""

from __future__ import annotations

import typer

from tenure.cli.options import AsOfOption, SourceArgument, WorkspaceOption
from tenure.core.errors import NotEnoughDataError


def check(name: SourceArgument, as_of: AsOfOption = "", workspace: WorkspaceOption = "") -> None:
    """Stage a sample aside and show what becomes of it: rows, rejections, targets, warnings. No training."""
    from tenure.core.workspace import Workspace

    located = Workspace.locate(workspace or None)
    if name == "demo" and not located.raw(name).is_dir():
        from tenure.steps.opening import ensure_demo

        ensure_demo(located)
    from tenure.intake.check import check as check_source

    checked = check_source(name, as_of=as_of, workspace=workspace)
    typer.echo("\n".join(checked.lines()))
    if not checked.can_be_run:
        raise NotEnoughDataError(f"{name}: no target can be asked, so a run would be refused; the reasons stand above.")

"""The commands about registered models: status, promote, rollback."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from tenure.cli.options import WaitOption, WhyOption, WorkspaceOption

if TYPE_CHECKING:
    from tenure.core.workspace import Workspace

ModelArgument = Annotated[str, typer.Argument(help="SOURCE-TARGET, as in demo-churn; 'tenure status' lists them.")]
VersionArgument = Annotated[str, typer.Argument(help="Its number: 3 of v3.")]


def status(
    source: Annotated[str, typer.Argument(help="Its models alone; default: all.")] = "", workspace: WorkspaceOption = ""
) -> None:
    """Show registered models, their champions and verdicts."""
    from tenure.core.workspace import Workspace
    from tenure.models.registry.registry import Registry
    from tenure.sources.source import read_source

    located = Workspace.locate(workspace or None)
    registry = Registry(located)
    names = registry.model_names(source)
    for name in names:
        for each in registry.versions(name)[:5]:
            aliases, auc = ",".join(each.aliases) or "-", each.tags.get("tenure.test_auc", "?")
            slope = each.tags.get("tenure.slope")  # of an action's effect
            tested = f"slope {slope} at {each.as_of}" if slope else f"AUC {auc} at {each.test_cutoff or '?'}"
            verdict = each.tags.get("tenure.verdict", "")
            typer.echo(f"{name:<24} v{each.version:<4} {aliases:<20} {tested}  {verdict}")
    if not names:
        if source:
            read_source(located, source)  # an unknown source is an error
        typer.echo(f"No model is registered yet. Train with 'tenure run {source or 'SOURCE'}'.")


def promote(
    model: ModelArgument,
    version: VersionArgument,
    why: WhyOption = "by hand",
    wait: WaitOption = 0,
    workspace: WorkspaceOption = "",
) -> None:
    """Make a version the champion, and show which gates of its verdict that overrides."""
    from tenure.core.workspace import Workspace
    from tenure.models.registry.registry import Registry

    located = Workspace.locate(workspace or None)
    registry = Registry(located)
    with _writing(located, model, f"tenure promote {model}", wait):
        overridden = registry.overridden_gates(model, version)
        former = registry.promote(model, version, why=why)
    for gate in overridden:
        typer.echo(f"  overrides: {gate}")
    typer.echo(f"{model}: champion is version {version} (before: {former or 'none'})")


def rollback(
    model: ModelArgument, why: WhyOption = "by hand", wait: WaitOption = 0, workspace: WorkspaceOption = ""
) -> None:
    """Make the version before the champion again."""
    from tenure.core.workspace import Workspace
    from tenure.models.registry.registry import Registry

    located = Workspace.locate(workspace or None)
    with _writing(located, model, f"tenure rollback {model}", wait):
        current, former = Registry(located).rollback(model, why=why)
    typer.echo(f"{model}: champion is version {former} again (was {current})")


def _writing(workspace: Workspace, model: str, doing: str, wait: int) -> AbstractContextManager[bool]:
    """Hold the lock of a model's source: no champion moves while a run compares with it, or scores by it."""
    from tenure.core.lock import sole_writer
    from tenure.models.registry.owner import source_of

    return sole_writer(
        workspace,
        source_of(model) or model,  # a name without a target is refused by the registry
        doing,
        wait_seconds=60 * wait,
        on_wait=lambda holder: typer.echo(f"  waiting: {holder}"),
    )

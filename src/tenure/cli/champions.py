"""The commands about registered models: status, promote, rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from tenure.cli.options import WhyOption, WorkspaceOption

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
            typer.echo(
                f"{name:<24} v{each.version:<4} {','.join(each.aliases) or '-':<20} AUC {each.tags.get('tenure.test_auc', '?')} at {each.test_cutoff or '?'}  {each.tags.get('tenure.verdict', '')}"
            )
    if not names:
        if source:
            read_source(located, source)  # an unknown one is told as that
        typer.echo(f"No model is registered yet. Train with 'tenure run {source or 'SOURCE'}'.")


def promote(
    model: ModelArgument, version: VersionArgument, why: WhyOption = "by hand", workspace: WorkspaceOption = ""
) -> None:
    """Make a version the champion, and say what its verdict had against it."""
    from tenure.core.workspace import Workspace
    from tenure.models.registry.registry import Registry

    registry = Registry(Workspace.locate(workspace or None))
    overridden = registry.overridden_gates(model, version)
    former = registry.promote(model, version, why=why)
    for gate in overridden:
        typer.echo(f"  overrides: {gate}")
    typer.echo(f"{model}: champion is version {version} (before: {former or 'none'})")


def rollback(model: ModelArgument, why: WhyOption = "by hand", workspace: WorkspaceOption = "") -> None:
    """Give the champion back to the version before."""
    from tenure.core.workspace import Workspace
    from tenure.models.registry.registry import Registry

    current, former = Registry(Workspace.locate(workspace or None)).rollback(model, why=why)
    typer.echo(f"{model}: champion is version {former} again (was {current})")

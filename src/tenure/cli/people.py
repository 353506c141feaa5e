"""The commands about customers as persons: export, forget."""

from __future__ import annotations

from typing import Annotated

import typer

from tenure.cli.options import CustomerArgument, SourceArgument, WorkspaceOption


def export(
    source: SourceArgument,
    as_of: Annotated[str, typer.Option("--as-of", help="Which as-of, YYYY-MM-DD; default: the last one scored.")] = "",
    reveal: Annotated[bool, typer.Option("--reveal", help="Write the real ids for the pseudonyms.")] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """Copy the scored tables to data/exports, for other systems."""
    from tenure.core.workspace import Workspace
    from tenure.privacy.export import export_scores

    for path in export_scores(Workspace.locate(workspace or None), source, as_of=as_of, reveal=reveal):
        typer.echo(f"exported {path}")


def forget(source: SourceArgument, customer: CustomerArgument, workspace: WorkspaceOption = "") -> None:
    """Forget a customer: never staged again, taken out of everything made so far; proven by search."""
    from tenure.core.workspace import Workspace
    from tenure.privacy.forget import forget_customer

    done = forget_customer(Workspace.locate(workspace or None), source, customer)
    for what, count in done.changed.items():
        typer.echo(f"  {what:<24} {count:>6,} changed or removed")
    typer.echo(
        f"Searched {done.files:,} files, {done.artifacts:,} MLflow artefacts and {done.texts:,} of its texts: none names the customer."
    )
    elsewhere = f"in the workspace {', '.join(done.not_searched)}; " if done.not_searched else ""
    typer.echo(
        f"Not searched: {elsewhere}other sources and their models; traces in MLflow and its other stores; backups; exports, "
        "checkpoints of notebooks and other copies outside the workspace; packed files but logs."
    )
    if done.raw_files:
        named = "\n  ".join(str(path) for path in done.raw_files)
        typer.echo(f"Raw files are yours and stay as they are; these still name the customer:\n  {named}")
    if done.others:
        typer.echo(
            f"Records make the customer one person with {', '.join(done.others)}, who stays: forget each of them too, if they are."
        )
    typer.echo(f"Models stay, and their cards say so; 'tenure run {source}' trains them anew, without the customer.")

"""The commands that bring a company's own files in: draft."""

from __future__ import annotations

from typing import Annotated

import typer

from tenure.cli.options import WorkspaceOption


def draft(
    name: Annotated[str, typer.Argument(help="What the source is to be called: a folder of data/raw.")],
    files: Annotated[
        list[str], typer.Argument(help="CSV, TSV, XLSX, Parquet, JSON lines, SQLite, or a folder of them.")
    ],
    workspace: WorkspaceOption = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a source.toml that is there.")] = False,
) -> None:
    """Look at your files and draft a commented source.toml that runs."""
    from tenure.core.workspace import Workspace
    from tenure.intake.draft import draft_source

    drafted = draft_source(Workspace.locate(workspace or None), name, files, force=force)
    for table, read in drafted.tables.items():
        typer.echo(f"  {table:<20} from {', '.join(dict.fromkeys(read))}")
    for file, reason in drafted.left_out:
        typer.echo(f"  left out: {file}: {reason}")
    typer.echo(
        f"{drafted.path}: {drafted.checks} points to check (lines with CHECK:). The files were copied beside it."
    )
    typer.echo(f"Next: tenure check {name}")

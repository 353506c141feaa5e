"""The commands that bring raw data, and list what there is: demo, fetch, sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenure.cli.options import SourceArgument, WorkspaceOption


def demo(
    customers: Annotated[int, typer.Option(min=50)] = 5000,
    months: Annotated[int, typer.Option(min=6)] = 24,
    seed: int = 7,
    workspace: WorkspaceOption = "",
) -> None:
    """Generate the demo company."""
    from tenure.core.lock import sole_writer
    from tenure.core.workspace import Workspace
    from tenure.demo import generate_demo

    located = Workspace.locate(workspace or None)
    with sole_writer(located, "demo", "tenure demo"):
        rows = generate_demo(located.raw("demo"), located.truth("demo"), customers=customers, months=months, seed=seed)
    for table, count in rows.items():
        typer.echo(f"  {table:<20} {count:>10,} rows")
    typer.echo(f"Raw files {located.raw('demo')}")


def fetch(
    source: SourceArgument,
    from_: Annotated[str, typer.Option("--from", help="Folder with the downloaded files.")] = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Place a source's raw files under data/raw/SOURCE."""
    from tenure.core.lock import sole_writer
    from tenure.core.workspace import Workspace
    from tenure.sources.fetch import fetch_source
    from tenure.sources.source import read_source

    located = Workspace.locate(workspace or None)
    read_source(located, source)
    with sole_writer(located, source, f"tenure fetch {source}"):
        for path in fetch_source(located, source, Path(from_) if from_ else None):
            typer.echo(f"placed {path}")


def sources(workspace: WorkspaceOption = "") -> None:
    """List sources: bundled, present, and which targets each can answer; in brackets: if its TOML asks for them."""
    from tenure.core.workspace import Workspace
    from tenure.sources.contract import STAGED_TABLES
    from tenure.sources.source import bundled_source_names, read_source
    from tenure.targets.catalogue import in_form, is_asked, missing_tables, targets_of

    located = Workspace.locate(workspace or None)
    present = {
        path.name for path in (located.data / "raw").glob("*") if path.is_dir() and not path.name.startswith(".")
    }
    for name in sorted({*bundled_source_names(), *present}):
        source = read_source(located, name)
        tables = {*source.tables, *(path.stem for path in located.raw(name).glob("*"))}
        tables |= set(STAGED_TABLES) if name == "demo" else set()
        able = [
            target.name if is_asked(target, source) else f"({target.name})"
            for target in targets_of(source).values()
            if not missing_tables(in_form(target, tables), tables)
        ]
        typer.echo(
            f"{name:<18} {'present' if name in present else 'absent ':<8} {', '.join(able) or '-':<30} {source.title}"
        )
        if source.published:
            typer.echo(f"{'':<18} {source.published} · {source.licence}")


def schema() -> None:
    """Print the JSON Schema of source.toml, for editors."""
    import json

    from tenure.customers.catalogue import all_attributes
    from tenure.sources.document import source_schema
    from tenure.targets.catalogue import all_targets

    targets = {name: target.settings_type for name, target in all_targets().items()}
    attributes = {name: attribute.settings_type for name, attribute in all_attributes().items()}
    typer.echo(json.dumps(source_schema(targets=targets, attributes=attributes), indent=2))

"""The commands that show and change nothing of a run: explain, customer, help, schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tenure.cli.options import AsOfOption, CustomerArgument, SourceArgument, WorkspaceOption


def explain(source: SourceArgument, as_of: AsOfOption = "", workspace: WorkspaceOption = "") -> None:
    """Show how features are built, table by table, and what each part took in the last build."""
    from tenure.core.lock import sole_writer
    from tenure.snapshots.explain_plan import explain_plan
    from tenure.steps.opening import open_run

    run = open_run(source, as_of=as_of, workspace=workspace)
    with sole_writer(run.workspace, source, f"tenure explain {source}"):  # it may have to stage
        plan = explain_plan(run.snapshots)
    typer.echo(
        f"{len(plan.cutoffs)} cutoffs, {plan.cutoffs[0]} to {plan.cutoffs[-1]}; seconds: of the last build, ", nl=False
    )
    typer.echo(f"{plan.last_cutoffs} cutoffs" if plan.last_cutoffs else "which has not been yet")
    typer.echo(f"{'table':<20} {'way':<13} {'columns':>7} {'seconds':>8}  what")
    for line in plan.lines:
        seconds = "-" if line.seconds is None else f"{line.seconds:.2f}"
        typer.echo(f"{line.table or '-':<20} {line.way:<13} {line.columns or '-':>7} {seconds:>8}  {line.detail}")


def customer(
    source: SourceArgument,
    customer_id: CustomerArgument,
    as_of: AsOfOption = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Show one customer: scores, reasons, phase, facts; write their page."""
    from tenure.reporting.customer_page import customer_text
    from tenure.steps.customer import describe_customer, write_customer
    from tenure.steps.opening import open_run

    opened = open_run(source, as_of=as_of, workspace=workspace)
    page = describe_customer(opened, customer_id)
    typer.echo(customer_text(page.row, page.timeline, page.levers))
    typer.echo(f"Open {write_customer(opened, page)}")


def help_(notebook: Annotated[str, typer.Argument(help="As in 03_train, or train; default: list them.")] = "") -> None:
    """Print the parameters of a notebook: type, default, allowed values, meaning."""
    from tenure.steps.parameters import NOTEBOOKS, parameters_of

    if not notebook:
        typer.echo(f"Notebooks: {', '.join(NOTEBOOKS)}. Name one: tenure help 03_train")
        return
    for parameter in parameters_of(notebook).values():
        typer.echo(
            f"{parameter.name} ({parameter.python_type.__name__}, default {parameter.default!r}): {parameter.values}"
        )
        typer.echo(f"    {parameter.meaning}")


def schedule(
    scheduler: Annotated[str, typer.Argument(help="cron, systemd, airflow or github.")],
    source: SourceArgument,
    to: Annotated[str, typer.Option("--to", help="Folder to write the files into; default: print them.")] = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Give a scheduler's files, filled in: scores and decisions every day, answers every few minutes, a run every month."""
    from tenure.core.plugins import plugins
    from tenure.core.workspace import Workspace
    from tenure.runs.schedules import schedule_files
    from tenure.sources.source import read_source

    located = Workspace.locate(workspace or None)
    described = read_source(located, source)
    decides = bool(described.actions or plugins("actions", described.folder))
    for name, text in schedule_files(scheduler, source, located, decides=decides).items():
        if to:
            Path(to).mkdir(parents=True, exist_ok=True)
            (Path(to) / name).write_text(text, encoding="utf-8")
            typer.echo(f"written {Path(to) / name}")
        else:
            typer.echo(f"# {name}\n{text}")

"""The command line: arguments and messages, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tenure.errors import TenureError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which customers will churn, are ready for an upsell, or will lapse, and why.",
)

WorkspaceOption = Annotated[str, typer.Option("--workspace", help="Folder that holds data/, mlruns/ and reports/.")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="First unknown day, YYYY-MM-DD; default: the day after the last fact.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="duckdb (embedded) or spark (TENURE_SPARK_REMOTE, TENURE_SPARK_MASTER).")
]
TargetsOption = Annotated[str, typer.Option("--targets", help="Comma-separated, as in churn,lapse; default: all.")]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _tell(step: str, seconds: float) -> None:
    """Say a step while it works, and once it is done."""
    if seconds < 0:
        if sys.stderr.isatty():
            typer.echo(f"  {step} ...\r", nl=False, err=True)
    else:
        typer.echo(f"  {step:<18} {seconds:6.1f} s")


@app.command()
def run(
    source: str,
    as_of: AsOfOption = "",
    targets: TargetsOption = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="A small sample and few trees: to see that everything works.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The whole audit and a walk over six cutoffs, besides the usual.")
    ] = False,
    engine: EngineOption = "duckdb",
    workspace: WorkspaceOption = "",
) -> None:
    """Run the whole flow: stage, features, train, score, report; then move the champions."""
    from tenure.run import run_flow

    typer.echo(f"tenure run {source}{' (quick: do not act on its numbers)' if quick else ''}")
    result = run_flow(
        source,
        as_of=as_of,
        targets=_names(targets),
        workspace=workspace,
        quick=quick,
        full=full,
        engine=engine,
        progress=_tell,
    )
    document = result.run_json
    for table, rows in document["rows"].items():
        typer.echo(
            f"  {table:<20} {rows['read']:>10,} read {rows['staged']:>10,} staged {rows['rejected']:>9,} rejected"
        )
    for name, target in document["targets"].items():
        metrics = target["metrics"]
        if metrics:
            typer.echo(
                f"  {name}: {target['status']}, AUC {metrics['auc']:.3f} ({metrics['auc_low']:.3f}-{metrics['auc_high']:.3f}) against {metrics['auc_rule']:.3f} of the rule; "
                f"{target['positives']:,} of {target['eligible']:,} at {target['test_cutoff']}, {target['horizon_days']} days"
            )
        else:
            typer.echo(f"  {name}: {target['status']}: {target['reason']}")
    typer.echo(f"Open {result.folder / 'index.html'}\nScores {result.folder / 'scored_customers.csv'}")


@app.command()
def score(
    source: str,
    as_of: AsOfOption,
    targets: TargetsOption = "",
    allow_hindsight: Annotated[
        bool, typer.Option("--allow-hindsight", help="Score a day the champion has seen; the rows are marked.")
    ] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """Score with the champions, without training."""
    from tenure.run import score_flow

    folder = score_flow(
        source,
        as_of=as_of,
        targets=_names(targets),
        workspace=workspace,
        allow_hindsight=allow_hindsight,
        progress=_tell,
    )
    typer.echo(f"Scores {folder / 'scored_customers.csv'}")


@app.command()
def audit(
    source: str,
    as_of: AsOfOption = "",
    targets: TargetsOption = "",
    quick: Annotated[bool, typer.Option("--quick", help="Few trees and a sample.")] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """Look for leakage in everything: exit 1 on an alarm."""
    from tenure.run import audit_flow

    folder, alarms = audit_flow(
        source, as_of=as_of, targets=_names(targets), workspace=workspace, quick=quick, progress=_tell
    )
    for alarm in alarms:
        typer.echo(f"  alarm: {alarm}")
    typer.echo(f"{len(alarms) or 'No'} alarm{'' if len(alarms) == 1 else 's'}. Open {folder / 'audit.html'}")
    if alarms:
        raise typer.Exit(1)


@app.command()
def sources(workspace: WorkspaceOption = "") -> None:
    """List sources: bundled, present, and which targets each can answer."""
    from tenure.sources.source import bundled_source_names, read_source
    from tenure.targets.catalogue import missing_tables, targets_of
    from tenure.workspace import Workspace

    located = Workspace.locate(workspace or None)
    present = {
        path.name for path in (located.data / "raw").glob("*") if path.is_dir() and not path.name.startswith(".")
    }
    for name in sorted({*bundled_source_names(), *present}):
        source = read_source(located, name)
        tables = {*source.tables, *(path.stem for path in located.raw(name).glob("*"))}
        tables |= {"order_lines", "subscription_events"} if name == "demo" else set()
        able = [target.name for target in targets_of(source).values() if not missing_tables(target, tables)]
        typer.echo(
            f"{name:<18} {'present' if name in present else 'absent ':<8} {', '.join(able) or '-':<24} {source.title}"
        )
        if source.published:
            typer.echo(f"{'':<18} {source.published} · {source.licence}")


@app.command()
def fetch(
    source: str,
    from_: Annotated[str, typer.Option("--from", help="Folder with the downloaded files.")] = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Place a source's raw files under data/raw/SOURCE."""
    from tenure.sources.fetch import fetch_source
    from tenure.workspace import Workspace

    for path in fetch_source(Workspace.locate(workspace or None), source, Path(from_) if from_ else None):
        typer.echo(f"placed {path}")


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=50)] = 5000,
    months: Annotated[int, typer.Option(min=6)] = 24,
    seed: int = 7,
    workspace: WorkspaceOption = "",
) -> None:
    """Generate the demo company."""
    from tenure.demo import generate_demo
    from tenure.workspace import Workspace

    located = Workspace.locate(workspace or None)
    rows = generate_demo(located.raw("demo"), located.truth("demo"), customers=customers, months=months, seed=seed)
    for table, count in rows.items():
        typer.echo(f"  {table:<20} {count:>10,} rows")
    typer.echo(f"Raw files {located.raw('demo')}")


@app.command()
def status(source: Annotated[str, typer.Argument()] = "", workspace: WorkspaceOption = "") -> None:
    """Show registered models, their champions and verdicts."""
    from tenure.models.registry import Registry
    from tenure.workspace import Workspace

    registry = Registry(Workspace.locate(workspace or None))
    names = [name for name in registry.model_names() if not source or name.startswith(f"{source}-")]
    for name in names:
        for row in registry.versions(name)[:5]:
            tags = row["tags"]
            typer.echo(
                f"{name:<24} v{row['version']:<4} {','.join(row['aliases']) or '-':<20} AUC {tags.get('tenure.test_auc', '?')} at {tags.get('tenure.test_cutoff', '?')}  {tags.get('tenure.verdict', '')}"
            )
    if not names:
        typer.echo("No model is registered yet. Train with 'tenure run SOURCE'.")


WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with the version.")]


@app.command()
def promote(model: str, version: str, why: WhyOption = "by hand", workspace: WorkspaceOption = "") -> None:
    """Make a version the champion, and say what its verdict had against it."""
    from tenure.models.registry import Registry
    from tenure.workspace import Workspace

    registry = Registry(Workspace.locate(workspace or None))
    overridden = registry.overridden_gates(model, version)
    former = registry.promote(model, version, why=why)
    for gate in overridden:
        typer.echo(f"  overrides: {gate}")
    typer.echo(f"{model}: champion is version {version} (before: {former or 'none'})")


@app.command()
def rollback(model: str, why: WhyOption = "by hand", workspace: WorkspaceOption = "") -> None:
    """Give the champion back to the version before."""
    from tenure.models.registry import Registry
    from tenure.workspace import Workspace

    current, former = Registry(Workspace.locate(workspace or None)).rollback(model, why=why)
    typer.echo(f"{model}: champion is version {former} again (was {current})")


def main() -> None:
    """Run a command; an error a user may meet is one message and an exit code, the trace only with --debug."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app(standalone_mode=True)
    except TenureError as error:
        if debug:
            raise
        typer.echo(f"tenure: {error}", err=True)
        sys.exit(error.exit_code)

"""The command line: arguments and messages, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenure.alerts import SEVERITIES, Alert, at_least, worst_first
from tenure.errors import RunError, TenureError

if TYPE_CHECKING:
    from tenure.run import StepEvent

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts sooner
    pretty_exceptions_enable=False,
    help="Which customers will churn, are ready for an upsell, or will lapse, and why.",
)

WorkspaceOption = Annotated[str, typer.Option("--workspace", help="Folder that holds data/, mlruns/ and reports/.")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="First unknown day, YYYY-MM-DD; default: the day after the last fact.")
]
TargetsOption = Annotated[str, typer.Option("--targets", help="Comma-separated, as in churn,lapse; default: all.")]
FailOnOption = Annotated[
    str, typer.Option("--fail-on", help=f"Exit 1 on an alert as severe as: {' or '.join(SEVERITIES)}; default: never.")
]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _tell(event: StepEvent) -> None:
    """Say a step while it works, and once it is done."""
    if event.what == "started":
        if sys.stderr.isatty():
            typer.echo(f"  {event.step} ...\r", nl=False, err=True)
    elif event.what == "reused":
        typer.echo(f"  {event.step:<18}  reused")
    else:
        typer.echo(f"  {event.step:<18} {event.seconds:6.1f} s")


def _conclude(document: dict[str, Any], fail_on: str) -> None:
    """Say the alerts last; exit 1 where one is as severe as asked."""
    alerts = worst_first(Alert(**line) for line in document["alerts"])
    for alert in alerts:
        typer.echo(f"  {alert}", err=True)
    if failing := at_least(alerts, fail_on):
        raise RunError(
            f"{len(failing)} alert(s) of severity {fail_on} or worse. Results are written; look at review.html."
        )


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
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Run what is missing or changed, as every repeat does; for scripts that say so."),
    ] = False,
    fail_on: FailOnOption = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Run the whole flow: stage, features, train, score, report; then move the champions."""
    from tenure.run import run_flow

    at_least((), fail_on)
    typer.echo(f"tenure run {source}{' (quick: do not act on its numbers)' if quick else ''}")
    result = run_flow(
        source, as_of=as_of, targets=_names(targets), workspace=workspace, quick=quick, full=full, progress=_tell
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
    if result.performed.reused:
        done = len(result.performed.executed)
        typer.echo(f"Reused {', '.join(result.performed.reused)}{'' if done else ': nothing has changed'}.")
    typer.echo(f"Open {result.folder / 'index.html'}\nScores {result.folder / 'scored_customers.csv'}")
    _conclude(document, fail_on)


@app.command()
def score(
    source: str,
    as_of: AsOfOption,
    targets: TargetsOption = "",
    allow_hindsight: Annotated[
        bool, typer.Option("--allow-hindsight", help="Score a day the champion has seen; the rows are marked.")
    ] = False,
    fail_on: FailOnOption = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Score with the champions, without training."""
    from tenure.run import score_flow

    at_least((), fail_on)
    result = score_flow(
        source,
        as_of=as_of,
        targets=_names(targets),
        workspace=workspace,
        allow_hindsight=allow_hindsight,
        progress=_tell,
    )
    typer.echo(f"Scores {result.folder / 'scored_customers.csv'}")
    _conclude(result.run_json, fail_on)


@app.command()
def backfill(
    source: str,
    from_: Annotated[str, typer.Option("--from", help="First as-of, YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last as-of, YYYY-MM-DD.")],
    every: Annotated[str, typer.Option("--every", help="Days, weeks or months between, as in 1month.")] = "1month",
    targets: TargetsOption = "",
    quick: Annotated[bool, typer.Option("--quick", help="Few trees and a sample.")] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """Run past days as they would have been then; today's champions are not touched."""
    from tenure.backfill import backfill_flow

    rows = backfill_flow(
        source, first=from_, last=to, every=every, targets=_names(targets), quick=quick, workspace=workspace, progress=_tell
    )  # fmt: skip
    for row in rows:
        auc = f"AUC {row.auc:.3f}" if row.auc is not None else row.reason
        version = f"v{row.version}" if row.version else "-"
        typer.echo(
            f"{row.as_of}  {row.target:<8} {row.status:<8} {version:<5} {'reused' if row.was_reused else 'ran':<7} {auc}"
        )


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


@app.command("help")
def help_(notebook: Annotated[str, typer.Argument()] = "") -> None:
    """Print the parameters of a notebook: type, default, allowed values, meaning."""
    from tenure.parameters import NOTEBOOKS, parameters_of

    if not notebook:
        typer.echo(f"Notebooks: {', '.join(NOTEBOOKS)}. Name one: tenure help 03_train")
        return
    for parameter in parameters_of(notebook).values():
        typer.echo(
            f"{parameter.name} ({parameter.python_type.__name__}, default {parameter.default!r}): {parameter.values}"
        )
        typer.echo(f"    {parameter.meaning}")


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
    except OSError as error:
        # A full disk, a folder that may not be written: nothing half-written is visible, and the champion is as it was.
        if debug:
            raise
        typer.echo(f"tenure: {error}. Nothing was replaced; mend it and run again.", err=True)
        sys.exit(1)

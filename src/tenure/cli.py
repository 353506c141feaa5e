"""The command line: arguments and messages, nothing else."""

from __future__ import annotations

import sys
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tenure.alerts import SEVERITIES, Alert, at_least, worst_first
from tenure.errors import RunError, TenureError
from tenure.identity_commands import identity
from tenure.logs import Log

if TYPE_CHECKING:
    from tenure.run import Progress, StepEvent

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts sooner
    pretty_exceptions_enable=False,
    help="Which customers will churn, are ready for an upsell, or will lapse, and why.",
)

app.add_typer(identity, name="identity")

WorkspaceOption = Annotated[str, typer.Option("--workspace", help="Folder that holds data/, mlruns/ and reports/.")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="First unknown day, YYYY-MM-DD; default: the day after the last fact.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="duckdb (embedded) or spark (TENURE_SPARK_REMOTE, TENURE_SPARK_MASTER).")
]
TargetsOption = Annotated[str, typer.Option("--targets", help="Comma-separated, as in churn,lapse; default: all.")]
FailOnOption = Annotated[
    str, typer.Option("--fail-on", help=f"Exit 1 on an alert as severe as: {' or '.join(SEVERITIES)}; default: never.")
]
LogOption = Annotated[str, typer.Option("--log", help="text, or json: one JSON object per line.")]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _telling(log: Log) -> Progress:
    """Say each step while it works, and once it is done."""

    def tell(event: StepEvent) -> None:
        if event.what == "started" and log.form == "text":
            if sys.stderr.isatty():
                typer.echo(f"  {event.step} ...\r", nl=False, err=True)
            return
        if event.what == "day":
            log.say("day", f"as of {event.step}", as_of=event.step)
            return
        if event.what == "expired":
            log.say("expired", f"  {event.step}")
            return
        took = "    reused" if event.what == "reused" else f"{event.seconds:8.1f} s"
        log.say(event.what, f"  {event.step:<18} {took}", step=event.step, seconds=event.seconds)

    return tell


def conclude(log: Log, document: dict[str, Any], fail_on: str) -> None:
    """Say the alerts last; exit 1 where one is as severe as asked."""
    alerts = worst_first(Alert(**line) for line in document["alerts"])
    for alert in alerts:
        log.say("alert", f"  {alert}", to_errors=True, **asdict(alert))
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
    log: LogOption = "text",
    engine: EngineOption = "duckdb",
    workspace: WorkspaceOption = "",
) -> None:
    """Run the whole flow: stage, features, train, score, report; then move the champions."""
    from tenure.run import run_flow

    at_least((), fail_on)
    said = Log(log)
    said.say(
        "begin",
        f"tenure run {source}{' (quick: do not act on its numbers)' if quick else ''}",
        source=source,
        quick=quick,
    )
    result = run_flow(
        source,
        as_of=as_of,
        targets=_names(targets),
        workspace=workspace,
        quick=quick,
        full=full,
        engine=engine,
        progress=_telling(said),
    )
    document = result.run_json
    for table, rows in document["rows"].items():
        counts = f"{rows['read']:>10,} read {rows['staged']:>10,} staged {rows['rejected']:>9,} rejected"
        said.say("table", f"  {table:<20} {counts}", table=table, **rows)
    for name, target in document["targets"].items():
        said.say("target", f"  {name}: {_outcome(target)}", target=name, **target)
    if result.performed.reused:
        unchanged = "" if result.performed.executed else ": nothing has changed"
        said.say("reuse", f"Reused {', '.join(result.performed.reused)}{unchanged}.", steps=result.performed.reused)
    shown = f"Open {result.folder / 'index.html'}\nScores {result.folder / 'scored_customers.csv'}"
    said.say("end", shown, folder=result.folder, run_id=document["run_id"])
    conclude(said, document, fail_on)


def _outcome(target: dict[str, Any]) -> str:
    metrics = target["metrics"]
    if not metrics:
        return f"{target['status']}: {target['reason']}"
    return (
        f"{target['status']}, AUC {metrics['auc']:.3f} ({metrics['auc_low']:.3f}-{metrics['auc_high']:.3f}) against {metrics['auc_rule']:.3f} of the rule; "
        f"{target['positives']:,} of {target['eligible']:,} at {target['test_cutoff']}, {target['horizon_days']} days"
    )


@app.command()
def score(
    source: str,
    as_of: AsOfOption,
    targets: TargetsOption = "",
    allow_hindsight: Annotated[
        bool, typer.Option("--allow-hindsight", help="Score a day the champion has seen; the rows are marked.")
    ] = False,
    fail_on: FailOnOption = "",
    log: LogOption = "text",
    engine: EngineOption = "duckdb",
    workspace: WorkspaceOption = "",
) -> None:
    """Score with the champions, without training."""
    from tenure.run import score_flow

    at_least((), fail_on)
    said = Log(log)
    result = score_flow(
        source,
        as_of=as_of,
        targets=_names(targets),
        workspace=workspace,
        allow_hindsight=allow_hindsight,
        engine=engine,
        progress=_telling(said),
    )
    said.say("end", f"Scores {result.folder / 'scored_customers.csv'}", folder=result.folder)
    conclude(said, result.run_json, fail_on)


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
        source, first=from_, last=to, every=every, targets=_names(targets), quick=quick, workspace=workspace, progress=_telling(Log())
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
        source, as_of=as_of, targets=_names(targets), workspace=workspace, quick=quick, progress=_telling(Log())
    )
    for alarm in alarms:
        typer.echo(f"  alarm: {alarm}")
    typer.echo(f"{len(alarms) or 'No'} alarm{'' if len(alarms) == 1 else 's'}. Open {folder / 'audit.html'}")
    if alarms:
        raise typer.Exit(1)


@app.command()
def explain(source: str, as_of: AsOfOption = "", workspace: WorkspaceOption = "") -> None:
    """Show how features are built, table by table, and what each part took in the last build."""
    from tenure.explain_plan import explain_plan
    from tenure.lock import sole_writer
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


@app.command()
def customer(
    source: str,
    customer_id: Annotated[str, typer.Argument(metavar="ID")],
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
def schedule(
    scheduler: Annotated[str, typer.Argument(help="cron, systemd, airflow or github.")],
    source: str,
    to: Annotated[str, typer.Option("--to", help="Folder to write the files into; default: print them.")] = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Give a scheduler's files, filled in: scores every day, a run every month."""
    from tenure.schedules import schedule_files
    from tenure.sources.source import read_source
    from tenure.workspace import Workspace

    located = Workspace.locate(workspace or None)
    read_source(located, source)
    for name, text in schedule_files(scheduler, source, located).items():
        if to:
            Path(to).mkdir(parents=True, exist_ok=True)
            (Path(to) / name).write_text(text, encoding="utf-8")
            typer.echo(f"written {Path(to) / name}")
        else:
            typer.echo(f"# {name}\n{text}")


@app.command()
def sources(workspace: WorkspaceOption = "") -> None:
    """List sources: bundled, present, and which targets each can answer."""
    from tenure.sources.contract import STAGED_TABLES
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
        tables |= set(STAGED_TABLES) if name == "demo" else set()
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
    from tenure.lock import sole_writer
    from tenure.sources.fetch import fetch_source
    from tenure.sources.source import read_source
    from tenure.workspace import Workspace

    located = Workspace.locate(workspace or None)
    read_source(located, source)
    with sole_writer(located, source, f"tenure fetch {source}"):
        for path in fetch_source(located, source, Path(from_) if from_ else None):
            typer.echo(f"placed {path}")


@app.command()
def export(
    source: str,
    as_of: Annotated[str, typer.Option("--as-of", help="Which as-of, YYYY-MM-DD; default: the last one scored.")] = "",
    reveal: Annotated[bool, typer.Option("--reveal", help="Write the real ids for the pseudonyms.")] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """Copy the scored tables to data/exports, for other systems."""
    from tenure.privacy.export import export_scores
    from tenure.workspace import Workspace

    for path in export_scores(Workspace.locate(workspace or None), source, as_of=as_of, reveal=reveal):
        typer.echo(f"exported {path}")


@app.command()
def forget(source: str, customer: str, workspace: WorkspaceOption = "") -> None:
    """Forget a customer: never staged again, taken out of everything made so far; proven by search."""
    from tenure.privacy.forget import forget_customer
    from tenure.workspace import Workspace

    done = forget_customer(Workspace.locate(workspace or None), source, customer)
    for what, count in done.changed.items():
        typer.echo(f"  {what:<24} {count:>6,} changed or removed")
    typer.echo(
        f"Searched {done.files:,} files, {done.artifacts:,} MLflow artefacts and {done.texts:,} of its texts: none names the customer."
    )
    if done.raw_files:
        named = "\n  ".join(str(path) for path in done.raw_files)
        typer.echo(f"Raw files are yours and stay as they are; these still name the customer:\n  {named}")
    if done.others:
        typer.echo(
            f"Records make the customer one person with {', '.join(done.others)}, who stays: forget each of them too, if they are."
        )
    typer.echo(f"Models stay, and their cards say so; 'tenure run {source}' trains them anew, without the customer.")


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=50)] = 5000,
    months: Annotated[int, typer.Option(min=6)] = 24,
    seed: int = 7,
    workspace: WorkspaceOption = "",
) -> None:
    """Generate the demo company."""
    from tenure.demo import generate_demo
    from tenure.lock import sole_writer
    from tenure.workspace import Workspace

    located = Workspace.locate(workspace or None)
    with sole_writer(located, "demo", "tenure demo"):
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
    for stream in (sys.stdout, sys.stderr):
        # A name that is no text, or a terminal that knows no such letter, is still to be said.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app(standalone_mode=True)
    except (TenureError, OSError) as error:
        if debug:
            raise
        # Of the system's own errors: a full disk, a folder that may not be written. Nothing half-written is visible.
        what = (
            str(error) if isinstance(error, TenureError) else f"{error}. Nothing was replaced; mend it and run again."
        )
        code = error.exit_code if isinstance(error, TenureError) else 1
        _log_asked_for().say("failed", f"tenure: {what}", to_errors=True, message=what, exit_code=code)
        _notify_failure(what)
        sys.exit(code)


def _notify_failure(what: str) -> None:
    from tenure.notify import notify

    try:
        notify(f"tenure {' '.join(sys.argv[1:3])} failed", what)
    except TenureError as error:
        typer.echo(f"tenure: {error}", err=True)


def _log_asked_for() -> Log:
    """Find the form of the log in the arguments: a wrong one is itself an error to be told."""
    arguments = " ".join(sys.argv[1:]).replace("--log=", "--log ").split()
    is_json = any(pair == ("--log", "json") for pair in zip(arguments, arguments[1:], strict=False))
    return Log("json" if is_json else "text")

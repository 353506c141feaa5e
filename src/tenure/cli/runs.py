"""The commands that run notebooks: run, score, backfill, audit, measure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from tenure.cli.options import (
    AsOfOption,
    DayOption,
    EngineOption,
    FailOnOption,
    LogOption,
    SourceArgument,
    TargetsOption,
    WaitOption,
    WorkspaceOption,
    names_in,
)
from tenure.cli.progress import progress_on
from tenure.core.errors import RunError
from tenure.core.logs import Log
from tenure.core.problems import at_least, problems_of, worst_first


def run(
    source: SourceArgument,
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
    wait: WaitOption = 0,
    log: LogOption = "text",
    engine: EngineOption = "duckdb",
    workspace: WorkspaceOption = "",
) -> None:
    """Run the whole flow: stage, features, train, score, report; then move the champions."""
    from tenure.core.workspace import Workspace
    from tenure.runs.beginning import look_before

    at_least((), fail_on)
    said = Log(log)
    said.say(
        "begin",
        f"tenure run {source}{' (quick: do not act on its numbers)' if quick else ''}",
        source=source,
        quick=quick,
    )
    look_before(f"tenure run {source}", source, workspace, as_of=as_of)
    from tenure.runs.run import run_flow

    with progress_on(said) as progress:
        result = run_flow(
            source,
            as_of=as_of,
            targets=names_in(targets),
            workspace=workspace,
            wait_minutes=wait,
            quick=quick,
            full=full,
            engine=engine,
            progress=progress,
        )
    document = result.run_json
    for table, rows in document["rows"].items():
        counts = f"{rows['read']:>10,} read {rows['staged']:>10,} staged {rows['rejected']:>9,} rejected"
        said.say("table", f"  {table:<20} {counts}{_broken(rows)}", table=table, **rows)
    if any(rows["rejected"] for rows in document["rows"].values()):
        kept = Workspace.locate(workspace or None).staged(source) / "rejected"
        said.say("rejected", f"  Rejected rows, each with its rule: {kept}", folder=kept)
    for name, target in document["targets"].items():
        said.say("target", f"  {name}: {_outcome(name, target)}", target=name, **target)
    if result.performed.reused:
        unchanged = "" if result.performed.executed else ": nothing has changed"
        said.say("reuse", f"Reused {', '.join(result.performed.reused)}{unchanged}.", steps=result.performed.reused)
    shown = f"Open {result.folder / 'index.html'}\nScores {result.folder / 'scored_customers.csv'}"
    said.say("end", shown, folder=result.folder, run_id=document["run_id"])
    conclude(said, document, fail_on)


def _broken(rows: dict[str, Any]) -> str:
    """Say by which rules rows were rejected, and which share they are where it is a warning."""
    if not rows["rules"]:
        return ""
    from tenure.sources.contract import TOLD_SHARE

    share = rows["rejected"] / max(rows["read"], 1)
    warning = f", a warning: {share:.1%}" if share > TOLD_SHARE else ""
    return f"{warning} ({', '.join(f'{count:,} {rule}' for rule, count in rows['rules'].items())})"


def _outcome(name: str, target: dict[str, Any]) -> str:
    metrics = target["metrics"]
    if not metrics:
        return f"{target['status']}: {target['reason'].removeprefix(f'{name}: ')}"
    why = f"; it {target['reason']}" if target["status"] == "blocked" else ""
    auc = f"AUC {metrics['auc']:.3f} ({metrics['auc_low']:.3f}-{metrics['auc_high']:.3f})"
    counts = f"{target['positives']:,} positive of {target['eligible']:,} eligible"
    words = target["baselines"]
    aucs = {words[name]: metrics[f"auc_{name}"] for name in words if f"auc_{name}" in metrics}
    baselines = ", ".join(f"{name} {'none' if auc is None else f'{auc:.3f}'}" for name, auc in aucs.items())
    return (
        f"{target['status']}, {auc} of the {words[target['taken']]}; {baselines}; "
        f"{counts} at {target['test_cutoff']}, {target['horizon_days']} days{why}"
    )


def score(
    source: SourceArgument,
    as_of: DayOption,
    targets: TargetsOption = "",
    allow_hindsight: Annotated[
        bool, typer.Option("--allow-hindsight", help="Score a day the champion has seen; the rows are marked.")
    ] = False,
    fail_on: FailOnOption = "",
    wait: WaitOption = 0,
    log: LogOption = "text",
    engine: EngineOption = "duckdb",
    workspace: WorkspaceOption = "",
) -> None:
    """Score with the champions, without training."""
    from tenure.runs.beginning import look_before

    at_least((), fail_on)
    said = Log(log)
    look_before(f"tenure score {source}", source, workspace, as_of=as_of)
    from tenure.runs.score import score_flow

    with progress_on(said) as progress:
        result = score_flow(
            source,
            as_of=as_of,
            targets=names_in(targets),
            workspace=workspace,
            wait_minutes=wait,
            allow_hindsight=allow_hindsight,
            engine=engine,
            progress=progress,
        )
    said.say("end", f"Scores {result.folder / 'scored_customers.csv'}", folder=result.folder)
    conclude(said, result.run_json, fail_on)


def backfill(
    source: SourceArgument,
    from_: Annotated[str, typer.Option("--from", help="First as-of, YYYY-MM-DD.")],
    to: Annotated[str, typer.Option("--to", help="Last as-of, YYYY-MM-DD.")],
    every: Annotated[str, typer.Option("--every", help="Days, weeks or months between, as in 1month.")] = "1month",
    targets: TargetsOption = "",
    quick: Annotated[bool, typer.Option("--quick", help="Few trees and a sample.")] = False,
    wait: WaitOption = 0,
    log: LogOption = "text",
    workspace: WorkspaceOption = "",
) -> None:
    """Run past days as they would have been then; today's champions are not touched."""
    from tenure.runs.backfill import backfill_flow

    said = Log(log)
    with progress_on(said) as progress:
        rows = backfill_flow(
            source,
            first=from_,
            last=to,
            every=every,
            targets=names_in(targets),
            quick=quick,
            workspace=workspace,
            wait_minutes=wait,
            progress=progress,
        )
    for row in rows:
        auc = f"AUC {row.auc:.3f}" if row.auc is not None else row.reason
        version = f"v{row.version}" if row.version else "-"
        ran = "reused" if row.was_reused else "ran"
        shown = f"{row.as_of}  {row.target:<8} {row.status:<8} {version:<5} {ran:<7} {auc}"
        said.say("backfilled", shown, **asdict(row))


def audit(
    source: SourceArgument,
    as_of: AsOfOption = "",
    targets: TargetsOption = "",
    quick: Annotated[bool, typer.Option("--quick", help="Few trees and a sample.")] = False,
    wait: WaitOption = 0,
    log: LogOption = "text",
    workspace: WorkspaceOption = "",
) -> None:
    """Look for leakage in everything: exit 1 on an error."""
    from tenure.runs.beginning import look_before

    said = Log(log)
    look_before(f"tenure audit {source}", source, workspace, as_of=as_of)
    from tenure.runs.audit import audit_flow

    with progress_on(said) as progress:
        folder, errors = audit_flow(
            source,
            as_of=as_of,
            targets=names_in(targets),
            workspace=workspace,
            wait_minutes=wait,
            quick=quick,
            progress=progress,
        )
    for error in errors:
        said.say("error", f"  error: {error}", text=error)
    shown = f"{len(errors) or 'No'} error{'' if len(errors) == 1 else 's'}. Open {folder / 'audit.html'}"
    said.say("end", shown, folder=folder, errors=len(errors))
    if errors:
        raise typer.Exit(1)


def measure(
    source: SourceArgument,
    as_of: AsOfOption = "",
    wait: WaitOption = 0,
    log: LogOption = "text",
    workspace: WorkspaceOption = "",
) -> None:
    """Say what each campaign changed and brought, against those held out of it at random."""
    from tenure.runs.beginning import look_before

    said = Log(log)
    look_before(f"tenure measure {source}", source, workspace, as_of=as_of)
    from tenure.runs.measure import measure_flow

    with progress_on(said) as progress:
        folder, results = measure_flow(source, as_of=as_of, workspace=workspace, wait_minutes=wait, progress=progress)
    for result in results:
        said.say("campaign", f"  {result['about']}: {result['text']}", result=result)
    shown = f"Open {folder / 'campaigns.html'}" if results else f"{source}: no campaign in its contacts."
    said.say("end", shown, folder=folder)


def conclude(log: Log, document: dict[str, Any], fail_on: str) -> None:
    """Say the problems last; exit 1 at one of the level asked or worse, or where a target due to be scored was not."""
    problems = worst_first(problems_of(document))
    for problem in problems:
        # The former name of the level stays for one more version.
        log.say("problem", f"  {problem}", to_errors=True, **asdict(problem), severity=problem.level)
    if document.get("errors"):
        not_scored = "\n  - ".join(document["errors"])
        raise RunError(f"results are written, but not of every target:\n  - {not_scored}")
    if failing := at_least(problems, fail_on):
        raise RunError(
            f"{len(failing)} problem(s) of level {fail_on} or worse. Results are written; look at review.html."
        )

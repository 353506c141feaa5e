"""The commands of decisions: decide, and what people approve or reject."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from tenure.cli.options import AsOfOption, LogOption, SourceArgument, WaitOption, WhyOption, WorkspaceOption
from tenure.cli.progress import progress_on
from tenure.core.errors import UsageError
from tenure.core.logs import Log

decisions = typer.Typer(no_args_is_help=True, help="What people decide: list what waits, approve or reject it.")
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids of decisions; or --csv, or --all.")]
CsvOption = Annotated[str, typer.Option("--csv", help="A queue.csv whose column 'decision' says approve or reject.")]
AllOption = Annotated[bool, typer.Option("--all", help="All that wait.")]


def decide(
    source: SourceArgument,
    as_of: AsOfOption = "",
    since: Annotated[str, typer.Option("--since", help="last: only on what has arrived since the last decision.")] = "",
    wait: WaitOption = 0,
    log: LogOption = "text",
    workspace: WorkspaceOption = "",
) -> None:
    """Decide what to do for whom, on the day's scores; write a file per channel and a queue for people."""
    from tenure.runs.beginning import look_before
    from tenure.runs.decide import decide_flow

    if since not in ("", "last"):
        raise UsageError(f"--since {since}: expected last, or leave it out.")
    said = Log(log)
    look_before(f"tenure decide {source}", source, workspace, as_of=as_of)
    with progress_on(said) as progress:
        result = decide_flow(
            source, as_of=as_of, since_last=bool(since), workspace=workspace, wait_minutes=wait, progress=progress
        )
    said.say("end", f"Open {result.folder / 'decisions.html'}", folder=result.folder)


@decisions.command("list")
def list_(
    source: SourceArgument,
    as_of: AsOfOption = "",
    every: Annotated[bool, typer.Option("--all", help="What was decided already, too.")] = False,
    workspace: WorkspaceOption = "",
) -> None:
    """List what waits for a person."""
    from tenure.steps.approve import listed

    rows = listed(source, as_of=as_of, workspace=workspace, every=every).to_dict("records")
    typer.echo(
        f"{'decision':<21} {'status':<9} {'customer':<16} {'what':<32} {'expected':>9}  answer until"
        if rows
        else "Nothing waits for a person."
    )
    for row in rows:
        typer.echo(_line(row))


def _line(row: dict[str, Any]) -> str:
    what = f"{row['action']} by {row['channel']}"
    return f"{row['decision_id']}  {row['status']:<9} {row['customer_id']:<16} {what:<32} {row['expected_value']:>9.2f}  {row['send_until']:%Y-%m-%d}"


def _answering(word: str, meaning: str) -> None:
    """Add a command that answers proposals with a word."""

    def command(
        source: SourceArgument,
        ids: IdsArgument = None,
        csv: CsvOption = "",
        every: AllOption = False,
        why: WhyOption = "",
        as_of: AsOfOption = "",
        workspace: WorkspaceOption = "",
    ) -> None:
        from tenure.steps.approve import answer

        by = getpass.getuser()
        came = answer(source, word, ids or (), csv=csv, every=every, why=why, by=by, as_of=as_of, workspace=workspace)
        typer.echo(came.summary)
        typer.echo(f"Open {came.folder / 'decisions.html'}")

    decisions.command(word, help=meaning)(command)


_answering(
    "approve", "Approve proposals, then draw: most are sent, a few withheld by chance. With --csv, as its column says."
)
_answering("reject", "Reject proposals: nothing is sent, and no effect is diluted by them.")

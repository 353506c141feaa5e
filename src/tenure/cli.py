"""The command line: which commands there are, and how an error is told."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from tenure.commands.champions import promote, rollback, status
from tenure.commands.identity import identity
from tenure.commands.looking import customer, explain, help_, schedule
from tenure.commands.people import export, forget
from tenure.commands.raw_data import demo, fetch, sources
from tenure.commands.runs import audit, backfill, run, score
from tenure.errors import TenureError
from tenure.logs import Log

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts sooner
    pretty_exceptions_enable=False,
    help="Which customers will churn, are ready for an upsell, or will lapse, and why.",
)
for command in (
    run, score, backfill, audit,
    explain, customer, schedule,
    sources, fetch, demo, export, forget,
    status, promote, rollback,
):  # fmt: skip
    app.command()(command)
app.command("help")(help_)
app.add_typer(identity, name="identity")


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

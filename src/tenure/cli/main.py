"""The command line: which commands there are, and how an error is reported."""

from __future__ import annotations

import shutil
import signal
import sys
from io import TextIOWrapper
from traceback import format_exc
from typing import Annotated

import typer

import tenure
from tenure.cli.champions import promote, rollback, status
from tenure.cli.check import check
from tenure.cli.decisions import decide, decisions
from tenure.cli.identity import identity
from tenure.cli.intake import draft
from tenure.cli.looking import customer, explain, help_, schedule
from tenure.cli.people import export, forget
from tenure.cli.raw_data import demo, fetch, schema, sources
from tenure.cli.runs import audit, backfill, measure, run, score
from tenure.core.errors import Stopped, TenureError, describe_unforeseen
from tenure.core.logs import Log
from tenure.core.plain_text import plain_lines
from tenure.core.secrets import without_secrets

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts sooner
    pretty_exceptions_enable=False,
    help="Which customers will churn, are ready for an upsell, or will lapse, and why. With --debug an error brings its trace.",
)
for command in (
    run, score, decide, measure, backfill, audit,
    explain, customer, schedule,
    sources, schema, fetch, draft, check, demo, export, forget,
    status, promote, rollback,
):  # fmt: skip
    app.command()(command)
app.command("help")(help_)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tenure {tenure.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.add_typer(identity, name="identity")
app.add_typer(decisions, name="decisions")


class _Plain(TextIOWrapper):
    """What is printed: texts of the data move no cursor and colour nothing."""

    def write(self, text: str) -> int:
        return super().write(plain_lines(text))


def main() -> None:
    """Run a command; an error a user may meet is one message and an exit code, the trace, too, with --debug."""
    # A name that is no text, or a terminal that knows no such letter, is still to be said.
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    if type(out := sys.stdout) is TextIOWrapper:  # the process's own, nobody's who captures it
        encoding, by_line = out.encoding, out.line_buffering
        sys.stdout = _Plain(out.detach(), encoding=encoding, errors="backslashreplace", line_buffering=by_line)
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _stop)
    try:
        app(standalone_mode=True)
    except Stopped as stopped:
        _log_asked_for().say(
            "stopped", f"tenure: {stopped}", to_errors=True, message=str(stopped), exit_code=stopped.exit_code
        )
        sys.exit(stopped.exit_code)
    except Exception as error:
        if debug:
            sys.stderr.write(plain_lines(without_secrets(format_exc())))
        what = _message_of(error)
        code = error.exit_code if isinstance(error, TenureError) else 1
        _log_asked_for().say("failed", f"tenure: {what}", to_errors=True, message=what, exit_code=code)
        _notify_failure(what)
        sys.exit(code)


def _stop(signum: int, frame: object) -> None:
    """End in good order; a second signal ends the process at once."""
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, signal.SIG_DFL)
    raise Stopped(signum)


def _message_of(error: Exception) -> str:
    """Say an error in one message."""
    if isinstance(error, TenureError):
        return str(error)
    if isinstance(error, OSError):
        # Of the system's own: a full disk, a folder that may not be written. Nothing half-written is visible.
        why = error.args[0][0][2] if isinstance(error, shutil.Error) else error  # of many files, the first
        return f"{why}. Nothing was replaced; mend it and run again."
    # Nobody foresaw it. A scheduler's owner still gets one message, with what to send to whoever mends it.
    return (
        f"an error that nobody foresaw: {describe_unforeseen(error)}. Nothing was replaced; the champion is as it was. Run it again with --debug, "
        "which shows where it happened, and report that."
    )


def _notify_failure(what: str) -> None:
    from tenure.runs.notify import notify

    try:
        notify(f"tenure {' '.join(sys.argv[1:3])} failed", what)
    except TenureError as error:
        _log_asked_for().say("not_notified", f"tenure: {error}", to_errors=True, message=str(error))


def _log_asked_for() -> Log:
    """Find the form of the log in the arguments: a wrong one is itself an error to be reported."""
    arguments = " ".join(sys.argv[1:]).replace("--log=", "--log ").split()
    is_json = any(pair == ("--log", "json") for pair in zip(arguments, arguments[1:], strict=False))
    return Log("json" if is_json else "text")

"""Options that more than one command takes."""

from __future__ import annotations

from typing import Annotated

import typer

from tenure.core.problems import LEVELS

SourceArgument = Annotated[
    str, typer.Argument(help="A folder of data/raw, or a bundled source; 'tenure sources' lists them.")
]
CustomerArgument = Annotated[str, typer.Argument(help="The customer_id, as the scored tables have it.")]
WorkspaceOption = Annotated[str, typer.Option("--workspace", help="Folder that holds data/, mlruns/ and reports/.")]
AsOfOption = Annotated[
    str, typer.Option("--as-of", help="First unknown day, YYYY-MM-DD; default: the day after the last fact.")
]
DayOption = Annotated[
    str, typer.Option("--as-of", help="First unknown day, YYYY-MM-DD: facts of the day before are the last.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="duckdb (embedded) or spark (TENURE_SPARK_REMOTE, TENURE_SPARK_MASTER).")
]
TargetsOption = Annotated[str, typer.Option("--targets", help="Comma-separated, as in churn,lapse; default: all.")]
FailOnOption = Annotated[
    str,
    typer.Option(
        "--fail-on", help=f"Exit 1 on a problem of the level {' or '.join(LEVELS)}, or worse; default: never."
    ),
]
WaitOption = Annotated[
    int,
    typer.Option("--wait", min=0, help="Minutes to wait for another writer of the source; default: fail at once."),
]
LogOption = Annotated[str, typer.Option("--log", help="text, or json: one JSON object per line.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept with what was decided.")]


def names_in(text: str) -> list[str]:
    """List the names of a comma-separated text."""
    return [name.strip() for name in text.split(",") if name.strip()]

"""``tenure identity``: who is whom across systems, and a human's decisions about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from tenure.cli.options import CustomerArgument, SourceArgument, WhyOption, WorkspaceOption

if TYPE_CHECKING:
    from tenure.core.workspace import Workspace
    from tenure.identity.events import Event, Ledger
    from tenure.sources.source import Source

KeptArgument = Annotated[str, typer.Argument(help="The customer whose name the person keeps.")]
MovedArgument = Annotated[str, typer.Argument(help="The customer who is the same person.")]
identity = typer.Typer(no_args_is_help=True, help="Who is whom across systems: match, review, merge, split.")


@identity.command("match")
def match_records(source: SourceArgument, workspace: WorkspaceOption = "") -> None:
    """Find the persons of the records that are new since the last time."""
    from tenure.core.lock import sole_writer
    from tenure.identity.resolve import resolve
    from tenure.sources.ingest import stage_source

    located, read, _ = _open(source, workspace)
    with sole_writer(located, source, f"tenure identity match {source}"):
        result = resolve(located, stage_source(located, read))
    for note in result.notes:
        typer.echo(f"  {note}")
    typer.echo(
        f"{result.new:,} of {result.records:,} records were new: {result.joined:,} customers joined a person, {result.to_review:,} pairs to review."
    )


@identity.command()
def review(source: SourceArgument, limit: int = 20, workspace: WorkspaceOption = "") -> None:
    """List the pairs nobody has decided, the most probable first; decide with merge or split."""
    from tenure.identity.reviews import Reviews

    located, _, _ = _open(source, workspace)
    waiting = Reviews(located.identity_events(source)).open()
    for pair in waiting[:limit]:
        typer.echo(f"{pair.probability:6.1%}  {pair.left}  {pair.right}  {pair.reason}")
    typer.echo(f"{len(waiting):,} pairs wait. 'tenure identity merge {source} LEFT RIGHT' makes two one person.")


@identity.command()
def merge(
    source: SourceArgument,
    kept: KeptArgument,
    moved: MovedArgument,
    why: WhyOption = "",
    workspace: WorkspaceOption = "",
) -> None:
    """Make two customers one person, named as the first."""
    from tenure.core.lock import sole_writer
    from tenure.identity import decisions
    from tenure.sources.ingest import stage_source

    located, read, ledger = _open(source, workspace)
    with sole_writer(located, source, f"tenure identity merge {source}"):
        decisions.check_known(stage_source(located, read), [kept, moved])
        _say(decisions.merge(ledger, kept, moved, why=why, now=_now(read)))


@identity.command()
def split(
    source: SourceArgument, customer: CustomerArgument, why: WhyOption = "", workspace: WorkspaceOption = ""
) -> None:
    """Part a customer from the others of their person."""
    from tenure.core.lock import sole_writer
    from tenure.identity import decisions

    located, read, ledger = _open(source, workspace)
    with sole_writer(located, source, f"tenure identity split {source}"):
        _say(decisions.split(ledger, customer, why=why, now=_now(read)))


@identity.command()
def show(source: SourceArgument, customer: CustomerArgument, workspace: WorkspaceOption = "") -> None:
    """Tell the history of a customer's person: every event, its time and cause."""
    from tenure.identity import decisions
    from tenure.sources.ingest import stage_source

    located, read, ledger = _open(source, workspace)
    if not any(customer in (event.customer_id, event.unified_id) for event in ledger.events):
        decisions.check_known(stage_source(located, read), [customer])
    person = ledger.mapping().get(customer, customer)
    typer.echo(f"{customer} is {person}" if customer != person else f"{customer} is the person's own id")
    _say([event for event in ledger.events if {event.customer_id, event.unified_id} & {customer, person}])


def _open(source: str, workspace: str) -> tuple[Workspace, Source, Ledger]:
    from tenure.core.workspace import Workspace
    from tenure.identity.events import Ledger
    from tenure.sources.source import read_source

    located = Workspace.locate(workspace or None)
    return located, read_source(located, source), Ledger(located.identity_events(source))


def _now(source: Source) -> datetime:
    """Tell the time of the business, as facts do."""
    return datetime.now(ZoneInfo(source.timezone)).replace(tzinfo=None)


def _say(events: list[Event]) -> None:
    for event in events:
        person = event.unified_id if event.unified_id != event.customer_id else "their own id"
        typer.echo(f"{event.known_at:%Y-%m-%d %H:%M}  {event.kind:<6}  {event.customer_id} -> {person}  {event.cause}")

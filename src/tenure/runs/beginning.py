"""What comes before a run's slow parts: a look at the mapping, and where failures are noted. It imports little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tenure.core.errors import AsOfError, TenureError, UsageError, describe_unforeseen
from tenure.core.lock import Holder
from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.scoring.review.failures import note_failure
from tenure.sources.first_look import look_first
from tenure.sources.ingest import current_staging
from tenure.sources.source import read_source

SCHEDULED = "scheduled"


def look_before(doing: str, source: str, workspace: str, *, as_of: str = "", run_kind: str = SCHEDULED) -> None:
    """Refuse a mapping that does not fit the raw files of a source, before a run of it imports and starts anything.

    Raises
    ------
    TenureError : as ``look_first``; an unknown source.
    """
    located = Workspace.locate(workspace or None)
    described = read_source(located, source)
    if as_of:
        parse_date(as_of)
    # While another writes, as when it brings files, the run waits or says so.
    if Holder.read(located.lock(source)) or not located.raw(source).is_dir():
        return
    with noting_failures(located, source, doing, run_kind, as_of):
        if current_staging(located, described) is None:
            look_first(located, described)


@contextmanager
def noting_failures(workspace: Workspace, source: str, doing: str, kind: str, as_of: str) -> Iterator[None]:
    """Note what made a scheduled run fail, for the diary of the next one that does not.

    Wrong usage is no run, but for an as-of that the data does not reach: whoever delivers it has stopped.
    """
    try:
        yield
    except Exception as error:
        if kind == SCHEDULED and (isinstance(error, AsOfError) or not isinstance(error, UsageError)):
            text = str(error) if isinstance(error, TenureError | OSError) else describe_unforeseen(error)
            # Where the disk is full the message itself is all there can be.
            with suppress(OSError):
                note_failure(workspace, source, as_of=as_of, doing=doing, text=text)
        raise

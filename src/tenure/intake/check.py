"""Checking a source: a sample of it is staged aside, and each target is asked of it. Nothing is trained or kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory

import psutil

from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.intake.check_tables import shared_customers, stage_aside
from tenure.intake.check_targets import ask_targets
from tenure.intake.checked import Checked
from tenure.sources.first_look import look_first
from tenure.sources.identities import Identities
from tenure.sources.inputs import Inputs
from tenure.sources.source import Source, read_source
from tenure.sources.staged_source import check_as_of
from tenure.targets.catalogue import targets_of


def check(source: str, *, as_of: str = "", workspace: str = "") -> Checked:
    """Stage a sample of a source aside and show what became of it, and of whom each target would be asked.

    Neither the lock nor anything that a run reads is touched: a run may work beside it.

    Raises
    ------
    TenureError : what a run would refuse as bad input, in the same words.
    """
    given = parse_date(as_of) if as_of else None
    located = Workspace.locate(workspace or None)
    described = read_source(located, source)
    targets_of(described)  # what is wrong with its targets is said before anything is staged
    look_first(located, described, at_small_files=False)  # all of a large file takes longer
    with _aside(located, described) as aside:
        identities = Identities(source, aside.identities(source), described.pseudonymise)
        inputs = Inputs.of(described, located.raw(source), identities)
        staged, tables, one_in = stage_aside(inputs, aside)
        day = check_as_of(staged, given)
        return Checked(
            source=source,
            as_of=day,
            one_in=one_in,
            tables=tables,
            shared=shared_customers(staged),
            targets=ask_targets(aside, staged, day, is_sample=one_in > 1),
            warnings=tuple(staged.warnings()),
        )


@contextmanager
def _aside(workspace: Workspace, source: Source) -> Iterator[Workspace]:
    """Give a workspace for a while, on the same disk, that names customers as this one does; leave nothing of it.

    Its folder is not the writer's kind of scratch, which a run that fails removes.
    """
    workspace.data.mkdir(parents=True, exist_ok=True)
    begins = f".check-{source.name}."
    for left in workspace.data.glob(f"{begins}*"):  # by a check that was killed
        if not psutil.pid_exists(int(left.name.removeprefix(begins).split(".")[0])):
            rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{begins}{getpid()}.", dir=workspace.data) as folder:
        aside = Workspace(Path(folder))
        aside.data.mkdir()
        if (names := workspace.identities(source.name)).is_dir():
            copytree(names, aside.identities(source.name))
        yield aside

"""What every step is given: one source at one as-of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from tenure.customers.catalogue import check_facet_settings
from tenure.engines.choice import DUCKDB, check_engine
from tenure.errors import NotEnoughDataError
from tenure.lock import sole_writer
from tenure.models.registry import Registry, model_name
from tenure.snapshots import Snapshots
from tenure.sources.ingest import stage_source
from tenure.sources.source import Source, read_source
from tenure.sources.staged_source import StagedSource, check_as_of
from tenure.targets.catalogue import find_target, targets_of
from tenure.targets.definition import Target
from tenure.time_windows import parse_date
from tenure.workspace import Workspace

Given = ParamSpec("Given")
Made = TypeVar("Made")

QUICK_DEMO_CUSTOMERS = 2_000
BACKFILL_ENDING = "-backfill"


@dataclass(frozen=True)
class Run:
    """One source at one as-of: where it reads, where it writes."""

    workspace: Workspace
    source: Source
    as_of_given: date | None
    output_given: Path | None
    quick: bool
    run_id: str
    run_kind: str = "manual"
    engine: str = DUCKDB

    @cached_property
    def staged(self) -> StagedSource:
        return stage_source(self.workspace, self.source)

    @cached_property
    def as_of(self) -> date:
        return check_as_of(self.staged, self.as_of_given)

    @cached_property
    def output(self) -> Path:
        return self.output_given or self.workspace.reports(self.source.name, self.as_of)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.workspace, self.staged, self.as_of, self.engine)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.workspace)

    def target(self, name: str) -> Target:
        """Return a target this source can answer.

        Raises
        ------
        UnknownNameError : nobody defined it. NotEnoughDataError : the source lacks its tables.
        """
        find_target(name)
        if name not in self.snapshots.targets:
            raise NotEnoughDataError(f"{name} on {self.source.name}: {self.snapshots.unavailable_targets[name]}.")
        return self.snapshots.targets[name]

    def model_name(self, target: str) -> str:
        """Name a target's registered model; a backfill keeps its own, so that nothing of today is touched."""
        return model_name(self.source.name, target) + (BACKFILL_ENDING if self.run_kind == "backfill" else "")

    def training_folder(self, target: str) -> Path:
        return self.output / "training" / target


def open_run(
    source: str,
    *,
    as_of: str = "",
    workspace: str = "",
    output: str = "",
    quick: bool = False,
    run_id: str = "",
    run_kind: str = "manual",
    engine: str = "",
) -> Run:
    """Open a source at an as-of; the demo company is generated where it is absent. Empty text means the default.

    Raises
    ------
    TenureError : an unknown source, engine or target of its TOML, a date that is none, no workspace, an output outside it.
    """
    located = Workspace.locate(workspace or None)
    if source == "demo":
        ensure_demo(located, customers=QUICK_DEMO_CUSTOMERS if quick else None)
    given = parse_date(as_of) if as_of else None
    described = read_source(located, source)
    check_facet_settings(described)
    targets_of(described)  # what is wrong with its targets is told before anything is staged
    return Run(
        located,
        described,
        given,
        located.inside(output, "output") if output else None,
        quick,
        run_id or uuid4().hex[:12],
        run_kind,
        check_engine(engine),
    )


def writes(step: Callable[Concatenate[Run, Given], Made]) -> Callable[Concatenate[Run, Given], Made]:
    """Let a step hold the source's lock while it works: a notebook run by hand writes beside nobody, and blocks nobody while it is only open."""

    @wraps(step)
    def alone(run: Run, *args: Given.args, **kwargs: Given.kwargs) -> Made:
        with sole_writer(run.workspace, run.source.name, f"{step.__name__} {run.source.name}"):
            return step(run, *args, **kwargs)

    return alone


def ensure_demo(workspace: Workspace, *, customers: int | None = None) -> None:
    """Generate the demo company where it is absent."""
    if not (workspace.raw("demo") / "customers.parquet").is_file():
        from tenure.demo import generate_demo

        sizes = {} if customers is None else {"customers": customers}
        with sole_writer(workspace, "demo", "generating demo"):
            generate_demo(workspace.raw("demo"), workspace.truth("demo"), **sizes)

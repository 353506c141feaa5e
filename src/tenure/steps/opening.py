"""What every step is given: one source at one as-of, of a run that stands on disk, or opened by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from tenure.core.errors import NotEnoughDataError, RunError, UsageError
from tenure.core.lock import sole_writer
from tenure.core.memory import memory_budget
from tenure.core.time_windows import parse_date
from tenure.core.workspace import Workspace
from tenure.customers.catalogue import check_attribute_settings
from tenure.decisions.document import check_policy
from tenure.models.registry.registry import Registry, model_name
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engine_choice import DUCKDB, check_engine
from tenure.sources.ingest import read_staging, stage_source
from tenure.sources.source import Source, read_source
from tenure.sources.staged_source import StagedSource, check_as_of
from tenure.steps.injected import check_injected
from tenure.steps.run_record import RUN_JSON, RunRecord, refresh_outputs
from tenure.targets.catalogue import find_target, targets_of
from tenure.targets.definition import Target

Given = ParamSpec("Given")
Made = TypeVar("Made")

QUICK_DEMO_CUSTOMERS = 2_000
BACKFILL_ENDING = "-backfill"
MANUAL, BACKFILL = "manual", "backfill"


@dataclass(frozen=True)
class Session:
    """One source at one as-of: where it reads and writes. ``record``: the run on disk; None where opened by hand."""

    workspace: Workspace
    source: Source
    as_of_given: date | None = None
    quick: bool = False
    engine: str = DUCKDB
    run_kind: str = MANUAL
    record: RunRecord | None = None
    memory: int = field(default_factory=memory_budget)
    run_id: str = field(default_factory=lambda: uuid4().hex[:12])
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def of(cls, workspace: Workspace, record: RunRecord) -> Session:
        """Open a run by its record, which says all of it.

        Raises
        ------
        RunError : the source's mapping changed since the run began.
        """
        found = record.document
        source = read_source(workspace, found["source"])
        if not record.is_sealed and source.meaning != found["mapping"]:
            raise RunError(
                f"{source.where} changed since run {found['run_id']} began. Expected it as it was; run again."
            )
        options = found["parameters"]
        return cls(
            workspace,
            source,
            parse_date(found["as_of"]) if found["as_of"] else None,
            options["quick"],
            options["engine"],
            found["run_kind"],
            record,
            found["memory"],
            found["run_id"],
            record.started_at,
        )

    def __repr__(self) -> str:
        day = f"as of {self.as_of_given}" if self.as_of_given else "as of its last day"
        return f"<Session {self.source.name} {day}{', quick' if self.quick else ''}, {self.run_kind} run {self.run_id}>"

    @property
    def recorded(self) -> RunRecord:
        """The record of a run that stands on disk.

        Raises
        ------
        RunError : it was opened by hand.
        """
        if self.record is None:
            raise RunError(
                f"{self.source.name} was opened by hand. Expected a run that 'tenure run' or 'tenure score' began."
            )
        return self.record

    @cached_property
    def staged(self) -> StagedSource:
        """The staged facts: those the run was begun on, else as the raw files are now."""
        if self.record and (staging := self.record.document["staging"]):
            return read_staging(self.workspace, self.source, staging)
        return stage_source(self.workspace, self.source, clock=self.started_at)

    @cached_property
    def as_of(self) -> date:
        return check_as_of(self.staged, self.as_of_given)

    @cached_property
    def output(self) -> Path:
        return self.record.folder if self.record else self.workspace.reports(self.source.name, self.as_of)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.workspace, self.staged, self.as_of, self.engine, self.memory)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.workspace, self.record.document["registry"] if self.record else None)

    def target(self, name: str) -> Target:
        """Return a target this source can answer.

        Raises
        ------
        UnknownNameError : nobody defined it. NotEnoughDataError : the source lacks its tables.
        """
        find_target(name, self.source)
        if name not in self.snapshots.targets:
            raise NotEnoughDataError(f"{name} on {self.source.name}: {self.snapshots.unavailable_targets[name]}.")
        return self.snapshots.targets[name]

    def model_name(self, target: str) -> str:
        """Name a target's registered model; a backfill keeps its own, so that nothing of today is touched."""
        return model_name(self.source.name, target) + (BACKFILL_ENDING if self.run_kind == BACKFILL else "")

    def training_folder(self, target: str) -> Path:
        return self.output / "training" / target

    @contextmanager
    def writing(self, step: str) -> Iterator[None]:
        """Hold the source's lock while a step writes: an open notebook blocks nobody until it writes.

        What a step run by hand leaves is noted in the record of its folder, which is begun where there is none.
        """
        with sole_writer(self.workspace, self.source.name, f"{step} {self.source.name}"):
            yield
            if self.record is None:
                self._note_by_hand(step)

    def _note_by_hand(self, step: str) -> None:
        folder = self.output
        has_record = (folder / RUN_JSON).is_file()
        record = RunRecord.open(folder) if has_record else RunRecord.begin(folder, self.facts("manual"))
        noted = {"step": step, "run_id": self.run_id, "started_at": self.started_at.isoformat(timespec="microseconds")}
        record.extend(by_hand=[*record.document.get("by_hand", []), noted])
        refresh_outputs(folder)

    def facts(self, kind: str, **parameters: Any) -> dict[str, Any]:
        """Give what the record of this run begins with."""
        return {
            "kind": kind,
            "run_kind": self.run_kind,
            "source": self.source.name,
            "as_of": str(self.as_of_given or ""),
            "staging": None,
            "parameters": {"quick": self.quick, "engine": self.engine, **parameters},
            "mapping": self.source.meaning,
            "memory": self.memory,
            "registry": self.registry.recorded,
        }


def writes(step: Callable[Concatenate[Session, Given], Made]) -> Callable[Concatenate[Session, Given], Made]:
    """Let a step write as ``Session.writing`` says."""

    @wraps(step)
    def alone(session: Session, *args: Given.args, **kwargs: Given.kwargs) -> Made:
        with session.writing(step.__name__):
            return step(session, *args, **kwargs)

    return alone  # type: ignore[return-value]  # functools describes it as a class of its own


def open_run(
    source: str, *, as_of: str = "", workspace: str = "", quick: bool = False, run: str = "", engine: str = ""
) -> Session:
    """Open a source at an as-of, or the run of that id; empty text means the default.

    The demo company is generated where it is absent.

    Raises
    ------
    TenureError : an unknown source, engine or target of its TOML, an invalid date, no workspace, no such run, or an
        unknown parameter of a notebook.
    """
    check_injected()
    located = Workspace.locate(workspace or None)
    if run:
        record = RunRecord.find(located, source, run)
        opened = Session.of(located, record)
        if record.is_sealed:  # nothing is added to it any more: what it opened is opened by hand
            opened = Session(
                located, opened.source, opened.as_of_given, opened.quick, opened.engine, memory=opened.memory
            )
        _check_same(opened, as_of=as_of, quick=quick, engine=engine)
        return opened
    if source == "demo":
        ensure_demo(located, customers=QUICK_DEMO_CUSTOMERS if quick else None)
    given = parse_date(as_of) if as_of else None
    described = read_source(located, source)
    check_attribute_settings(described)
    check_policy(described)
    targets_of(described)  # what is wrong with its targets is said before anything is staged
    return Session(located, described, given, quick, check_engine(engine))


def _check_same(opened: Session, *, as_of: str, quick: bool, engine: str) -> None:
    """Refuse parameters that contradict the run they name."""
    given = {"as_of": as_of, "quick": str(quick or ""), "engine": "" if engine == DUCKDB else engine}
    found = {"as_of": str(opened.as_of_given or ""), "quick": str(opened.quick), "engine": opened.engine}
    if wrong := [
        f"{name} = {value}, where it says {found[name]}"
        for name, value in given.items()
        if value and value != found[name]
    ]:
        raise UsageError(f"Run {opened.run_id}: {'; '.join(wrong)}. Leave these out, or leave 'run' empty.")


def ingest(session: Session) -> StagedSource:
    """Stage what changed of a source, then match its new records: the first step of every run.

    Raises
    ------
    DataContractError : raw data that does not hold what the mapping promises. LockedError : another process writes.
    """
    from tenure.identity.resolve import resolve
    from tenure.sources.contract import RECORDS

    with session.writing("ingest"):
        staged = session.staged
        if RECORDS in staged.tables:
            resolve(session.workspace, staged)
    return staged


def ensure_demo(workspace: Workspace, *, customers: int | None = None) -> None:
    """Generate the demo company where it is absent."""
    if not (workspace.raw("demo") / "customers.parquet").is_file():
        from tenure.demo import generate_demo

        sizes: dict[str, Any] = {} if customers is None else {"customers": customers}
        with sole_writer(workspace, "demo", "generating demo"):
            generate_demo(workspace.raw("demo"), workspace.truth("demo"), **sizes)

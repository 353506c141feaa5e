"""The flows: which notebooks run, in which order, and what becomes visible, whole, at their end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree, rmtree
from threading import Event
from typing import Any, Literal

from tenure.errors import NotEnoughDataError, TenureError, UsageError, describe_unforeseen
from tenure.graph import Marks, Step
from tenure.identity.events import identity_digest
from tenure.identity.resolve import resolve
from tenure.lock import sole_writer
from tenure.memory import engine_memory
from tenure.models.scorecard import WALK_CUTOFFS
from tenure.notebooks import execute
from tenure.privacy.retention import apply_retention
from tenure.reporting.record import TrainingRecord
from tenure.review.failures import note_failure
from tenure.run_document import RUN_JSON, Performed, StepTiming, read_document, write_document
from tenure.sources.raw_files import fingerprint_file
from tenure.sources.source import read_source
from tenure.steps.opening import Run, open_run
from tenure.steps.results import saved_records
from tenure.steps.review import ledger_state
from tenure.steps.score import run_versions, with_those_scored
from tenure.targets.catalogue import all_targets, find_target
from tenure.workspace import Workspace, replaced_folder, swap_folder

# Two kernels that start in the same instant may choose the same port.
KERNEL_START_SECONDS = 1.0
# What a training takes beside what the engine may hold.
TRAINING_BYTES = 1 << 30
BEGUN_FROM = "begun_from"
RECORDS = "records"


@dataclass(frozen=True)
class StepEvent:
    """What a run says while it works; ``seconds`` once a step is done or has failed. A *day* is an as-of that a backfill comes to; *expired* tells of retention."""

    step: str
    what: Literal["started", "done", "failed", "reused", "day", "expired"]
    seconds: float = 0.0


Progress = Callable[[StepEvent], None]


def say_nothing(event: StepEvent) -> None:
    """Let a run work in silence."""


@dataclass
class RunResult:
    """What a run came to; ``run_json`` is the document it committed."""

    folder: Path
    run_json: dict[str, Any]
    performed: Performed = field(default_factory=Performed)


def run_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    full: bool = False,
    engine: str = "",
    progress: Progress = say_nothing,
) -> RunResult:
    """Run what is missing or changed of the whole flow, then move the champions. ``full`` adds the whole audit and the longer walk.

    ``engine`` (duckdb, spark) builds the snapshots.

    Raises
    ------
    TenureError : with one message; the champion and earlier reports are as they were, finished steps are kept.
    NotEnoughDataError : every target was refused.
    """
    _check_targets(targets)
    doing = f"tenure run {source}"
    options: dict[str, Any] = {"as_of": as_of, "workspace": workspace, "quick": quick, "engine": engine}
    with writing(source, doing, progress=progress, **options) as run:
        result = build(run, run.workspace.reports(source, run.as_of), targets, progress, full=full)
        promote(run, result)
    return result


@contextmanager
def writing(
    source: str, doing: str, *, workspace: str = "", progress: Progress = say_nothing, **options: Any
) -> Iterator[Run]:
    """Open a source as its only writer, staged, its new records matched, with what a killed writer left cleaned up.

    Raises
    ------
    LockedError : another process writes to it. TenureError : it cannot be opened.
    """
    located = Workspace.locate(workspace or None)
    read_source(located, source)  # an unknown source leaves no lock behind
    kind, asked = options.get("run_kind", "scheduled"), options.get("as_of", "")
    with sole_writer(located, source, doing) as was_killed, _noting_failures(located, source, doing, kind, asked):
        started = time.monotonic()
        run = open_run(source, workspace=str(located.root), run_kind=options.pop("run_kind", "scheduled"), **options)
        run.registry.check()
        if was_killed:
            run.registry.end_interrupted(source)
        if expired := apply_retention(located, run.source):
            progress(StepEvent(expired, "expired"))
        progress(StepEvent("stage", "started"))
        what: Literal["done", "reused"] = "reused" if run.staged.reused else "done"
        progress(StepEvent("stage", what, round(time.monotonic() - started, 2)))
        if RECORDS in run.staged.tables:
            started = time.monotonic()
            progress(StepEvent("identity", "started"))
            resolve(located, run.staged)
            progress(StepEvent("identity", "done", round(time.monotonic() - started, 2)))
        yield run


@contextmanager
def _noting_failures(workspace: Workspace, source: str, doing: str, kind: str, as_of: str) -> Iterator[None]:
    """Note what made a scheduled run fail, for the diary of the next one that does not. Wrong usage is no run."""
    try:
        yield
    except Exception as error:
        if kind == "scheduled" and not isinstance(error, UsageError):
            text = str(error) if isinstance(error, TenureError | OSError) else describe_unforeseen(error)
            # Where the disk is full the message itself is all there can be.
            with suppress(OSError):
                note_failure(workspace, source, as_of=as_of, doing=doing, text=text)
        raise


def build(run: Run, final: Path, targets: Sequence[str], progress: Progress, *, full: bool = False) -> RunResult:
    """Run the steps that are missing or changed in a folder beside ``final``, then put it in its place, whole.

    A run that fails leaves that folder: the next one takes up where it ended.
    """
    folder = _begin(final)
    building = _writing_to(run, folder)
    asked = _asked_targets(building, targets, folder)
    work = Work(building, folder, progress, {"run_kind": run.run_kind})
    _run_steps(work, asked, full=full)
    _check_any_target(run.source.name, [record for record in saved_records(building) if record.target in asked])
    if not work.performed.executed and (document := read_document(final)):
        rmtree(folder)
        return RunResult(final, document, work.performed)
    _attach_notebooks(building, folder, work.performed)
    document = write_document(building, folder, work.performed, kind="run", asked=asked)
    (folder / BEGUN_FROM).unlink()
    swap_folder(folder, final)
    for other in final.parent.glob(".*.building"):
        rmtree(other, ignore_errors=True)
    return RunResult(final, document, work.performed)


@dataclass
class Work:
    """The steps of one run in one folder: performed, or found done."""

    run: Run
    folder: Path
    progress: Progress
    common: dict[str, Any]
    performed: Performed = field(default_factory=Performed)

    @property
    def marks(self) -> Marks:
        run = self.run
        persons = identity_digest(run.staged.identity_events, run.as_of)
        return Marks(self.folder, run.staged.fingerprint + persons, str(run.as_of), str(run.quick), run.run_kind)

    def perform(self, step: Step) -> None:
        """Execute a step's notebook, unless its mark says that nothing it is made from has changed."""
        if self.marks.is_current(step):
            self.performed.reused.append(step.name)
            self.progress(StepEvent(step.name, "reused"))
            return
        self.marks.forget(step)
        state, started = step.state(), time.monotonic()
        self.progress(StepEvent(step.name, "started"))
        run = self.run
        common = {
            "source": run.source.name, "as_of": str(run.as_of), "workspace": str(run.workspace.root), "output": str(self.folder),
            "quick": run.quick, "run_id": run.run_id,
        }  # fmt: skip
        parameters = common | self.common | dict(step.parameters)
        try:
            execute(step.notebook, parameters, self.folder / step.executed, run.workspace.root)
        except TenureError:
            # Said at once: steps beside it may work on for long.
            self.progress(StepEvent(step.name, "failed", round(time.monotonic() - started, 2)))
            raise
        seconds = round(time.monotonic() - started, 2)
        self.marks.set(step, state, seconds=seconds, run_id=run.run_id)
        self.performed.executed.append(StepTiming(step.name, seconds))
        self.progress(StepEvent(step.name, "done", seconds))


def _begin(final: Path) -> Path:
    """Give the folder a run builds in: what an unfinished run left, if nothing was committed since; else a copy of ``final``."""
    folder = final.parent / f".{final.name}.building"
    base = fingerprint_file(final / RUN_JSON) if (final / RUN_JSON).is_file() else ""
    begun = folder / BEGUN_FROM
    if begun.is_file() and begun.read_text(encoding="utf-8") == base:
        return folder
    rmtree(folder, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir():
        copytree(final, folder)
    folder.mkdir(exist_ok=True)
    (folder / RUN_JSON).unlink(missing_ok=True)
    begun.write_text(base, encoding="utf-8")
    return folder


def _writing_to(run: Run, folder: Path) -> Run:
    """Return the same run with another output folder."""
    return open_run(
        run.source.name, as_of=str(run.as_of), workspace=str(run.workspace.root), output=str(folder), quick=run.quick,
        run_id=run.run_id, run_kind=run.run_kind, engine=run.engine,
    )  # fmt: skip


def _asked_targets(run: Run, targets: Sequence[str], folder: Path) -> list[str]:
    """Targets to train: those named, else every one. What others left in the folder stays; what the source cannot answer is recorded as refused."""
    asked = list(targets) or list(all_targets())
    for record in saved_records(run):
        if record.is_quick != run.quick and record.target not in asked:
            _forget_target(record.target, folder)
    for name in asked:
        if name in run.snapshots.unavailable_targets:
            reason = f"{name} on {run.source.name}: {run.snapshots.unavailable_targets[name]}."
            TrainingRecord(name, "refused", reason, is_quick=run.quick).save(run.training_folder(name))
    return asked


def _forget_target(target: str, folder: Path) -> None:
    """Remove a quick training from a full run's folder, and the reverse: they are not to be read side by side."""
    rmtree(folder / "training" / target, ignore_errors=True)
    for path in (
        f"steps/03_train_{target}.json",
        f"notebooks/03_train_{target}.ipynb",
        f"{target}.html",
        f"{target}.csv",
    ):
        (folder / path).unlink(missing_ok=True)


def _run_steps(work: Work, asked: Sequence[str], *, full: bool) -> None:
    run = work.run
    able = [name for name in asked if name in run.snapshots.targets]
    features = Step("02_features", "02_features", parameters={"targets": ",".join(asked), "engine": run.engine})
    _side_by_side(work, [Step("01_ingest", "01_ingest"), features])
    _side_by_side(work, [_training(run, name, full=full) for name in able])
    trained = tuple(f"03_train_{record.target}" for record in saved_records(run))
    if full:
        work.perform(Step("07_audit", "07_audit", ("audit.*",), {"targets": ",".join(able)}))
    scoring = Step(
        "04_score", "04_score", SCORE_OUTPUTS, {"versions": "from_run", "engine": run.engine}, trained,
        lambda: json.dumps(run_versions(run)),
    )  # fmt: skip
    work.perform(scoring)
    _tell(work, trained)


def _side_by_side(work: Work, steps: Iterable[Step]) -> None:
    """Perform steps that need nothing of each other. Each keeps to one core; their kernels start one after the other.

    Where one fails those under way end, and are kept; no other begins.
    """
    one_failed = Event()

    def perform(step: Step) -> None:
        if one_failed.is_set():
            return
        try:
            work.perform(step)
        except BaseException:
            one_failed.set()
            raise

    with ThreadPoolExecutor(max_workers=steps_at_once()) as pool:
        started = []
        for step in steps:
            started.append(pool.submit(perform, step))
            wait(started[-1:], timeout=KERNEL_START_SECONDS)
        for performed in started:
            performed.result()


SCORE_OUTPUTS = ("*.csv", "*.parquet", "models/*/*")


def _tell(work: Work, trained: tuple[str, ...]) -> None:
    """Write the pages of what was trained and scored, and the review."""
    run = work.run
    if trained:
        pages = ("customers.html", "value.html", *(f"{name}.html" for name in all_targets()))
        work.perform(Step("05_report", "05_report", pages, after=("04_score", *trained)))
    work.perform(
        Step(
            "06_review", "06_review", ("review.*", "index.html"), after=("04_score", "05_report", "07_audit"),
            state=lambda: ledger_state(run),
        )
    )  # fmt: skip


def _training(run: Run, target: str, *, full: bool) -> Step:
    """A training depends on the champion it is compared with; that its own version became champion is no change."""

    def state() -> str:
        return _champion_state(run, target)

    def settles_as() -> str:
        record = TrainingRecord.load(run.training_folder(target))
        return f"champion {record.version}" if record.status == "trained" else state()

    longer = {"walk_cutoffs": WALK_CUTOFFS} if full else {}
    outputs = (f"training/{target}/*", f"training/{target}/figures/*")
    return Step(f"03_train_{target}", "03_train", outputs, {"target": target} | longer, (), state, settles_as)


def _champion_state(run: Run, target: str) -> str:
    name = run.model_name(target)
    versions = run.registry.versions(name)
    made = next((record.version for record in saved_records(run) if record.target == target), "")
    if made and made not in {row["version"] for row in versions}:
        return "its version is gone"
    return f"champion {run.registry.champion(name)}"


def steps_at_once() -> int:
    """Say how many steps fit side by side: into the cores, and into the memory that is free now."""
    import psutil

    return max(1, min(3, os.cpu_count() or 1, psutil.virtual_memory().available // (engine_memory() + TRAINING_BYTES)))


def _check_any_target(source: str, found: Sequence[TrainingRecord]) -> None:
    if all(record.status == "refused" for record in found):
        reasons = "\n  - ".join(record.reason for record in found)
        raise NotEnoughDataError(f"{source}: every target was refused:\n  - {reasons}")


def _attach_notebooks(run: Run, folder: Path, performed: Performed) -> None:
    """Attach each newly executed training notebook to its MLflow run: it exists only now."""
    executed = {timing.name for timing in performed.executed}
    for record in saved_records(run):
        step = f"03_train_{record.target}"
        if record.run_id and step in executed:
            run.registry.attach(record.run_id, folder / "notebooks" / f"{step}.ipynb")


def promote(run: Run, result: RunResult) -> None:
    """Make the versions that passed champions, one by one: the last act. What was rolled back since stays so on a mere repeat."""
    for name in result.run_json["parameters"]["targets"]:
        target = result.run_json["targets"].get(name)
        if target is None or not target["promoted"]:
            continue
        registered, version = run.model_name(name), target["model_version"]
        is_repeat = f"03_train_{name}" in result.performed.reused
        if not (is_repeat and run.registry.was_promoted(registered, version)):
            run.registry.promote(registered, version)


def score_flow(
    source: str,
    *,
    as_of: str,
    targets: Sequence[str] = (),
    workspace: str = "",
    allow_hindsight: bool = False,
    engine: str = "",
    progress: Progress = say_nothing,
) -> RunResult:
    """Score with the champions, no training; the as-of's folder is replaced whole, what else it held stays.

    Targets that were scored there and are not asked for are scored again too.

    Raises
    ------
    TenureError : no champion, an unknown target, an as-of the champions have seen.
    """
    _check_targets(targets)
    doing = f"tenure score {source}"
    with writing(source, doing, as_of=as_of, workspace=workspace, engine=engine, progress=progress) as run:
        with _added_to(run, progress) as work:
            asked = with_those_scored(run.output, targets)
            parameters = {"targets": ",".join(asked), "allow_hindsight": allow_hindsight, "engine": run.engine}
            work.perform(Step("04_score", "04_score", SCORE_OUTPUTS, parameters, state=lambda: _champions_state(run)))
            _tell(work, tuple(f"03_train_{record.target}" for record in saved_records(work.run)))
            document = write_document(work.run, work.folder, work.performed, kind="score", asked=targets)
        return RunResult(run.output, document, work.performed)


def _champions_state(run: Run) -> str:
    return json.dumps({name: run.registry.champion(run.model_name(name)) for name in run.snapshots.targets})


def audit_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    progress: Progress = say_nothing,
) -> tuple[Path, list[str]]:
    """Run the whole audit; return the folder written and the alarms, one line each.

    Raises
    ------
    TenureError : an unknown source or target, an as-of outside the data.
    """
    _check_targets(targets)
    doing = f"tenure audit {source}"
    with writing(source, doing, as_of=as_of, workspace=workspace, quick=quick, progress=progress) as run:
        with _added_to(run, progress) as work:
            work.perform(Step("07_audit", "07_audit", ("audit.*",), {"targets": ",".join(targets)}))
            write_document(work.run, work.folder, work.performed, kind="audit", asked=targets)
        alarms = json.loads((run.output / "audit.json").read_text(encoding="utf-8"))["alarms"]
    return run.output, list(alarms)


@contextmanager
def _added_to(run: Run, progress: Progress) -> Iterator[Work]:
    """Work on a copy of the as-of's folder, which takes its place when the block ends well."""
    with replaced_folder(run.output) as fresh:
        if run.output.is_dir():
            copytree(run.output, fresh, dirs_exist_ok=True)
        yield Work(_writing_to(run, fresh), fresh, progress, {"run_kind": run.run_kind})


def _check_targets(targets: Sequence[str]) -> None:
    for target in targets:
        find_target(target)


__all__ = ["RunResult", "StepEvent", "TenureError", "audit_flow", "run_flow", "score_flow"]

"""The whole flow: what is missing or changed is run, becomes visible whole, and then the champions move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, rmtree

from tenure.errors import NotEnoughDataError
from tenure.flows.progress import Progress, RunResult, say_nothing
from tenure.flows.steps_of_run import run_steps
from tenure.flows.work import Work, writing_to
from tenure.flows.writer import writing
from tenure.graph import MARKS
from tenure.reporting.record import TrainingRecord
from tenure.run_document import RUN_JSON, read_document
from tenure.sources.raw_files import fingerprint_file
from tenure.steps.opening import Run
from tenure.steps.results import saved_records
from tenure.targets.catalogue import all_targets, check_targets
from tenure.workspace import swap_folder

# Among the marks: no output of a run, and no harm once its folder is in its place.
BEGUN_FROM = f"{MARKS}/begun_from"


def run_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    full: bool = False,
    engine: str = "",
    wait_minutes: float = 0.0,
    progress: Progress = say_nothing,
) -> RunResult:
    """Run what is missing or changed of the whole flow, then move the champions. ``full`` adds the whole audit and the longer walk.

    ``engine`` (duckdb, spark) builds the snapshots.

    Raises
    ------
    TenureError : with one message; the champion and earlier reports are as they were, finished steps are kept.
    NotEnoughDataError : every target was refused.
    """
    check_targets(targets)
    doing = f"tenure run {source}"
    with writing(
        source, doing, as_of=as_of, workspace=workspace, wait_minutes=wait_minutes, quick=quick, engine=engine, progress=progress
    ) as run:  # fmt: skip
        result = build(run, run.workspace.reports(source, run.as_of), targets, progress, full=full)
        promote(run, result)
    return result


def build(run: Run, final: Path, targets: Sequence[str], progress: Progress, *, full: bool = False) -> RunResult:
    """Run the steps that are missing or changed in a folder beside ``final``, then put it in its place, whole.

    A run that fails leaves that folder: the next one takes up where it ended.
    """
    folder = _begin(final)
    building = writing_to(run, folder)
    asked = _asked_targets(building, targets, folder)
    work = Work(building, folder, progress, {"run_kind": run.run_kind})
    run_steps(work, asked, full=full)
    _check_any_target(run.source.name, [record for record in saved_records(building) if record.target in asked])
    made = _made_since(folder, final)
    if not made and (document := read_document(final)):
        rmtree(folder)
        return RunResult(final, document, work.performed)
    _attach_notebooks(building, folder, made)
    document = work.finish("run", asked)
    swap_folder(folder, final)
    for other in final.parent.glob(".*.building"):
        rmtree(other, ignore_errors=True)
    return RunResult(final, document, work.performed)


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
    begun.parent.mkdir(parents=True, exist_ok=True)
    (folder / RUN_JSON).unlink(missing_ok=True)
    begun.write_text(base, encoding="utf-8")
    return folder


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


def _check_any_target(source: str, found: Sequence[TrainingRecord]) -> None:
    if all(record.status == "refused" for record in found):
        reasons = "\n  - ".join(record.reason for record in found)
        raise NotEnoughDataError(f"{source}: every target was refused:\n  - {reasons}")


def _made_since(folder: Path, final: Path) -> set[str]:
    """Name the steps done since ``final`` was put there: by this run, or by one that was killed before its folder was."""
    there = {path.name: path.read_bytes() for path in (final / MARKS).glob("*.json")}
    return {path.stem for path in (folder / MARKS).glob("*.json") if path.read_bytes() != there.get(path.name)}


def _attach_notebooks(run: Run, folder: Path, made: set[str]) -> None:
    """Attach each newly executed training notebook to its MLflow run: it exists only now."""
    for record in saved_records(run):
        step = f"03_train_{record.target}"
        if record.run_id and step in made:
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

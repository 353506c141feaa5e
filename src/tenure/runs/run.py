"""The whole flow: what is missing or changed is run, becomes visible whole, and then the champions move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree, rmtree

from tenure.core.atomic_files import swap_folder
from tenure.core.errors import NotEnoughDataError
from tenure.core.hashing import fingerprint_file
from tenure.models.registry.registry import effect_name
from tenure.reporting.record import TrainingRecord, refused
from tenure.runs.progress import Progress, RunResult, say_nothing
from tenure.runs.step_cache import Step
from tenure.runs.steps_of_run import (
    deciding_step,
    effects_step,
    features_step,
    has_campaigns,
    kpis_step,
    scoring_step,
    telling_steps,
    trained_steps,
    training_steps,
)
from tenure.runs.work import Work
from tenure.runs.writer import writing
from tenure.steps.decide import declares_actions
from tenure.steps.opening import Session
from tenure.steps.report import INDEX
from tenure.steps.results import saved_records, settled_effects
from tenure.steps.run_record import BUILDING, RUN_JSON, RunRecord, begun_from, former_steps, read_sealed
from tenure.targets.catalogue import all_targets, is_asked


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
    """Run what is missing or changed of the whole flow, then move the champions.

    ``full`` adds the whole audit and the longer walk. ``engine`` (duckdb, spark) builds the snapshots.

    Raises
    ------
    TenureError : with one message; the champion and earlier reports are as they were, finished steps are kept.
    NotEnoughDataError : every target was refused.
    """
    with writing(
        source, f"tenure run {source}", kind="run", as_of=as_of, workspace=workspace, quick=quick, engine=engine,
        wait_minutes=wait_minutes, progress=progress, targets=list(targets), full=full,
    ) as run:  # fmt: skip
        result = build(run, run.workspace.reports(source, run.as_of), targets, progress, full=full)
        promote(run, result)
    return result


def build(
    session: Session, final: Path, targets: Sequence[str], progress: Progress, *, full: bool = False
) -> RunResult:
    """Run the steps that are missing or changed in a folder beside ``final``, then put it in its place, whole.

    A run that fails leaves that folder: the next one takes up where it ended.
    """
    folder, base = _begin(final)
    work = Work.taking_up(
        session, folder, progress, output=str(final.relative_to(session.workspace.root)), begun_from=base
    )
    session = work.run
    asked = _asked_targets(session, targets)
    work.perform(features_step(session, asked))
    work.perform(*training_steps(session, asked, full=full))
    _check_any_target(session.source.name, [record for record in saved_records(session) if record.target in asked])
    if full:
        able = [name for name in asked if name in session.snapshots.targets]
        work.perform(Step("07_audit", "07_audit", ("audit.*",), {"targets": ",".join(able)}))
    trained = trained_steps(work)
    work.perform(scoring_step(session, trained))
    work.perform(*telling_steps(session, trained))
    learning = [effects_step(session)] if has_campaigns(session) else []
    work.perform(*learning, kpis_step(session))
    if declares_actions(session) and (session.output / "scored_customers.parquet").is_file():
        work.perform(deciding_step(session))
    made = _made_since(work, final)
    if not (made or work.restyled) and (final / INDEX).is_file() and (document := read_sealed(final)):
        rmtree(folder)
        return RunResult(final, document, work.performed)
    _attach_notebooks(session, folder, made)
    document = work.finish(asked)
    swap_folder(folder, final)
    for other in final.parent.glob(f".[0-9]*{BUILDING}"):
        rmtree(other, ignore_errors=True)
    return RunResult(final, document, work.performed)


def _begin(final: Path) -> tuple[Path, str]:
    """Give the folder a run builds in, and the fingerprint of the run it builds on.

    That is what an unfinished run left, if nothing was committed since; else a copy of ``final``.
    """
    folder = final.parent / f".{final.name}{BUILDING}"
    base = fingerprint_file(final / RUN_JSON) if (final / RUN_JSON).is_file() else ""
    if begun_from(folder) == base:
        return folder, base
    rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir():
        copytree(final, folder)
    else:
        folder.mkdir()
    return folder, base


def _asked_targets(session: Session, targets: Sequence[str]) -> list[str]:
    """Targets to train: those named, else every one that the source asks.

    What others left in the folder stays; what the source cannot answer is recorded as refused.
    """
    asked = list(targets) or [n for n, t in all_targets(session.source).items() if is_asked(t, session.source)]
    for record in saved_records(session):
        if record.is_quick != session.quick and record.target not in asked:
            _forget_target(session.recorded, record.target)
    for name in asked:
        if name in session.snapshots.unavailable_targets:
            reason = f"{name} on {session.source.name}: {session.snapshots.unavailable_targets[name]}."
            refused(name, reason, "unavailable", is_quick=session.quick).save(session.training_folder(name))
    return asked


def _forget_target(run: RunRecord, target: str) -> None:
    """Remove a quick training from a full run's folder, and the reverse: they are not to be read side by side."""
    rmtree(run.folder / "training" / target, ignore_errors=True)
    run.set_step(f"03_train_{target}", None)
    for path in (f"notebooks/03_train_{target}.ipynb", f"{target}.html", f"{target}.csv"):
        (run.folder / path).unlink(missing_ok=True)


def _check_any_target(source: str, found: Sequence[TrainingRecord]) -> None:
    if all(record.status == "refused" for record in found):
        reasons = "\n  - ".join(record.reason for record in found)
        raise NotEnoughDataError(f"{source}: every target was refused:\n  - {reasons}")


def _made_since(work: Work, final: Path) -> set[str]:
    """Name the steps done since ``final`` was put there: by this run, or by a killed one before it."""
    there = former_steps(final)
    return {name for name, mark in work.record.document["steps"].items() if mark != there.get(name)}


def _attach_notebooks(session: Session, folder: Path, made: set[str]) -> None:
    """Attach each newly executed training notebook to its MLflow run: it exists only now."""
    for record in saved_records(session):
        step = f"03_train_{record.target}"
        if record.model.run_id and step in made:
            session.registry.attach(record.model.run_id, folder / "notebooks" / f"{step}.ipynb")


def promote(session: Session, result: RunResult) -> None:
    """Make the versions that passed champions, one by one: the last act.

    What was rolled back since stays so on a mere repeat.
    """
    for name in result.run_json["parameters"]["targets"]:
        target = result.run_json["targets"].get(name)
        if target is None or not target["promoted"]:
            continue
        registered, version = session.model_name(name), target["model_version"]
        is_repeat = f"03_train_{name}" in result.performed.reused
        # Where nobody holds the alias, somebody deleted it: it is given again.
        if not (
            is_repeat and session.registry.was_promoted(registered, version) and session.registry.champion(registered)
        ):
            session.registry.promote(registered, version)
    if "11_effects" not in result.performed.reused:
        promote_effects(session, result.folder)


def promote_effects(session: Session, folder: Path) -> None:
    """Make the effect models that passed champions; one that the newest data no longer bear out is champion no more."""
    for action, (version, passed) in settled_effects(folder).items():
        name = effect_name(session.source.name, action)
        if passed:
            session.registry.promote(name, version)
        else:
            session.registry.point_champion(name, None)

"""The only file that imports Papermill: runs the notebooks in order, then moves the champions as the last act."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from importlib.resources import files
from pathlib import Path
from shutil import rmtree
from typing import Any

from tenure.errors import NotEnoughDataError, RunError, TenureError, UnknownNameError
from tenure.models.registry import model_name
from tenure.models.scorecard import WALK_CUTOFFS
from tenure.reporting.record import TrainingRecord
from tenure.sources.raw_files import fingerprint_file
from tenure.steps import Run, open_run, records
from tenure.targets.catalogue import all_targets, find_target
from tenure.workspace import replaced_folder

# Cells that print more than this would make an executed notebook too large to open.
KERNEL_TIMEOUT_SECONDS = 3600
PARALLEL_TRAININGS = min(2, os.cpu_count() or 1)
# Two kernels that start in the same instant may choose the same port.
KERNEL_START_SECONDS = 1.0
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class StepTiming:
    """One executed notebook."""

    name: str
    seconds: float


@dataclass
class RunResult:
    """What a run came to; ``run_json`` is the document it committed."""

    folder: Path
    run_json: dict[str, Any]
    timings: list[StepTiming] = field(default_factory=list)


def notebook_path(name: str) -> Path:
    """Find a notebook: in the checkout, or as the wheel carries it.

    Raises
    ------
    UnknownNameError : no such notebook.
    """
    package = Path(str(files("tenure")))
    for folder in (package / "notebooks", package.parents[1] / "notebooks"):
        if (folder / f"{name}.ipynb").is_file():
            return folder / f"{name}.ipynb"
    known = {
        path.stem
        for folder in (package / "notebooks", package.parents[1] / "notebooks")
        for path in folder.glob("*.ipynb")
    }
    raise UnknownNameError("Notebook", name, known)


def check_parameters(name: str, parameters: dict[str, Any]) -> None:
    """Refuse parameters that the notebook does not have: Papermill itself only warns.

    Raises
    ------
    UnknownNameError : names the nearest parameter.
    """
    import papermill

    known = papermill.inspect_notebook(str(notebook_path(name)))
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"Parameter of {name}", parameter, known)


def execute(name: str, parameters: dict[str, Any], output: Path, workspace: Path) -> None:
    """Run one notebook and keep it, executed, at ``output``.

    Raises
    ------
    RunError : a cell failed; its own message is repeated.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    check_parameters(name, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a warning of the kernel's debugger, in every output
    try:
        papermill.execute_notebook(
            str(notebook_path(name)), str(output), parameters=parameters, kernel_name="python3", progress_bar=False, log_output=False,
            cwd=str(workspace), execution_timeout=KERNEL_TIMEOUT_SECONDS, extra_arguments=["--log-level=ERROR"],
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise RunError(_cell_message(name, error)) from error
    except DeadKernelError as error:
        raise RunError(
            f"{name}: its kernel died, most likely out of memory. Lower TENURE_MEMORY, or free memory, and run again."
        ) from error


def _cell_message(name: str, error: Any) -> str:
    return f"{name}: {error.evalue}" if error.ename.endswith("Error") else f"{name}: {error.ename}: {error.evalue}"


def run_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    full: bool = False,
    engine: str = "",
    progress: Progress | None = None,
) -> RunResult:
    """Run the whole flow for one source at one as-of; whole or not at all. ``full`` adds the whole audit and the longer walk;
    ``engine`` (duckdb, spark) builds the snapshots.

    Raises
    ------
    TenureError : with one message; the champion and earlier reports are as they were.
    NotEnoughDataError : every target was refused.
    """
    told = progress or (lambda step, seconds: None)
    for target in targets:
        find_target(target)
    timings: list[StepTiming] = []
    opening = open_run(source, as_of=as_of, workspace=workspace, quick=quick, engine=engine)
    opening.registry.check()
    with _timed("stage", timings, told):
        day = opening.as_of
    final = opening.workspace.reports(source, day)
    with replaced_folder(final) as fresh:
        run = open_run(
            source,
            as_of=str(day),
            workspace=str(opening.workspace.root),
            output=str(fresh),
            quick=quick,
            run_id=opening.run_id,
            engine=opening.engine,
        )
        asked = _asked_targets(run, targets)
        common = {
            "source": source, "as_of": str(day), "workspace": str(run.workspace.root), "output": str(fresh), "quick": quick, "run_id": run.run_id
        }  # fmt: skip
        _run_notebooks(run, asked, common, fresh, timings, told, full=full)
        document = _document(run, asked, timings)
        _check_any_target(document)
        _attach_notebooks(run, fresh)
        (fresh / "run.json").write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")
    _promote(opening, document)
    return RunResult(final, document, timings)


def _asked_targets(run: Run, targets: Sequence[str]) -> list[str]:
    """Targets to train: those named, else every one; those the source cannot answer are recorded as refused."""
    asked = list(targets) or list(all_targets())
    for name in asked:
        if name in run.snapshots.unavailable_targets:
            reason = f"{name} on {run.source.name}: {run.snapshots.unavailable_targets[name]}."
            TrainingRecord(name, "refused", reason, is_quick=run.quick).save(run.training_folder(name))
    return asked


def _run_notebooks(
    run: Run,
    asked: Sequence[str],
    common: dict[str, Any],
    fresh: Path,
    timings: list[StepTiming],
    told: Progress,
    *,
    full: bool,
) -> None:
    able = [name for name in asked if name in run.snapshots.targets]

    def step(name: str, parameters: dict[str, Any], output: str) -> None:
        with _timed(output, timings, told):
            execute(name, common | parameters, fresh / "notebooks" / f"{output}.ipynb", run.workspace.root)

    step("01_ingest", {}, "01_ingest")
    step("02_features", {"targets": ",".join(asked), "engine": run.engine}, "02_features")
    longer = {"walk_cutoffs": WALK_CUTOFFS} if full else {}
    # Each training keeps to one core, so two at a time share a laptop's; their kernels start one after the other.
    with ThreadPoolExecutor(max_workers=PARALLEL_TRAININGS) as pool:
        started = []
        for name in able:
            started.append(pool.submit(step, "03_train", {"target": name} | longer, f"03_train_{name}"))
            time.sleep(KERNEL_START_SECONDS)
        for training in started:
            training.result()
    if full:
        step("07_audit", {"targets": ",".join(able)}, "07_audit")
    step("04_score", {"versions": "from_run"}, "04_score")
    step("05_report", {}, "05_report")
    step("06_review", {}, "06_review")


@contextmanager
def _timed(name: str, timings: list[StepTiming], told: Progress) -> Iterator[None]:
    started = time.monotonic()
    told(name, -1.0)
    yield
    timings.append(StepTiming(name, round(time.monotonic() - started, 2)))
    told(name, timings[-1].seconds)


def _document(run: Run, asked: Sequence[str], timings: list[StepTiming]) -> dict[str, Any]:
    by_name = {record.target: record for record in records(run)}
    outputs = [path for path in sorted(run.output.rglob("*")) if path.is_file()]
    return {
        "run_id": run.run_id,
        "source": run.source.name,
        "as_of": str(run.as_of),
        "parameters": {"targets": list(asked), "quick": run.quick, "engine": run.engine},
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            name: package_version(name) for name in ("tenure", "duckdb", "lightgbm", "mlflow", "pandas", "shap")
        }
        | {"python": sys.version.split()[0]},
        "git_commit": _git_commit(),
        "timings": [asdict(timing) for timing in timings],
        "rows": {
            n: {
                "read": t.read + t.unreadable,
                "staged": t.staged,
                "rejected": t.rejected,
                "rules": t.rules,
            }
            for n, t in run.staged.tables.items()
        },
        "inputs": run.staged.raw_hashes,
        "outputs": {str(path.relative_to(run.output)): fingerprint_file(path) for path in outputs},
        "alarms": [f"{name}: {line}" for name in asked if name in by_name for line in by_name[name].alarms],
        "warnings": run.staged.warnings() + run.snapshots.unavailable_features,
        "targets": {name: _target_document(by_name[name]) for name in asked if name in by_name},
    }


def _target_document(record: TrainingRecord) -> dict[str, Any]:
    kept = (
        "auc",
        "auc_low",
        "auc_high",
        "auc_rule",
        "average_precision",
        "log_loss",
        "ece",
        "lift_top_decile",
        "base_rate",
    )
    return {
        "status": record.status, "reason": record.reason, "cautions": record.cautions, "test_cutoff": record.test_cutoff, "horizon_days": record.horizon_days,
        "eligible": record.counts.get("eligible"), "positives": record.counts.get("positives"),
        "metrics": {key: record.metrics[key] for key in kept if key in record.metrics}, "model": record.model,
        "model_version": record.version, "mlflow_run_id": record.run_id, "promoted": record.status == "trained",
    }  # fmt: skip


def _check_any_target(document: dict[str, Any]) -> None:
    if all(target["status"] == "refused" for target in document["targets"].values()):
        reasons = "\n  - ".join(target["reason"] for target in document["targets"].values())
        raise NotEnoughDataError(f"{document['source']}: every target was refused:\n  - {reasons}")


def _attach_notebooks(run: Run, fresh: Path) -> None:
    """Attach each executed training notebook to its MLflow run: it exists only now."""
    for record in records(run):
        path = fresh / "notebooks" / f"03_train_{record.target}.ipynb"
        if record.run_id and path.is_file():
            run.registry.attach(record.run_id, path)


def _promote(run: Run, document: dict[str, Any]) -> None:
    for name, target in document["targets"].items():
        if target["promoted"]:
            run.registry.promote(model_name(run.source.name, name), target["model_version"])


def _git_commit() -> str:
    """Return the commit of the checkout the package runs from, or nothing."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def score_flow(
    source: str,
    *,
    as_of: str,
    targets: Sequence[str] = (),
    workspace: str = "",
    allow_hindsight: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Score with the champions, no training; return the folder written.

    Raises
    ------
    TenureError : no champion, an unknown target, an as-of the champions have seen.
    """
    told = progress or (lambda step, seconds: None)
    for target in targets:
        find_target(target)
    run = open_run(source, as_of=as_of, workspace=workspace)
    parameters = {"targets": ",".join(targets), "allow_hindsight": allow_hindsight}
    return _execute_beside(run, "04_score", parameters, told)


def audit_flow(
    source: str,
    *,
    as_of: str = "",
    targets: Sequence[str] = (),
    workspace: str = "",
    quick: bool = False,
    progress: Progress | None = None,
) -> tuple[Path, list[str]]:
    """Run the whole audit; return the folder written and the alarms, one line each.

    Raises
    ------
    TenureError : an unknown source or target, an as-of outside the data.
    """
    for target in targets:
        find_target(target)
    run = open_run(source, as_of=as_of, workspace=workspace, quick=quick)
    folder = _execute_beside(run, "07_audit", {"targets": ",".join(targets)}, progress or (lambda step, seconds: None))
    return folder, list(json.loads((folder / "audit.json").read_text(encoding="utf-8"))["alarms"])


def _execute_beside(run: Run, name: str, parameters: dict[str, Any], told: Progress) -> Path:
    """Run one notebook and add what it wrote to the as-of's folder, file by file, each whole."""
    final = run.workspace.reports(run.source.name, run.as_of)
    scratch = final.parent / f".{final.name}.{name}"
    with replaced_folder(scratch) as fresh:
        common = {
            "source": run.source.name, "as_of": str(run.as_of), "workspace": str(run.workspace.root), "output": str(fresh),
            "quick": run.quick, "run_id": run.run_id,
        }  # fmt: skip
        with _timed(name, [], told):
            execute(name, common | parameters, fresh / "notebooks" / f"{name}.ipynb", run.workspace.root)
    final.mkdir(parents=True, exist_ok=True)
    for path in sorted(scratch.rglob("*")):
        if path.is_file():
            place = final / path.relative_to(scratch)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
    rmtree(scratch)
    return final


__all__ = ["RunResult", "TenureError", "audit_flow", "run_flow", "score_flow"]

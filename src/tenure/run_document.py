"""``run.json``: what a run read, did, found and wrote; written last, the commit mark of its folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from tenure.graph import MARKS, Marks
from tenure.reporting.record import TrainingRecord
from tenure.secrets import without_secrets
from tenure.sources.raw_files import fingerprint_file
from tenure.steps.opening import Run
from tenure.steps.results import review_alerts, saved_records
from tenure.workspace import replaced_file

RUN_JSON = "run.json"
METRICS = (
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


@dataclass(frozen=True)
class StepTiming:
    """One executed notebook."""

    name: str
    seconds: float


@dataclass
class Performed:
    """What became of the steps of a run: those executed, and the names of those reused."""

    executed: list[StepTiming] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)


def write_document(run: Run, folder: Path, performed: Performed, *, kind: str, asked: Sequence[str]) -> dict[str, Any]:
    """Write ``run.json`` of a folder that is otherwise finished; return what it says. ``kind``: run, score or audit."""
    by_name = {record.target: record for record in saved_records(run)}
    staged = run.staged
    trained_by = {name: mark.run_id for name in by_name if (mark := Marks(folder).read(f"03_train_{name}"))}
    document = {
        "run_id": run.run_id, "kind": kind, "run_kind": run.run_kind, "source": run.source.name, "as_of": str(run.as_of),
        "parameters": {"targets": list(asked), "quick": run.quick, "engine": run.engine},
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(), "git_commit": _git_commit(),
        "timings": [asdict(timing) for timing in performed.executed], "reused": performed.reused,
        "rows": {
            name: {"read": t.read + t.unreadable, "staged": t.staged, "rejected": t.rejected, "rules": t.rules}
            for name, t in staged.tables.items()
        },
        "columns": {name: t.filled_columns for name, t in staged.tables.items()},
        "inputs": staged.raw_hashes, "outputs": _outputs(folder),
        "alarms": [f"{name}: {line}" for name, record in by_name.items() for line in record.alarms],
        "alerts": [asdict(alert) for alert in review_alerts(folder)],
        "warnings": staged.warnings() + run.snapshots.unavailable_features,
        "targets": {
            name: _target_document(record) | {"trained_by_run": trained_by.get(name, run.run_id)}
            for name, record in by_name.items()
        },
    }  # fmt: skip
    with replaced_file(folder / RUN_JSON) as fresh:
        fresh.write_text(without_secrets(json.dumps(document, indent=1, default=str)), encoding="utf-8")
    return document


def read_document(folder: Path) -> dict[str, Any]:
    """Read the ``run.json`` of a folder; empty where it has none."""
    path = folder / RUN_JSON
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def refresh_outputs(folder: Path) -> None:
    """Bring the hashes of a folder's ``run.json`` up to date with files that were changed since, on purpose."""
    document = read_document(folder)
    outputs = {name: digest for name, digest in _outputs(folder).items() if name != RUN_JSON}
    if document and document.get("outputs") != outputs:
        with replaced_file(folder / RUN_JSON) as fresh:
            fresh.write_text(json.dumps(document | {"outputs": outputs}, indent=1), encoding="utf-8")


def _outputs(folder: Path) -> dict[str, str]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != MARKS]
    return {str(path.relative_to(folder)): fingerprint_file(path) for path in paths}


def _target_document(record: TrainingRecord) -> dict[str, Any]:
    return {
        "status": record.status, "reason": record.reason, "cautions": record.cautions, "test_cutoff": record.test_cutoff, "horizon_days": record.horizon_days,
        "eligible": record.counts.get("eligible"), "positives": record.counts.get("positives"),
        "metrics": {key: record.metrics[key] for key in METRICS if key in record.metrics}, "model": record.model,
        "model_version": record.version, "mlflow_run_id": record.run_id, "promoted": record.status == "trained",
    }  # fmt: skip


def _versions() -> dict[str, str]:
    names = ("tenure", "duckdb", "lightgbm", "mlflow", "pandas", "shap")
    return {name: package_version(name) for name in names} | {"python": sys.version.split()[0]}


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

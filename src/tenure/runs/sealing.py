"""The end of a run: the index of all there is, then everything that ``run.json`` says, and its seal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from tenure.reporting.record import TrainingRecord
from tenure.runs.step_cache import code_of
from tenure.steps.opening import Session
from tenure.steps.report import write_index
from tenure.steps.results import campaign_results, review_problems, saved_records, scoring_outcomes
from tenure.steps.run_record import RunRecord, outputs_of

METRICS = (
    "auc",
    "auc_low",
    "auc_high",
    "auc_heuristic",
    "auc_rule",  # its former name, for one more version
    "auc_feature",
    "auc_logistic",
    "auc_baseline",
    "average_precision",
    "log_loss",
    "ece",
    "lift_top_decile",
    "base_rate",
)


def seal(session: Session, record: RunRecord, facts: Mapping[str, Any], asked: Sequence[str]) -> dict[str, Any]:
    """Write the index of a folder that is otherwise finished, then seal its record; return what that says."""
    write_index(session)
    folder, staged = record.folder, session.staged
    by_name = {found.target: found for found in saved_records(session)}
    trained_by = {
        name: record.document["steps"].get(f"03_train_{name}", {}).get("run_id", session.run_id) for name in by_name
    }
    scoring, problems = scoring_outcomes(folder), review_problems(folder)
    return record.seal(
        {
            **facts, "parameters": record.document["parameters"] | {"targets": list(asked)},
            "versions": _versions(), "git_commit": _git_commit(),
            "code": {name: code_of(notebook_of(name)) for name in record.document["steps"]},
            "rows": {
                name: {"read": t.read + t.unreadable, "staged": t.staged, "rejected": t.rejected, "rules": t.rules, "said": t.said}
                for name, t in staged.tables.items()
            },
            "columns": {name: t.filled_columns for name, t in staged.tables.items()},
            "inputs": staged.raw_hashes, "outputs": outputs_of(folder),
            "alarms": [f"{name}: {line}" for name, found in by_name.items() for line in found.judgement.audit_errors],
            "problems": [asdict(problem) for problem in problems],
            "alerts": [{"severity": p.level, "about": p.about, "text": p.text} for p in problems],  # for one more version
            "warnings": staged.warnings() + session.snapshots.unavailable_features,
            "errors": [found["reason"] for found in scoring.values() if found["outcome"] == "error"],
            "targets": {
                name: _target_document(found) | {"trained_by_run": trained_by[name]} for name, found in by_name.items()
            },
            "scoring": scoring, "campaigns": campaign_results(folder),
        }
    )  # fmt: skip


def notebook_of(step: str) -> str:
    """Name a step's notebook: a training is one of several of its own."""
    return "03_train" if step.startswith("03_train_") else step


def _target_document(record: TrainingRecord) -> dict[str, Any]:
    data, model, results = record.data, record.model, record.results
    return {
        "status": record.status,
        "reason": record.reason,
        "warnings": results.warnings,
        "findings": record.judgement.audit_findings,
        "cautions": results.warnings,  # its former name, for one more version
        "test_cutoff": data.test_cutoff,
        "fitting_cutoffs": data.fitting_cutoffs,
        "cutoff_grid": data.cutoff_grid,
        **({"renewals": data.renewals} if data.renewals else {}),
        "horizon_days": record.definition.horizon_days,
        "eligible": data.counts.get("eligible"),
        "positives": data.counts.get("positives"),
        # What there is none of, such as the AUC of a heuristic that is constant, is null.
        "metrics": {key: results.metrics.get(key) for key in METRICS} if results.metrics else {},
        "taken": model.taken,
        "baseline": results.baseline,
        "baselines": results.baselines,
        "heuristic": record.definition.heuristic,
        "model": model.name,
        "model_version": model.version,
        "mlflow_run_id": model.run_id,
        "promoted": record.status == "trained",
    }


def _versions() -> dict[str, str]:
    names = ("tenure", "duckdb", "lightgbm", "mlflow", "pandas", "shap")
    return {name: package_version(name) for name in names} | {"python": sys.version.split()[0]}


def _git_commit() -> str:
    """Return the commit of the checkout the package runs from; empty where no repository holds the package."""
    here = Path(__file__)
    try:
        found = [
            subprocess.run(
                ["git", "-C", str(here.parent), *asked], capture_output=True, text=True, timeout=5, check=False
            )
            for asked in (["ls-files", "--error-unmatch", here.name], ["rev-parse", "HEAD"])
        ]
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found[1].stdout.strip() if not any(answer.returncode for answer in found) else ""

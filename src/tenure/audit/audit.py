"""The audit of one training: what must hold before a model may be believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tenure.audit.finding import Finding
from tenure.audit.perturbation import perturb_future
from tenure.audit.replay import Replay, replay, unproven_features
from tenure.audit.split import split_findings
from tenure.audit.univariate import missing_proxies, univariate_aucs, univariate_findings
from tenure.core.atomic_files import replaced_file
from tenure.core.errors import TenureError
from tenure.core.stored import made_of
from tenure.models.explain import importance
from tenure.models.training_result import TrainingResult
from tenure.snapshots.build import Snapshots, digest

STRONGEST = 10


@dataclass(frozen=True)
class Audit:
    """What was checked and what was found. ``checks``: check, cutoff, customers, features, left_out, differing, failed."""

    findings: list[Finding]
    checks: list[dict[str, Any]] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    univariate: list[dict[str, Any]] = field(default_factory=list)

    @property
    def alarms(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_alarm]


def audit_training(snapshots: Snapshots, result: TrainingResult) -> Audit:
    """Audit one training: replay and perturbation at T and one walk cutoff, univariate AUC at T, and the split."""
    fitting = result.fitting_texts
    cutoffs = [result.plan.test, *([result.plan.fitting[0]] if result.plan.fitting else [])]
    replays = [check_cutoff(snapshots, cutoff, check) for cutoff in cutoffs for check in (replay, perturb_future)]
    used = set(result.model.feature_names)
    unused = {column.name for column in snapshots.columns} - used
    test_labels = result.test["label"].to_numpy(dtype=int)
    ranked = univariate_aucs(
        fitting, fitting["label"].to_numpy(dtype=int), result.test, test_labels, result.model.feature_names
    )
    findings = [
        *(finding for one in replays for finding in one.findings() if finding.subject not in unused),
        *univariate_findings(ranked, result.plan.test),
        *missing_proxies(result.test, test_labels, _strongest(result), result.plan.test),
        *split_findings(result.target, list(fitting["cutoff"].map(_as_date).unique()), result.plan.test),
    ]  # fmt: skip
    return Audit(
        findings=findings,
        checks=[_row(one) for one in replays],
        unproven=[name for name in unproven_features(snapshots) if name in used],
        univariate=ranked.head(10).to_dict("records"),
    )


def _strongest(result: TrainingResult) -> list[str]:
    """Name the features with the largest mean contribution at T: what the others do hardly matters."""
    return list(importance(result.model, result.contributions)["feature"].head(STRONGEST))


def _as_date(value: Any) -> date:
    return pd.Timestamp(value).date()


def _row(one: Replay) -> dict[str, Any]:
    return {
        "check": one.check, "cutoff": str(one.cutoff), "customers": one.customers, "features": one.features,
        "left_out": one.left_out, "differing": len(one.differing), "failed": one.failed,
    }  # fmt: skip


def check_cutoff(snapshots: Snapshots, cutoff: date, check: Callable[[Snapshots, date], Replay]) -> Replay:
    """Read a check's outcome where the same snapshot was checked before: three targets share their features."""
    path = _outcome_path(snapshots, cutoff, check.__name__)
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        content["differing"] = pd.DataFrame(
            content["differing"], columns=["feature", "customers", "customer_id", "expected", "found"]
        )
        return made_of(Replay, content | {"cutoff": cutoff})
    try:
        found = check(snapshots, cutoff)
    except TenureError as error:
        # What could not be run proves nothing, and is said: it must not pass for a proof.
        return Replay(check.__name__, cutoff, 0, 0, 0, pd.DataFrame(), failed=str(error))
    with replaced_file(path) as fresh:
        content = asdict(found) | {"cutoff": str(cutoff), "differing": found.differing.to_dict("records")}
        fresh.write_text(json.dumps(content, default=str), encoding="utf-8")
    return found


def _outcome_path(snapshots: Snapshots, cutoff: date, check: str) -> Path:
    # The snapshot's name holds what was known at the cutoff; a check also reads what was not, and the raw files.
    snapshot, staged = snapshots.features_path(cutoff), snapshots.staged
    return snapshot.parent.parent / "audit" / f"{snapshot.stem}-{digest(staged.key, staged.fingerprint)}-{check}.json"


def alarm_lines(findings: Sequence[Finding]) -> list[str]:
    """Say each alarm in one line."""
    return [str(finding) for finding in findings if finding.is_alarm]

"""The audit of one training: what must hold before a model may be believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from tenure.audit.comparison import DIFFERING
from tenure.audit.deliveries import comparison_told, rewriting_problems
from tenure.audit.lineage import lift_carried
from tenure.audit.perturbation import perturb_future
from tenure.audit.problem import AuditProblem
from tenure.audit.replay import Replay, replay, unproven_features, unproven_problems
from tenure.audit.sentinel import freshness_problems
from tenure.audit.split import split_problems
from tenure.audit.univariate import missing_proxies, univariate_aucs, univariate_problems
from tenure.core.atomic_files import replaced_file
from tenure.core.errors import TenureError
from tenure.core.plugins import plugins_key
from tenure.core.stored import made_of
from tenure.models.explain import importance
from tenure.models.training_result import TrainingResult
from tenure.snapshots.build import Snapshots, digest

STRONGEST = 10

Check = Callable[[Snapshots, date], Replay]


@dataclass(frozen=True)
class Audit:
    """What was checked and what is wrong. ``checks``: one row each, as ``Replay``, with the count that differ."""

    problems: list[AuditProblem]
    checks: list[dict[str, Any]] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    compared: str = ""  # how much of the past was compared with earlier deliveries
    carried_unproven: float = 1.0  # the share of the lift that the unproven carry
    univariate: list[dict[str, Any]] = field(default_factory=list)

    @property
    def errors(self) -> list[AuditProblem]:
        return [problem for problem in self.problems if problem.level == "error"]


def audit_training(snapshots: Snapshots, result: TrainingResult) -> Audit:
    """Audit one training: replay and perturbation at T and one walk cutoff, univariate AUC at T, and the split."""
    fitting = result.fitting_texts
    cutoffs = [result.plan.test, *([result.plan.fitting[0]] if result.plan.fitting else [])]
    replays = run_checks(snapshots, [(cutoff, check) for cutoff in cutoffs for check in (replay, perturb_future)])
    used = set(result.model.feature_names)
    test_labels = result.test["label"].to_numpy(dtype=int)
    ranked = univariate_aucs(
        fitting, fitting["label"].to_numpy(dtype=int), result.test, test_labels, result.model.feature_names
    )
    replayed = [problem for one in replays for problem in one.problems()]
    unproven = [name for name in unproven_features(snapshots) if name in used]
    carried = lift_carried(result, unproven)
    problems = [
        *(problem for problem in replayed if problem.kind != "feature" or problem.subject in used),
        *univariate_problems(ranked, result.plan.test),
        *missing_proxies(result.test, test_labels, _strongest(result), result.plan.test),
        *rewriting_problems(snapshots, result),
        *freshness_problems(snapshots, result),
        *unproven_problems(result, unproven, carried),
        *split_problems(result.target, list(fitting["cutoff"].map(_as_date).unique()), result.plan.test),
    ]
    return Audit(
        problems=problems,
        checks=[one.row | {"cutoff": str(one.cutoff), "failed": one.failed} for one in replays],
        unproven=unproven,
        compared=comparison_told(snapshots.staged),
        carried_unproven=carried,
        univariate=ranked.head(10).to_dict("records"),
    )


def _strongest(result: TrainingResult) -> list[str]:
    """Name the features with the largest mean contribution at T: what the others do hardly matters."""
    return list(importance(result.model, result.contributions)["feature"].head(STRONGEST))


def _as_date(value: Any) -> date:
    day: date = pd.Timestamp(value).date()
    return day


def run_checks(snapshots: Snapshots, checks: Sequence[tuple[date, Check]]) -> list[Replay]:
    """Run checks, in the order given; those that a training beside this one is at come last, and are then read."""
    found: dict[tuple[date, Check], Replay] = {}
    for waits in (False, True):
        for cutoff, check in checks:
            path = _outcome_path(snapshots, cutoff, check.__name__)
            path.parent.mkdir(parents=True, exist_ok=True)
            if (cutoff, check) not in found:
                with suppress(Timeout), FileLock(f"{path}.lock", blocking=waits):
                    found[cutoff, check] = check_cutoff(snapshots, cutoff, check)
    return [found[each] for each in checks]


def check_cutoff(snapshots: Snapshots, cutoff: date, check: Check) -> Replay:
    """Read a check's outcome where the same snapshot was checked before: three targets share their features."""
    path = _outcome_path(snapshots, cutoff, check.__name__)
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        content["differing"] = pd.DataFrame(content["differing"], columns=list(DIFFERING))
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
    # The snapshot's name holds what was known at the cutoff. A check also reads what was not, raw files and plugins.
    snapshot, staged = snapshots.features_path(cutoff), snapshots.staged
    key = digest(staged.key, staged.fingerprint, plugins_key(staged.source.folder))
    return snapshot.parent.parent / "audit" / f"{snapshot.stem}-{key}-{check}.json"

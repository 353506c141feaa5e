"""What a training leaves for the report: one folder per target with ``record.json`` and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tenure.core.stored import made_of, read_stored, write_stored
from tenure.models.result_warnings import warnings_of
from tenure.models.training_result import TrainingResult
from tenure.models.verdict import Verdict

FORMAT = 1


@dataclass(frozen=True)
class TrainingRecord:
    """The outcome of one target's training; ``status`` is trained, blocked (no champion came of it) or refused.

    ``code`` is the verdict's, or says why nothing was trained: too_little_data, unavailable. ``definition`` is the fingerprint of the
    target's; its first version was judged without the champion, which answers another.
    """

    target: str
    status: str
    reason: str
    code: str = ""
    definition: str = ""
    is_first_of_definition: bool = False
    question: str = ""
    eligible: str = ""
    positive: str = ""
    test_cutoff: str = ""
    fitting_cutoffs: list[str] = field(default_factory=list)
    horizon_days: int = 0
    lead_days: int = 0
    label_lag_days: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    gates: list[dict[str, Any]] = field(default_factory=list)
    deciles: list[dict[str, Any]] = field(default_factory=list)
    funnel: list[dict[str, Any]] = field(default_factory=list)
    importance: list[dict[str, Any]] = field(default_factory=list)
    dropped_features: list[str] = field(default_factory=list)
    unproven_features: list[str] = field(default_factory=list)
    audit: dict[str, Any] = field(default_factory=dict)
    segments: list[dict[str, Any]] = field(default_factory=list)
    scorecard: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    drivers: list[dict[str, Any]] = field(default_factory=list)
    driver_agreement: float | None = None
    cautions: list[str] = field(default_factory=list)
    heuristic: str = ""
    form: str = ""
    save_rate: float = 0.0
    contact_cost: float = 0.0
    contact_capacity: int = 0
    model: str = ""
    version: str = ""
    run_id: str = ""
    fingerprint: str = ""  # hash of all that scores depend on
    trees: int = 0
    is_promotable: bool = False
    was_sampled: bool = False
    is_quick: bool = False

    @property
    def alarms(self) -> list[str]:
        """The audit's alarms, one line each."""
        return list(self.audit.get("alarms", []))

    @property
    def why(self) -> str:
        """The reason, to stand beside the target's name: without it."""
        return self.reason.removeprefix(f"{self.target}: ")

    def save(self, folder: Path) -> Path:
        path = folder / "record.json"
        write_stored(path, asdict(self), FORMAT)
        return path

    @classmethod
    def load(cls, folder: Path) -> TrainingRecord:
        return made_of(cls, read_stored(folder / "record.json", FORMAT))


def record_of(
    result: TrainingResult,
    verdict: Verdict,
    *,
    importance: list[dict[str, Any]],
    warnings: Sequence[str],
    facts: Mapping[str, Any],
) -> TrainingRecord:
    """Put a study into its record; ``facts`` are the fields only the caller knows (version, status, ...)."""
    target = result.target
    return TrainingRecord(
        target=target.name, question=target.describe(), eligible=target.describe_eligible(), positive=target.positive,
        test_cutoff=str(result.plan.test), fitting_cutoffs=[str(c) for c in result.plan.fitting], horizon_days=target.horizon_days,
        lead_days=target.lead_days, label_lag_days=target.label_lag_days,
        counts={
            "eligible": result.evaluation.rows, "positives": result.evaluation.positives, "fitting_rows": result.fitting_rows,
            "fitting_customers": result.fitting_customers, "fitting_positives": result.fitting_positives,
        },
        metrics=result.evaluation.metrics, gates=[asdict(gate) for gate in verdict.gates],
        deciles=result.evaluation.deciles.to_dict("records"),
        funnel=[{str(k): v for k, v in row.items()} for row in result.funnel.to_dict("records")], importance=importance,
        segments=[{str(k): v for k, v in row.items()} for row in result.slices.to_dict("records")],
        cautions=[*warnings_of(result), *warnings], dropped_features=result.dropped_features, heuristic=target.heuristic.meaning,
        form=result.model.estimator.describe(), save_rate=target.save_rate,
        contact_cost=target.contact_cost, contact_capacity=target.contact_capacity, trees=result.trained.trees, is_promotable=verdict.is_promotable,
        was_sampled=result.was_sampled, **facts,
    )  # fmt: skip

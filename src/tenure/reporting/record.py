"""What a training leaves for the pages: one folder per target with ``record.json`` and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tenure.core.stored import FORMAT, made_of, read_stored, write_stored
from tenure.models.evaluate import FORMER_NAMES
from tenure.models.verdict import Gate

FORMAT_VERSION = 2

# A table as JSON keeps it: one dictionary per row, by column.
Rows: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class Definition:
    """What the target asks and assumes; ``fingerprint`` identifies the definition."""

    fingerprint: str = ""
    question: str = ""
    eligible: str = ""
    positive: str = ""
    horizon_days: int = 0
    lead_days: int = 0
    label_lag_days: int = 0
    heuristic: str = ""
    save_rate: float = 0.0
    contact_cost: float = 0.0
    contact_capacity: int = 0


@dataclass(frozen=True)
class Data:
    """What was fitted and tested on.

    ``counts``: eligible and positives at the test cutoff; fitting_rows, fitting_customers, fitting_positives; where the
    source has actions fitting_acted and test_acted: rows of who was sent one, which left.
    ``funnel``: cutoff, known, eligible, positives, base_rate.
    """

    test_cutoff: str = ""
    fitting_cutoffs: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    funnel: Rows = field(default_factory=list)
    was_sampled: bool = False
    dropped_features: list[str] = field(default_factory=list)
    unproven_features: list[str] = field(default_factory=list)
    cutoff_grid: str = ""  # month or week
    renewals: str = ""  # whether the source delivers them, and how that is known


@dataclass(frozen=True)
class RegisteredModel:
    """The version; ``fingerprint`` hashes all that scores depend on.

    ``importance``: feature, noun, ..., the strongest first.
    """

    name: str = ""
    version: str = ""
    run_id: str = ""
    fingerprint: str = ""
    form: str = ""
    taken: str = ""
    trees: int = 0
    importance: Rows = field(default_factory=list)


@dataclass(frozen=True)
class Results:
    """Figures of the test cutoff, and of the walk over earlier ones (``scorecard``, ``differences``, ``drivers``).

    ``baselines``: the words of each; ``baseline`` names the best in the fitting block, ``rival`` the one that the model is
    shown against.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    baseline: str = ""
    rival: str = "heuristic"
    baselines: dict[str, str] = field(default_factory=dict)
    deciles: Rows = field(default_factory=list)
    segments: Rows = field(default_factory=list)
    scorecard: Rows = field(default_factory=list)
    differences: Rows = field(default_factory=list)
    drivers: Rows = field(default_factory=list)
    driver_agreement: float | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judgement:
    """The verdict and the audit it rests on.

    ``code`` is the verdict's, or says why nothing was trained: too_little_data, unavailable. The first version of a
    definition was judged without the champion, which answers another. ``audit_errors`` are those of ``audit_findings``
    that block.
    """

    code: str = ""
    gates: tuple[Gate, ...] = ()
    is_promotable: bool = False
    is_first_of_definition: bool = False
    audit_checks: Rows = field(default_factory=list)
    audit_findings: list[str] = field(default_factory=list)
    audit_errors: list[str] = field(default_factory=list)
    univariate: Rows = field(default_factory=list)
    deliveries: str = ""  # how much of the past was compared with earlier deliveries


@dataclass(frozen=True)
class TrainingRecord:
    """The outcome of one target's training; ``status`` is trained, blocked (no champion came of it) or refused."""

    target: str
    status: str
    reason: str
    is_quick: bool = False
    definition: Definition = Definition()
    data: Data = Data()
    model: RegisteredModel = RegisteredModel()
    results: Results = Results()
    judgement: Judgement = Judgement()

    def save(self, folder: Path) -> Path:
        path = folder / "record.json"
        write_stored(path, asdict(self), FORMAT_VERSION)
        return path

    @classmethod
    def load(cls, folder: Path) -> TrainingRecord:
        """Read the record of a folder, of this format or an older one.

        Raises
        ------
        FileNotFoundError : there is none. StoredFormatError : a newer Tenure wrote it. DamagedError : it is cut short.
        """
        document = read_stored(folder / "record.json", FORMAT_VERSION)
        parts = document if document.get(FORMAT, 0) >= FORMAT_VERSION else _parts_of_flat(document)
        judgement = parts.get("judgement", {})
        gates = tuple(made_of(Gate, gate) for gate in judgement.get("gates", ()))
        return made_of(
            cls,
            {
                **document,
                "definition": made_of(Definition, parts.get("definition", {})),
                "data": made_of(Data, parts.get("data", {})),
                "model": made_of(RegisteredModel, parts.get("model", {})),
                "results": made_of(Results, parts.get("results", {})),
                "judgement": made_of(Judgement, {**judgement, "gates": gates}),
            },
        )


def refused(target: str, reason: str, code: str, *, question: str = "", is_quick: bool = False) -> TrainingRecord:
    """Make the record of a target that was not trained."""
    return TrainingRecord(
        target, "refused", reason, is_quick, Definition(question=question), judgement=Judgement(code=code)
    )


def _parts_of_flat(flat: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Sort the fields of a record of format 0 or 1, which lay side by side, into parts; some had other names."""
    audit = flat.get("audit", {})
    results = {
        "metrics": _renamed(flat.get("metrics", {})),
        "scorecard": [_renamed(row) for row in flat.get("scorecard", [])],
        "warnings": flat.get("cautions", []),
    }
    judgement = {
        "gates": [{"code": "", **gate} for gate in flat.get("gates", [])],
        "audit_checks": audit.get("checks", []),
        "audit_findings": audit.get("findings", []),
        "audit_errors": audit.get("alarms", []),
        "univariate": audit.get("univariate", audit.get("solo", [])),
    }
    heuristic = flat.get("heuristic", flat.get("rule", ""))
    return {
        "definition": {**flat, "fingerprint": flat.get("definition", ""), "heuristic": heuristic},
        "data": flat,
        "model": {**flat, "name": flat.get("model", "")},
        "results": {**flat, **results},
        "judgement": {**flat, **judgement},
    }


def _renamed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {FORMER_NAMES.get(name, name): value for name, value in metrics.items()}

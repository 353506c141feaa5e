"""Whether a version may become champion: one table of thresholds, one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tenure.models.evaluate import Auc, Evaluation


@dataclass(frozen=True)
class Gate:
    """One question a version must answer with yes."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Verdict:
    """Every gate with what was found."""

    gates: tuple[Gate, ...]

    @property
    def is_promotable(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def reason(self) -> str:
        """Say in one line why, or why not."""
        failed = [f"did not pass '{gate.name}': {gate.found}" for gate in self.gates if not gate.passed]
        told = [f"{gate.name}: {gate.found}" for gate in self.gates if gate.name.startswith("better than")]
        return "; ".join(failed or told)


@dataclass(frozen=True)
class Thresholds:
    """What a version must reach: the one table of them."""

    rule_low: float = 0.0  # lower end of the paired 95 % interval of AUC against the rule, above it
    champion_low: float = -0.02  # lower end of the interval against the champion, not below it
    slope_low: float = 0.5  # calibration slope
    slope_high: float = 2.0
    segment_positives: int = 50  # a segment this large may not be ranked upside down
    seconds_per_1000_rows: float = 1.0
    megabytes: float = 50.0


def judge(
    evaluation: Evaluation,
    difference_to_champion: Auc | None,
    *,
    alarms: Sequence[str] = (),
    segments: pd.DataFrame | None = None,
    seconds_per_1000_rows: float = 0.0,
    megabytes: float = 0.0,
    is_quick: bool = False,
    thresholds: Thresholds = Thresholds(),  # frozen
) -> Verdict:
    """Judge a version on its test cutoff; every gate must be passed.

    ``difference_to_champion`` is the paired difference of AUC on the same customers; None where there is no champion yet, or
    it has seen the test cutoff. A quick run, whose sample is too small for intervals, is asked only to beat its rule.
    """
    rule, m = evaluation.difference_to_rule, evaluation.metrics
    gates = [
        Gate("no alarm of the audit", not alarms, "; ".join(alarms) or "replay, perturbation, solo AUC and split found nothing"),
        Gate(
            "better than the rule", (rule.value if is_quick else rule.low) > thresholds.rule_low,
            f"AUC {m['auc']:.3f} against {m['auc_rule']:.3f} (paired difference {rule.value:+.3f}, 95 % interval {rule.low:+.3f} to {rule.high:+.3f})",
        ),
        Gate(
            "calibrated", is_quick or thresholds.slope_low <= m["calibration_slope"] <= thresholds.slope_high,
            f"calibration slope {m['calibration_slope']:.2f}, between {thresholds.slope_low} and {thresholds.slope_high} asked",
        ),
        _segment_gate(segments, thresholds),
        Gate(
            "fast and small", seconds_per_1000_rows <= thresholds.seconds_per_1000_rows and megabytes <= thresholds.megabytes,
            f"{seconds_per_1000_rows:.2f} s for 1,000 rows, {megabytes:.1f} MB",
        ),
    ]  # fmt: skip
    if difference_to_champion is not None:
        d = difference_to_champion
        passed = d.value > 0 and d.low >= thresholds.champion_low
        found = f"paired difference of AUC {d.value:+.4f} (95 % interval {d.low:+.4f} to {d.high:+.4f})"
        gates.append(Gate("better than the champion", passed, found + ("" if passed else "; a tie keeps the champion")))
    return Verdict(tuple(gates))


def _segment_gate(segments: pd.DataFrame | None, thresholds: Thresholds) -> Gate:
    name = "no segment upside down"
    if segments is None or segments.empty:
        return Gate(name, True, "no segment is large enough to ask")
    large = segments[segments["positives"] >= thresholds.segment_positives]
    failing = large[large["auc_high"] < 0.5]
    if failing.empty:
        return Gate(name, True, f"none of {len(large)} segments with {thresholds.segment_positives} or more positives")
    told = [
        f"{r.segment} {r.level}: AUC {r.auc:.3f} ({r.auc_low:.3f} to {r.auc_high:.3f})" for r in failing.itertuples()
    ]
    return Gate(name, False, "; ".join(told))

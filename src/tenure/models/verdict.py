"""Whether a version may become champion: one table of thresholds, one place."""

from __future__ import annotations

from dataclasses import dataclass

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
        failed = [f"{gate.name}: {gate.found}" for gate in self.gates if not gate.passed]
        return "; ".join(failed) if failed else "; ".join(f"{gate.name}: {gate.found}" for gate in self.gates)


def judge(evaluation: Evaluation, difference_to_champion: Auc | None) -> Verdict:
    """Judge a version on its test cutoff: better than its rule, and no worse than the champion on the same customers.

    ``difference_to_champion`` is the paired difference of AUC; None where there is no champion yet.
    """
    rule = evaluation.difference_to_rule
    gates = [
        Gate(
            "better than the rule", rule.value > 0,
            f"AUC {evaluation.metrics['auc']:.3f} against {evaluation.metrics['auc_rule']:.3f} (difference {rule.value:+.3f}, "
            f"95 % interval {rule.low:+.3f} to {rule.high:+.3f})",
        )
    ]  # fmt: skip
    if difference_to_champion is not None:
        d = difference_to_champion
        found = f"paired difference of AUC {d.value:+.4f} (95 % interval {d.low:+.4f} to {d.high:+.4f})"
        gates.append(Gate("no worse than the champion", d.value >= 0 and d.low >= -0.02, found))
    return Verdict(tuple(gates))

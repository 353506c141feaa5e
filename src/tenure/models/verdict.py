"""Whether a version may become champion: one table of thresholds, one place. A gate that cannot be asked fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from tenure.core.auc import Auc
from tenure.models.evaluate import BASELINES, FEATURE, HEURISTIC, Evaluation

if TYPE_CHECKING:
    from tenure.models.version import Version

# How a version stands to the champion: each case of the gate against it.
Standing = Literal[
    "first",
    "same_model",
    "earlier_as_of",
    "quick_against_full",
    "other_definition",
    "full_replaces_quick",
    "compared",
    "recorded",
    "not_comparable",
    "foreign",
]


@dataclass(frozen=True)
class Gate:
    """One question a version must answer with yes. ``code`` tells programs what ``found`` tells readers."""

    name: str
    passed: bool
    found: str
    code: str


@dataclass(frozen=True)
class Verdict:
    """Every gate with what was found."""

    gates: tuple[Gate, ...]

    @property
    def is_promotable(self) -> bool:
        return all(gate.passed for gate in self.gates)

    @property
    def standing(self) -> Gate:
        """The gate against the champion."""
        return next(gate for gate in self.gates if gate.code in get_args(Standing))

    @property
    def is_first_of_definition(self) -> bool:
        """Whether the champion answers another definition: the version was judged against the baseline alone."""
        return self.standing.code == "other_definition"

    @property
    def code(self) -> str:
        """The code of the first gate that failed, else of the one against the champion."""
        return next((gate.code for gate in self.gates if not gate.passed), self.standing.code)

    @property
    def reason(self) -> str:
        """Say in one line why, or why not."""
        failed = [f"did not pass '{gate.name}': {gate.found}" for gate in self.gates if not gate.passed]
        told = [f"{gate.name}: {gate.found}" for gate in self.gates if gate.code == "baseline"]
        return "; ".join(failed or [*told, f"{self.standing.name}: {self.standing.found}"])


# A share of the lift that a model would not be itself without.
CARRIES = 0.10


@dataclass(frozen=True)
class Thresholds:
    """What a version must reach: the one table of them."""

    baseline_low: float = 0.0  # lower end of the paired 95 % interval of AUC against the baseline, above it
    champion_low: float = -0.02  # lower end of the interval against the champion, not below it
    slope_low: float = 0.5  # calibration slope
    slope_high: float = 2.0
    slice_positives: int = 50  # a slice this large may not be ranked upside down
    seconds_per_1000_rows: float = 1.0
    megabytes: float = 50.0


LIMITS = Thresholds()


@dataclass(frozen=True)
class Challenger:
    """What the gate against the champion asks of the version that wants its place; dates are ISO texts."""

    model: str
    fingerprint: str
    as_of: str
    test_cutoff: str
    auc: float
    is_quick: bool


def judge(
    evaluation: Evaluation,
    standing: Gate,
    *,
    taken: str,
    baseline: str,
    words: Mapping[str, str],
    audit_errors: Sequence[str],
    proof: Gate,
    slices: pd.DataFrame,
    seconds_per_1000_rows: float,
    megabytes: float,
    is_quick: bool = False,
    thresholds: Thresholds = LIMITS,
) -> Verdict:
    """Judge a version on its test cutoff; every gate must be passed.

    ``standing`` is the gate ``against_champion``, ``proof`` that of ``stands_on_proof``; ``taken``, ``baseline`` and ``words`` are those of the ``Choice``. A
    quick run, whose sample is too small for intervals, is asked only to be ahead of its baseline.
    """
    m = evaluation.metrics
    return Verdict(
        (
            Gate(
                "no error of the audit",
                not audit_errors,
                "; ".join(audit_errors) or "replay, perturbation, univariate AUC and split found nothing",
                "audit",
            ),
            proof,
            _baseline_gate(evaluation, taken, baseline, words, is_quick, thresholds),
            Gate(
                "calibrated",
                is_quick or thresholds.slope_low <= m["calibration_slope"] <= thresholds.slope_high,
                f"calibration slope {m['calibration_slope']:.2f}, between {thresholds.slope_low} and {thresholds.slope_high} asked"
                + (" of a run that is not quick" if is_quick else ""),
                "calibration",
            ),
            _slice_gate(slices, thresholds),
            Gate(
                "fast and small",
                seconds_per_1000_rows <= thresholds.seconds_per_1000_rows and megabytes <= thresholds.megabytes,
                f"{seconds_per_1000_rows:.2f} s for 1,000 rows, {megabytes:.1f} MB",
                "size",
            ),
            standing,
        )
    )


def stands_on_proof(carried: float, compared: str = "", *, is_required: bool) -> Gate:
    """Ask that proven features carry the lift, where the source requires it; ``carried`` is the share of the others.

    ``compared`` says how much of the past was compared with earlier deliveries.
    """
    found = f"features that no replay can prove carry {carried:.0%} of the lift"
    limit = f"require_proof allows less than {CARRIES:.0%}" if is_required else "require_proof is not set"
    told = f"{found}; {limit}{f'. {compared}' if compared else ''}".removesuffix(".")
    return Gate("stands on what can be proven", not is_required or carried < CARRIES, told, "proof")


def _baseline_gate(
    evaluation: Evaluation,
    taken: str,
    baseline: str,
    words: Mapping[str, str],
    is_quick: bool,
    thresholds: Thresholds,
) -> Gate:
    """Ask a model to beat the best baseline, and not to be beaten by any.

    Who is a baseline has not to beat itself: a logistic regression is asked to beat the heuristic; one feature, which may
    be what the heuristic goes by, and a logistic regression where the heuristic is none, are asked to beat chance.
    """
    gate, m = partial(Gate, "better than the baseline", code="baseline"), evaluation.metrics
    rival = baseline if taken not in BASELINES else "" if taken == FEATURE else HEURISTIC
    if taken in BASELINES and rival not in evaluation.differences:
        difference, against = Auc(*(m[f"auc{end}"] - 0.5 for end in ("", "_low", "_high"))), "0.500 of chance"
    elif rival in evaluation.differences:
        difference, against = evaluation.differences[rival], f"{m[f'auc_{rival}']:.3f} of the {words[rival]}"
    else:
        return gate(passed=False, found=f"the {words[rival]}, the best in the fitting block, ranks nobody any more")
    beaten = [name for name, d in evaluation.differences.items() if name != taken and d.high < 0]
    told = [
        f"AUC {m['auc']:.3f} against {against} (paired difference {_signed(difference)})",
        *(["it is itself the best of the baselines"] if taken == baseline else []),
        *([] if HEURISTIC in evaluation.differences else ["the heuristic is none"]),
        *(f"the {words[name]} beats it: {_signed(evaluation.differences[name])}" for name in beaten),
    ]
    is_ahead = (difference.value if is_quick else difference.low) > thresholds.baseline_low
    return gate(passed=is_ahead and not beaten, found="; ".join(told))


def _signed(d: Auc) -> str:
    return f"{d.value:+.3f}, 95 % interval {d.low:+.3f} to {d.high:+.3f}"


def against_champion(
    champion: Version | None,
    challenger: Challenger,
    *,
    is_same_question: bool | None,
    difference: Auc | None,
    silent: str,
) -> Gate:
    """Compare a version with the champion, if there is one: on the same customers, else by what was recorded at the
    same test cutoff.

    ``difference`` is paired and includes the test cutoff; None where the champion is ``silent`` there.
    ``is_same_question``: None is unknown.
    """
    gate = partial(Gate, "better than the champion")
    if champion is None:
        return gate(True, "no version is champion yet", "first")
    named, by_hand = f"version {champion.version}", f"'tenure promote {challenger.model} VERSION' decides by hand"
    if not champion.fingerprint:
        return gate(False, f"{named} is none that Tenure judged; {by_hand}", "foreign")
    if champion.fingerprint == challenger.fingerprint:
        return gate(True, f"it is {named}, the champion, again: there is nothing to beat", "same_model")
    # As-ofs, or where that of a version of before they were kept is unknown, test cutoffs.
    own, its = (challenger.as_of, champion.as_of) if champion.as_of else (challenger.test_cutoff, champion.test_cutoff)
    if own < its:
        return gate(
            False, f"{own} lies before {its} of {named}: an earlier as-of moves no alias; {by_hand}", "earlier_as_of"
        )
    if challenger.is_quick and not champion.is_quick:
        return gate(
            False, f"{named} is a full model, which no quick one replaces; run without --quick", "quick_against_full"
        )
    if is_same_question is False:
        return gate(
            True,
            f"{named} answers another definition; the first of this one is asked to beat the baseline alone",
            "other_definition",
        )
    if champion.is_quick and not challenger.is_quick:
        return gate(True, f"{named} is quick, and a full model replaces it", "full_replaces_quick")
    if d := difference:
        passed = d.value > 0 and d.low >= LIMITS.champion_low
        found = f"paired difference of AUC {d.value:+.4f} (95 % interval {d.low:+.4f} to {d.high:+.4f})"
        return gate(passed, found + ("" if passed else "; a tie keeps the champion"), "compared")
    at, auc = challenger.test_cutoff, champion.metric("auc")
    if champion.test_cutoff != at or not is_same_question or auc is None:
        return gate(
            False,
            f"{named} cannot be asked at {at} ({silent}) and has no recorded AUC of it; {by_hand}",
            "not_comparable",
        )
    passed = round(challenger.auc, 4) > auc  # recorded with four digits: what they do not tell apart is a tie
    found = (
        f"AUC {challenger.auc:.4f} against {auc:.4f} of {named} (recorded, unpaired, for it cannot be asked: {silent})"
    )
    return gate(passed, found + ("" if passed else f"; {by_hand}"), "recorded")


def _slice_gate(slices: pd.DataFrame, thresholds: Thresholds) -> Gate:
    name, asked = "no slice upside down", f"{thresholds.slice_positives} or more positives"
    large = slices[slices["positives"] >= thresholds.slice_positives]
    if large.empty:
        return Gate(name, True, f"no slice has {asked}: none is large enough to ask", "no_segment")
    failing = large[large["auc_high"] < 0.5]
    if failing.empty:
        which = ", ".join(f"{r.slice} {r.level}" for r in large.itertuples())
        return Gate(name, True, f"none of {len(large)} slices with {asked}: {which}", "segments")
    told = [f"{r.slice} {r.level}: AUC {r.auc:.3f} ({r.auc_low:.3f} to {r.auc_high:.3f})" for r in failing.itertuples()]
    return Gate(name, False, "; ".join(told), "segments")

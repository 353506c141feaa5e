"""What a reader of a training's figures must know."""

from __future__ import annotations

import numpy as np

from tenure.core.auc import STANDARD_ERRORS
from tenure.models.train import UNCONSTRAINED_FOLDS
from tenure.models.training_result import TrainingResult


def warnings_of(result: TrainingResult) -> list[str]:
    """Say what a reader of the numbers must know: how wide an interval so few rows allow, and whether the base rate
    moved.
    """
    e = result.evaluation
    width = expected_half_width(e.positives, e.rows - e.positives)
    lines = [
        f"With {e.positives:,} positives among {e.rows:,} customers the 95 % interval of an AUC near .75 reaches {width:.3f} either way, "
        "whatever the model.",
        *result.plan.remarks,
    ]
    for what, rows, eligible in (
        ("Fitted", result.fitting_rows, result.fitting_eligible),
        ("Tested", e.rows, result.test_eligible),
    ):
        if rows < eligible:
            lines.append(
                f"{what} on a seeded sample, {rows:,} of {eligible:,} rows (customer and cutoff): customers are drawn, each with the same chance and all "
                f"its cutoffs, so every row weighs the same. What bounds it: TENURE_MEMORY, and {result.trained.settings.max_customers:,} customers to fit on."
            )
    lines.append(result.choice.reason)
    if result.monotone_cost is not None:
        c = result.monotone_cost
        held = ", ".join(
            f"{name} {'only raises' if way > 0 else 'only lowers'}" for name, way in result.target.monotone.items()
        )
        lines.append(
            f"Held monotone: {held}. Out of fold, on {UNCONSTRAINED_FOLDS} of the {result.trained.settings.folds} folds, this moves the AUC of the trees by {c.value:+.4f} (95 % interval {c.low:+.4f} to {c.high:+.4f})."
        )
    before = result.funnel[result.funnel["cutoff"].isin(result.plan.fitting)]
    rate = before["positives"].sum() / max(before["eligible"].sum(), 1)
    last = before.iloc[-1]
    chance = rate_shift(e.positives, e.rows, int(last["positives"]), int(last["eligible"]))
    if chance < 0.01:
        lines.append(
            f"The base rate moved: {e.metrics['base_rate']:.1%} at {result.plan.test}, {last['base_rate']:.1%} at {last['cutoff']} and {rate:.1%} over all "
            f"fitting cutoffs (p = {chance:.2g}). Propensities promise the former level."
        )
    return lines


def expected_half_width(positives: int, negatives: int, auc: float = 0.75) -> float:
    """Return how far the 95 % interval of an AUC must reach either way with so many positives and negatives.

    Source: Hanley and McNeil (1982).
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(STANDARD_ERRORS * np.sqrt(variance / (positives * negatives)))


def rate_shift(positives: int, rows: int, former_positives: int, former_rows: int) -> float:
    """Return the p-value that two label rates are one (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    table = [[positives, rows - positives], [former_positives, former_rows - former_positives]]
    return float(fisher_exact(table)[1])

"""One target's training from snapshots to a tested model: fitting block, embargo, one look at the test cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from tenure.features.definition import FeatureColumn
from tenure.models.evaluate import Evaluation, evaluate, expected_half_width, rate_shift
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.plain import plain_propensities
from tenure.models.segments import evaluate_segments
from tenure.models.settings import TrainingSettings
from tenure.models.train import TrainedModel, train_model
from tenure.snapshots import Snapshots, check_positives
from tenure.targets.definition import Target
from tenure.time_windows import CutoffPlan


@dataclass(frozen=True)
class Study:
    """A trained model with all that speaks for or against it.

    ``test``: customer_id, cutoff, label, propensity, plain_propensity, rule_score, revenue and the features, one row per eligible customer at
    the test cutoff. ``fitting_texts``: cutoff, label and the text features of the fitting rows. ``funnel``: cutoff, known,
    eligible, positives, base_rate. ``segments`` as ``evaluate_segments`` gives them.
    """

    target: Target
    plan: CutoffPlan
    trained: TrainedModel
    evaluation: Evaluation
    test: pd.DataFrame
    fitting_texts: pd.DataFrame
    funnel: pd.DataFrame
    segments: pd.DataFrame
    fitting_rows: int
    fitting_customers: int
    fitting_positives: int
    was_sampled: bool
    dropped_features: list[str]

    @property
    def model(self) -> PropensityModel:
        return self.trained.model


def study_target(
    snapshots: Snapshots, target: Target, settings: TrainingSettings, *, test_cutoff: date | None = None
) -> Study:
    """Fit on the fitting cutoffs, test once at the test cutoff.

    Raises
    ------
    NotEnoughDataError : too little history or too few positives; says what would suffice.
    """
    plan = snapshots.plan(target, test_cutoff)
    columns, dropped = snapshots.usable_columns(target, plan)
    snapshots.build_features(plan.all)
    snapshots.build_labels(target, plan.all)
    funnel = snapshots.funnel(target, plan.all)
    check_positives(target, _counts(funnel, plan.fitting), _counts(funnel, [plan.test]))
    # Comparisons read columns the model may have dropped.
    fitting = snapshots.table(
        target, plan.fitting, snapshots.columns, max_customers=settings.max_customers, seed=settings.seed
    )
    labels = fitting["label"].to_numpy(dtype=int)
    useful = [column for column in columns if fitting[column.name].nunique(dropna=False) > 1]
    trained = train_model(
        fitting, labels, fitting["customer_id"].to_numpy(), [meaning_of(column) for column in useful], settings,
        about=_about(snapshots, target, plan),
    )  # fmt: skip
    test = snapshots.table(target, [plan.test], snapshots.columns)
    test.insert(3, "propensity", trained.model.propensities(test))
    plain = plain_propensities(fitting, labels, test, [name for name in target.plain_features if name not in dropped])
    test.insert(4, "plain_propensity", plain)
    evaluation = evaluate(test["label"].to_numpy(), test["propensity"].to_numpy(), test["rule_score"].to_numpy(), plain)
    eligible = int(_counts(funnel, plan.fitting)["rows"])
    return Study(
        target=target, plan=plan, trained=trained, evaluation=evaluation, test=test, fitting_texts=fitting[["cutoff", "label", *_texts(fitting, useful)]],
        funnel=funnel, segments=evaluate_segments(test, _segment_columns(useful)), fitting_rows=len(fitting),
        fitting_customers=int(fitting["customer_id"].nunique()), fitting_positives=int(labels.sum()),
        was_sampled=len(fitting) < eligible, dropped_features=dropped,
    )  # fmt: skip


def cautions(study: Study) -> list[str]:
    """Say what a reader of the numbers must know: how wide an interval so few rows allow, and whether the base rate moved."""
    e = study.evaluation
    width = expected_half_width(e.positives, e.rows - e.positives)
    lines = [
        f"With {e.positives:,} positives among {e.rows:,} customers the 95 % interval of an AUC near .75 reaches {width:.3f} either way, "
        "whatever the model."
    ]
    before = study.funnel[study.funnel["cutoff"].isin(study.plan.fitting)]
    rate = before["positives"].sum() / max(before["eligible"].sum(), 1)
    last = before.iloc[-1]
    chance = rate_shift(e.positives, e.rows, int(last["positives"]), int(last["eligible"]))
    if chance < 0.01:
        lines.append(
            f"The base rate moved: {e.metrics['base_rate']:.1%} at {study.plan.test}, {last['base_rate']:.1%} at {last['cutoff']} and {rate:.1%} over all "
            f"fitting cutoffs (p = {chance:.2g}). Propensities promise the former level."
        )
    return lines


def _texts(table: pd.DataFrame, columns: Sequence[FeatureColumn]) -> list[str]:
    return [column.name for column in columns if not pd.api.types.is_numeric_dtype(table[column.name])]


def _segment_columns(columns: Sequence[FeatureColumn]) -> list[str]:
    """Choose what customers are split by: plan, tenure, who they are (region and the like), and what they brought."""
    names = [column.name for column in columns if column.driver == "who they are"]
    present = {column.name for column in columns}
    return [
        *(n for n in ("plan", "subscription_tenure_days", "days_since_first_order") if n in present),
        *names,
        "revenue",
    ]


def meaning_of(column: FeatureColumn) -> FeatureMeaning:
    """Turn a catalogue column into what the model keeps of it."""
    return FeatureMeaning(column.name, column.driver, column.unit, column.noun, column.meaning, column.window_days)


def _about(snapshots: Snapshots, target: Target, plan: CutoffPlan) -> dict[str, Any]:
    return {
        "source": snapshots.staged.source.name,
        "target": target.name,
        "question": target.describe(),
        "currency": snapshots.staged.source.currency,
        "horizon_days": target.horizon_days,
        "lead_days": target.lead_days,
        "label_lag_days": target.label_lag_days,
        "fitting_cutoffs": [str(cutoff) for cutoff in plan.fitting],
        "test_cutoff": str(plan.test),
        # The first day whose facts the fit has not seen: earlier as-ofs would be hindsight.
        "fitted_through": str(max(target.window.certain_on(cutoff) for cutoff in plan.fitting)),
        "data": snapshots.staged.fingerprint,
    }


def _counts(funnel: pd.DataFrame, cutoffs: Sequence[date]) -> dict[str, int]:
    rows = funnel[funnel["cutoff"].isin(list(cutoffs))]
    return {"rows": int(rows["eligible"].sum()), "positives": int(rows["positives"].sum())}

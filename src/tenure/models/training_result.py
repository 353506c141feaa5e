"""One target's training from snapshots to a tested model: fitting block, embargo, one look at the test cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.memory import rows_that_fit
from tenure.core.time_windows import CutoffPlan
from tenure.features.definition import FeatureColumn, column_name
from tenure.models.choice import Choice, choose_model
from tenure.models.cross_fit import grouped_folds
from tenure.models.evaluate import Auc, Evaluation, auc_difference, evaluate, expected_half_width, rate_shift
from tenure.models.kept_fits import KeptFits
from tenure.models.logistic_baseline import train_logistic
from tenure.models.model import FeatureMeaning, PropensityModel
from tenure.models.segments import evaluate_segments
from tenure.models.settings import TrainingSettings
from tenure.models.sufficiency import check_positives
from tenure.models.train import UNCONSTRAINED_FOLDS, TrainedModel, train_model
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import count_funnel, read_rows
from tenure.targets.definition import Target

SAMPLE_ROWS = 1500


@dataclass(frozen=True)
class TrainingResult:
    """A trained model with all that speaks for or against it.

    ``test``: customer_id, cutoff, label, propensity, logistic_propensity, heuristic_score, revenue and the features, one row per eligible customer at
    the test cutoff. ``choice``: trees or logistic regression, and why. ``monotone_cost``: out-of-fold AUC of the trees less that of
    trees without the target's monotone constraints, on a few folds; None where there is none, or nobody asked. ``fitting_texts``: cutoff, label and the text features of the fitting rows. ``funnel``: cutoff, known,
    eligible, positives, base_rate. ``fitting_eligible`` and ``test_eligible`` count the rows that a seeded sample was drawn from. ``segments`` as ``evaluate_segments`` gives them.
    """

    target: Target
    plan: CutoffPlan
    choice: Choice
    monotone_cost: Auc | None
    evaluation: Evaluation
    test: pd.DataFrame
    fitting_texts: pd.DataFrame
    funnel: pd.DataFrame
    segments: pd.DataFrame
    fitting_rows: int
    fitting_customers: int
    fitting_positives: int
    fitting_eligible: int
    test_eligible: int
    dropped_features: list[str]

    def __repr__(self) -> str:
        fitted = f"fitted on {self.fitting_rows:,} rows, tested on {len(self.test):,} at {self.plan.test}"
        return f"<TrainingResult {self.target.name}: AUC {self.evaluation.metrics['auc']:.3f}, {fitted}>"

    @property
    def was_sampled(self) -> bool:
        return self.fitting_rows < self.fitting_eligible

    @cached_property
    def sample(self) -> pd.DataFrame:
        """A seeded sample of the test customers: pictures and rankings of features need no more."""
        return self.test.sample(min(len(self.test), SAMPLE_ROWS), random_state=7).reset_index(drop=True)

    @cached_property
    def contributions(self) -> np.ndarray:
        """Exact contributions of the sample, the base last, in log-odds."""
        return self.model.contributions(self.sample)

    @property
    def trained(self) -> TrainedModel:
        return self.choice.trained

    @property
    def model(self) -> PropensityModel:
        return self.trained.model


def train_target(
    snapshots: Snapshots,
    target: Target,
    settings: TrainingSettings,
    *,
    test_cutoff: date | None = None,
    with_monotone_cost: bool = False,
) -> TrainingResult:
    """Fit on the fitting cutoffs, choose the form out of fold, test once at the test cutoff.

    Raises
    ------
    NotEnoughDataError : too little history or too few positives; says what would suffice.
    """
    plan = snapshots.plan(target, test_cutoff)
    snapshots.build_features(plan.all)
    snapshots.build_labels(target, plan.all)
    funnel = count_funnel(snapshots, target, plan.all)
    fitting_counts, test_counts = _counts(funnel, plan.fitting), _counts(funnel, [plan.test])
    check_positives(target, fitting_counts, test_counts)
    fit = _fit(snapshots, target, plan, settings, with_monotone_cost=with_monotone_cost)
    test = read_rows(
        snapshots, target, [plan.test], snapshots.columns, max_rows=rows_that_fit(len(snapshots.columns), snapshots.memory), seed=settings.seed
    )  # fmt: skip
    test.insert(3, "propensity", fit.choice.trained.model.propensities(test))
    test.insert(4, "logistic_propensity", fit.logistic.model.propensities(test))
    evaluation = evaluate(
        test["label"].to_numpy(), test["propensity"].to_numpy(), test["heuristic_score"].to_numpy(), test["logistic_propensity"].to_numpy(),
        capacity=target.contact_capacity,
    )  # fmt: skip
    return TrainingResult(
        target=target, plan=plan, choice=fit.choice, monotone_cost=fit.monotone_cost, evaluation=evaluation, test=test,
        fitting_texts=fit.texts, funnel=funnel, segments=evaluate_segments(test, _segment_columns(fit.columns)),
        fitting_rows=fit.rows, fitting_customers=fit.customers, fitting_positives=fit.positives,
        fitting_eligible=fitting_counts["rows"], test_eligible=test_counts["rows"], dropped_features=fit.dropped,
    )  # fmt: skip


@dataclass(frozen=True)
class _Fit:
    """What came of the fitting block; its table is gone before the test cutoff's is read."""

    choice: Choice
    logistic: TrainedModel
    monotone_cost: Auc | None
    columns: list[FeatureColumn]
    dropped: list[str]
    texts: pd.DataFrame
    rows: int
    customers: int
    positives: int


def _fit(
    snapshots: Snapshots, target: Target, plan: CutoffPlan, settings: TrainingSettings, *, with_monotone_cost: bool
) -> _Fit:
    """Fit trees and the logistic regression on the stacked fitting cutoffs, and choose between them out of fold."""
    columns, dropped = snapshots.usable_columns(target, plan)
    fitting = read_rows(
        snapshots, target, plan.fitting, columns, max_customers=settings.max_customers, max_rows=rows_that_fit(len(columns), snapshots.memory), seed=settings.seed
    )  # fmt: skip
    labels, customers = fitting["label"].to_numpy(dtype=int), fitting["customer_id"].to_numpy()
    useful = [column for column in columns if fitting[column.name].nunique(dropna=False) > 1]
    meanings = [meaning_of(column) for column in useful]
    monotone = _monotone(target, useful)
    with_cost = with_monotone_cost and bool(monotone)
    asked = ["label", "customer_id", *(meaning.name for meaning in meanings)]
    kept = KeptFits.of(snapshots.workspace.fits(snapshots.staged.source.name, target.name), fitting, asked)
    folds = cache(lambda: grouped_folds(labels, customers, settings))
    made_with = ("trees", settings, meanings, sorted(monotone.items()), with_cost)
    trees = kept.find(*made_with)
    if trees is None:
        trained = train_model(
            fitting, labels, customers, meanings, settings, monotone=monotone, folds=folds(), with_unconstrained=with_cost
        )  # fmt: skip
        trees = kept.keep(trained, *made_with)
    made_logistic_with = ("logistic regression", settings, meanings, sorted(target.logistic_features))
    logistic = kept.find(*made_logistic_with)
    if logistic is None:
        handful = [meaning for meaning in meanings if meaning.name in target.logistic_features]
        logistic = kept.keep(
            train_logistic(fitting, labels, customers, handful, settings, folds=folds()), *made_logistic_with
        )
    cost = None
    if trees.unconstrained is not None:
        seen = ~np.isnan(trees.unconstrained)
        cost = auc_difference(labels[seen], trees.out_of_fold[seen], trees.unconstrained[seen], customers[seen])
    about = _about(snapshots, target, plan)
    trees, logistic = trees.told(about), logistic.told(about)
    return _Fit(
        choice=choose_model(trees, logistic, labels, customers), logistic=logistic, monotone_cost=cost, columns=useful, dropped=dropped,
        texts=fitting[["cutoff", "label", *_texts(fitting, useful)]].copy(), rows=len(fitting),
        customers=int(fitting["customer_id"].nunique()), positives=int(labels.sum()),
    )  # fmt: skip


def _monotone(target: Target, columns: Sequence[FeatureColumn]) -> dict[str, int]:
    """Spell the target's constraints out over the windows of each feature."""
    return {
        column.name: way
        for column in columns
        for name, way in target.monotone.items()
        if column.name == column_name(name, column.window_days)
    }


def cautions(result: TrainingResult) -> list[str]:
    """Say what a reader of the numbers must know: how wide an interval so few rows allow, and whether the base rate moved."""
    e = result.evaluation
    width = expected_half_width(e.positives, e.rows - e.positives)
    lines = [
        f"With {e.positives:,} positives among {e.rows:,} customers the 95 % interval of an AUC near .75 reaches {width:.3f} either way, "
        "whatever the model."
    ]
    for what, rows, eligible in (
        ("Fitted", result.fitting_rows, result.fitting_eligible), ("Tested", e.rows, result.test_eligible)
    ):  # fmt: skip
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
        "definition": target.fingerprint,
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

"""One target's training from snapshots to a tested model: fitting block, embargo, one look at the test cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from tenure.core.errors import DefinitionError, UnknownNameError
from tenure.core.memory import rows_that_fit
from tenure.core.plugins import Plugin
from tenure.core.time_windows import CutoffPlan
from tenure.features.definition import FeatureColumn
from tenure.models.acted import without_acted
from tenure.models.estimators.catalogue import TREES, find_estimator
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.evaluate import BASELINES, FEATURE, HEURISTIC, LOGISTIC, Evaluation, as_ranking, evaluate
from tenure.models.fit_target import Fit, fit_target
from tenure.models.model import PropensityModel
from tenure.models.slices import evaluate_slices
from tenure.models.train import TrainedModel
from tenure.snapshots.asked_cutoffs import plan_asked
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import count_funnel, read_rows, telling_heuristics
from tenure.sources.source import Source
from tenure.targets.definition import Target
from tenure.targets.sufficiency import check_positives

SAMPLE_ROWS = 1500
# Columns of the test rows: what each baseline ranks by.
SCORES = {HEURISTIC: "heuristic_score", FEATURE: "feature_propensity", LOGISTIC: "logistic_propensity"}


@dataclass(frozen=True)
class TrainingResult(Fit):
    """A trained model with all that speaks for or against it.

    ``test``: customer_id, cutoff, label, propensity, feature_propensity, logistic_propensity, heuristic_score, revenue
    and the features, one row per eligible customer at the test cutoff. ``funnel``: cutoff, known, eligible, positives, base_rate.
    ``fitting_eligible`` and ``test_eligible`` count the rows that a seeded sample was drawn from, ``test_acted`` those that
    left the test as ``fitting_acted`` left the fit. ``slices`` as ``evaluate_slices`` gives them.
    """

    target: Target
    plan: CutoffPlan
    evaluation: Evaluation
    test: pd.DataFrame
    funnel: pd.DataFrame
    slices: pd.DataFrame
    fitting_eligible: int
    test_eligible: int
    test_acted: int | None = None

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
    def rival(self) -> str:
        """The baseline that the model is shown against: the best in the fitting block, or where it is that itself, another."""
        names = (self.choice.baseline, *BASELINES)
        return next(n for n in names if n in self.evaluation.differences and n != self.choice.taken)

    @property
    def rival_scores(self) -> np.ndarray:
        """What the rival ranks the test rows by, higher is likelier."""
        return as_ranking(self.test[SCORES[self.rival]])

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
    acted: pd.DataFrame | None = None,
) -> TrainingResult:
    """Fit on the fitting cutoffs, choose model and baseline out of fold, test once at the test cutoff.

    ``acted``: customer_id, acted_at, of all to whom an action was sent; None where the source has no actions. Their rows
    leave fit and test where it was sent before the outcome.

    Raises
    ------
    DefinitionError : the source's settings name an estimator that nobody brings.
    NotEnoughDataError : too little history or too few positives; says what would suffice.
    """
    estimator = _asked_estimator(target, snapshots.staged.source)
    plan = plan_asked(snapshots, target, test_cutoff)
    snapshots.build_labels(target, plan.all)
    funnel = count_funnel(snapshots, target, plan.all)
    fitting_counts, test_counts = _counts(funnel, plan.fitting), _counts(funnel, [plan.test])
    check_positives(target, fitting_counts, test_counts)
    target = replace(target, heuristic=telling_heuristics(snapshots, target, plan.fitting)[:1])
    fit = fit_target(snapshots, target, plan, settings, estimator, with_monotone_cost=with_monotone_cost, acted=acted)
    most = rows_that_fit(len(snapshots.columns), snapshots.memory)
    test = read_rows(snapshots, target, [plan.test], snapshots.columns, max_rows=most, seed=settings.seed)
    test, left = without_acted(test, acted, target)
    scores = {name: trained.model.propensities(test) for name, trained in fit.choice.fits.items()}
    scores[HEURISTIC] = as_ranking(test["heuristic_score"])
    labels = test["label"].to_numpy()
    fit = replace(fit, choice=fit.choice.confirmed(labels, scores))
    test.insert(3, "propensity", scores[fit.choice.taken])
    for place, name in enumerate((FEATURE, LOGISTIC), start=4):
        test.insert(place, f"{name}_propensity", scores[name])
    baselines = {name: scores[name] for name in BASELINES}
    return TrainingResult(
        **vars(fit),
        target=target,
        plan=plan,
        evaluation=evaluate(
            labels, scores[fit.choice.taken], baselines, baseline=fit.choice.baseline, capacity=target.contact_capacity
        ),
        test=test,
        funnel=funnel,
        slices=evaluate_slices(test, _slice_columns(fit.columns)),
        fitting_eligible=fitting_counts["rows"] - (fit.fitting_acted or 0),
        test_eligible=test_counts["rows"] - (left or 0),
        test_acted=left,
    )


def _asked_estimator(target: Target, source: Source) -> Plugin:
    """Find the estimator that the source's settings name for a target; by default trees."""
    try:
        return find_estimator(target.estimator or TREES.name, source.folder)
    except UnknownNameError as error:
        raise DefinitionError(f"{source.where} [targets.{target.name}] estimator: {error}") from None


def _slice_columns(columns: Sequence[FeatureColumn]) -> list[str]:
    """Choose what customers are split by: plan, tenure, who they are (region and the like), and what they brought."""
    names = [column.name for column in columns if column.driver == "who they are"]
    present = {column.name for column in columns}
    return [
        *(n for n in ("plan", "subscription_tenure_days", "days_since_first_order") if n in present),
        *names,
        "revenue",
    ]


def _counts(funnel: pd.DataFrame, cutoffs: Sequence[date]) -> dict[str, int]:
    rows = funnel[funnel["cutoff"].isin(list(cutoffs))]
    return {"rows": int(rows["eligible"].sum()), "positives": int(rows["positives"].sum())}

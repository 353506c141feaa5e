"""The fitting block of one target: an estimator and the baselines are fitted, and one of them is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from tenure.core.auc import Auc, auc_difference
from tenure.core.errors import NotEnoughDataError
from tenure.core.memory import rows_that_fit
from tenure.core.plugins import Plugin
from tenure.core.time_windows import CutoffPlan
from tenure.features.definition import FeatureColumn, column_name
from tenure.models.acted import without_acted
from tenure.models.best_feature import train_best_feature
from tenure.models.choice import Choice, choose_model
from tenure.models.estimators.catalogue import LOGISTIC
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.evaluate import FEATURE
from tenure.models.folds import grouped_folds
from tenure.models.kept_fits import KeptFits
from tenure.models.model import FeatureMeaning
from tenure.models.train import TrainedModel, train_logistic, train_model
from tenure.snapshots.build import Snapshots
from tenure.snapshots.rows import read_rows
from tenure.targets.definition import Target


@dataclass(frozen=True)
class Fit:
    """What came of the fitting block; its table is gone before the test cutoff's is read.

    ``choice``: what was taken, and why. ``monotone_cost``: its out-of-fold AUC less that without the
    target's monotone constraints, on a few folds; None where there are none, or nobody asked. ``fitting_texts``:
    cutoff, label and the text features of the fitting rows. ``fitting_acted``: rows that left because an action may have
    changed their outcome; None where the source has no actions.
    """

    choice: Choice
    monotone_cost: Auc | None
    columns: list[FeatureColumn]
    dropped_features: list[str]
    fitting_texts: pd.DataFrame
    fitting_rows: int
    fitting_customers: int
    fitting_positives: int
    fitting_acted: int | None


def fit_target(
    snapshots: Snapshots,
    target: Target,
    plan: CutoffPlan,
    settings: TrainingSettings,
    estimator: Plugin,
    *,
    with_monotone_cost: bool,
    acted: pd.DataFrame | None = None,
) -> Fit:
    """Fit an estimator and the baselines on the stacked fitting cutoffs, and choose one out of fold.

    Rows of who was ``acted`` on (customer_id, acted_at) before their outcome leave.

    Raises
    ------
    NotEnoughDataError : all customers are alike in every feature.
    """
    columns, dropped = snapshots.usable_columns(target, plan)
    most = rows_that_fit(len(columns), snapshots.memory)
    fitting = read_rows(
        snapshots,
        target,
        plan.fitting,
        columns,
        max_customers=settings.max_customers,
        max_rows=most,
        seed=settings.seed,
    )
    fitting, left = without_acted(fitting, acted, target)
    labels, customers = fitting["label"].to_numpy(dtype=int), fitting["customer_id"].to_numpy()
    useful = [column for column in columns if fitting[column.name].nunique(dropna=False) > 1]
    if not useful:
        raise NotEnoughDataError(
            f"{target.name}: the {len(fitting):,} fitting rows are alike in each of {len(columns)} features. "
            "Expected one that tells customers apart; bring another table, such as usage, or attributes of customers."
        )
    fits = {
        name: trained.told(_about(snapshots, target, plan))
        for name, trained in _fit_all(
            snapshots, target, settings, estimator, fitting, useful, with_monotone_cost
        ).items()
    }
    return Fit(
        choice=choose_model(
            fits, fitting["heuristic_score"].to_numpy(), labels, customers, is_asked_for=bool(target.estimator)
        ),
        monotone_cost=_cost(fits[estimator.name], labels, customers),
        columns=useful,
        dropped_features=dropped,
        fitting_texts=fitting[["cutoff", "label", *_texts(fitting, useful)]].copy(),
        fitting_rows=len(fitting),
        fitting_customers=int(fitting["customer_id"].nunique()),
        fitting_positives=int(labels.sum()),
        fitting_acted=left,
    )


def _fit_all(
    snapshots: Snapshots,
    target: Target,
    settings: TrainingSettings,
    estimator: Plugin,
    fitting: pd.DataFrame,
    useful: Sequence[FeatureColumn],
    with_monotone_cost: bool,
) -> dict[str, TrainedModel]:
    """Fit the best single feature, the logistic regression and the estimator, each once for the same rows, settings and
    code; the simplest comes first.
    """
    labels, customers = fitting["label"].to_numpy(dtype=int), fitting["customer_id"].to_numpy()
    meanings = [meaning_of(column) for column in useful]
    monotone = _monotone(target, useful)
    with_cost = with_monotone_cost and bool(monotone)
    source = snapshots.staged.source
    asked = ["label", "customer_id", *(meaning.name for meaning in meanings)]
    kept = KeptFits.of(snapshots.workspace.fits(source.name, target.name), fitting, asked, source.folder)
    folds = cache(lambda: grouped_folds(labels, customers, settings))

    rows = (fitting, labels, customers, meanings, settings)
    # What each is fitted by, and beside the rows what it depends on.
    ways: dict[str, tuple[Callable[..., TrainedModel], tuple[object, ...]]] = {
        FEATURE: (partial(train_best_feature, *rows), (FEATURE, settings, meanings)),
        LOGISTIC.name: (partial(train_logistic, *rows), (LOGISTIC.name, settings, meanings)),
    }
    if estimator.name != LOGISTIC.name:
        ways[estimator.name] = (
            partial(train_model, *rows, monotone=monotone, with_unconstrained=with_cost, estimator=estimator),
            (estimator.name, estimator.code, settings, meanings, sorted(monotone.items()), with_cost),
        )
    fits = {}
    # One thread of linear algebra: the same last bits on any number of cores. Beside another training several would
    # wait for each other, and take four times as long.
    with threadpool_limits(1, user_api="blas"):
        for name, (fit, made_with) in ways.items():
            found = kept.find(*made_with)
            fits[name] = kept.keep(fit(folds=folds()), *made_with) if found is None else found
    return fits


def _cost(main: TrainedModel, labels: np.ndarray, customers: np.ndarray) -> Auc | None:
    """Return what the monotone constraints cost, on the rows of the folds that were fitted without them, too."""
    if main.unconstrained is None:
        return None
    seen = ~np.isnan(main.unconstrained)
    return auc_difference(labels[seen], main.out_of_fold[seen], main.unconstrained[seen], customers[seen])


def _monotone(target: Target, columns: Sequence[FeatureColumn]) -> dict[str, int]:
    """Spell the target's constraints out over the windows of each feature."""
    return {
        column.name: way
        for column in columns
        for name, way in target.monotone.items()
        if column.name == column_name(name, column.window_days)
    }


def _texts(table: pd.DataFrame, columns: Sequence[FeatureColumn]) -> list[str]:
    return [column.name for column in columns if not pd.api.types.is_numeric_dtype(table[column.name])]


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

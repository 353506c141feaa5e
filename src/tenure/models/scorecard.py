"""A model's record over several out-of-time cutoffs: the same recipe fitted anew before each, tested once at each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from tenure.core.auc import Auc, auc_with_interval, mean_auc_difference
from tenure.core.errors import NotEnoughDataError
from tenure.core.time_windows import EARLIER_TESTS, spaced_back
from tenure.models.estimators.settings import TrainingSettings
from tenure.models.evaluate import BASELINES, FEATURE, HEURISTIC, LOGISTIC, as_ranking
from tenure.models.explain import driver_contributions
from tenure.models.model import PropensityModel
from tenure.models.training_result import SCORES, TrainingResult, train_target
from tenure.snapshots.build import Snapshots
from tenure.targets.definition import Target

WALK_CUTOFFS = EARLIER_TESTS + 1
# The walk judges the recipe, not the version: fewer folds and larger steps come within .001 of its AUC in a third of
# the time.
WALK_FOLDS = 3
WALK_STEP = 2
SHOWN = (
    "auc",
    "auc_low",
    "auc_high",
    *(f"auc_{name}" for name in BASELINES),
    "auc_baseline",
    "average_precision",
    "average_precision_low",
    "average_precision_high",
    "log_loss",
    "log_loss_low",
    "log_loss_high",
    "ece",
    "ece_low",
    "ece_high",
    "ece_by_chance",
    "calibration_slope",
    "calibration_slope_low",
    "calibration_slope_high",
    "calibration_intercept",
    "lift_top_decile",
    "lift_top_decile_low",
    "lift_top_decile_high",
    "capacity",
    "lift_at_capacity",
    "lift_at_capacity_low",
    "lift_at_capacity_high",
    "base_rate",
)
CHAMPION_PROPENSITY = "champion_propensity"


@dataclass(frozen=True)
class Scorecard:
    """A recipe at several cutoffs, oldest first; the last row is the version at T.

    ``cutoffs``: cutoff, eligible, positives and the metrics of ``evaluate``, with auc_champion where the champion was
    fitted on nothing later. ``differences``: compared_with, cutoffs, difference, low, high: mean paired difference of
    AUC. ``drivers``: driver, then per cutoff its share of all mean absolute contributions, strongest at T first.
    ``silent`` says why the champion was not asked at T, and so nowhere; ``remarks`` which cutoffs could not be tested.
    """

    cutoffs: pd.DataFrame
    differences: pd.DataFrame
    drivers: pd.DataFrame
    silent: str = ""
    remarks: tuple[str, ...] = ()

    def difference_to(self, compared_with: str) -> Auc | None:
        """Return the mean paired difference to ``baseline``, ``heuristic``, ``best single feature``,
        ``logistic regression`` or ``champion``.

        None where not compared.
        """
        rows = self.differences[self.differences["compared_with"] == compared_with]
        return None if rows.empty else Auc(*rows[["difference", "low", "high"]].iloc[0])

    @property
    def driver_agreement(self) -> float | None:
        """Rank correlation (Spearman) of the drivers' shares at T and at the cutoff before.

        None with one cutoff or driver.
        """
        from scipy.stats import spearmanr

        shares = self.drivers.drop(columns="driver")
        if shares.shape[1] < 2 or len(shares) < 3:
            return None
        return float(spearmanr(shares.iloc[:, -2], shares.iloc[:, -1]).statistic)


def walk(
    snapshots: Snapshots,
    target: Target,
    settings: TrainingSettings,
    last: TrainingResult,
    *,
    cutoffs: int = WALK_CUTOFFS,
    champion: PropensityModel | None = None,
    acted: pd.DataFrame | None = None,
) -> Scorecard:
    """Fit and test the recipe at up to ``cutoffs`` cutoffs; ``last`` is the study at T, which counts as one.

    The champion is asked only at cutoffs at or after the end of what it was fitted on: elsewhere it knows the answers.
    """
    results, remarks = [last], []
    for cutoff in reversed(walk_cutoffs(last, cutoffs - 1)):
        try:
            quicker = replace(
                settings,
                folds=min(settings.folds, WALK_FOLDS),
                tune_trials=0,
                learning_rate=settings.learning_rate * WALK_STEP,
                early_stopping_trees=settings.early_stopping_trees // WALK_STEP,
            )
            results.insert(0, train_target(snapshots, target, quicker, test_cutoff=cutoff, acted=acted))
        except NotEnoughDataError as error:
            remarks.append(f"Left out of the earlier cutoffs, {cutoff}: {error}")
    silent = "" if champion is None else why_silent(champion, last)
    tested = [_with_champion(result, None if silent else champion) for result in results]
    return Scorecard(_rows(results, tested), _differences(tested), _drivers(results), silent, tuple(remarks))


def _with_champion(result: TrainingResult, champion: PropensityModel | None) -> pd.DataFrame:
    scores = {name: result.test[column] for name, column in SCORES.items() if name in result.evaluation.differences}
    test = result.test[["customer_id", "label", "propensity"]].assign(
        **{name: as_ranking(score) for name, score in scores.items()}
    )
    if result.choice.baseline in scores:
        test["baseline"] = test[result.choice.baseline]
    if champion is None or why_silent(champion, result):
        return test
    return test.assign(**{CHAMPION_PROPENSITY: champion.propensities(result.test)})


def why_silent(champion: PropensityModel, result: TrainingResult) -> str:
    """Say why a model cannot be asked at a study's test cutoff; nothing where it can."""
    fitted_through = champion.about["fitted_through"]
    if date.fromisoformat(fitted_through) > result.plan.test:
        return f"it was fitted on outcomes until {fitted_through}"
    if missing := sorted({*champion.feature_names} - {*result.test.columns}):
        return f"the source cannot give {len(missing)} of its features any more, first {missing[0]}"
    return ""


def walk_cutoffs(last: TrainingResult, count: int) -> list[date]:
    """Choose the latest walk cutoffs before T that leave a fitting cutoff, about a month apart."""
    window = last.target.window
    possible = [c for c in last.plan.walk if any(window.is_matured(f, c) for f in last.plan.walk if f < c)]
    return spaced_back(possible, last.plan.test)[-count:] if count > 0 else []


def _rows(results: Sequence[TrainingResult], tested: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"cutoff": str(s.plan.test), "eligible": s.evaluation.rows, "positives": s.evaluation.positives}
            | {name: s.evaluation.metrics.get(name) for name in SHOWN}
            | {"auc_champion": _champion_auc(table)}
            for s, table in zip(results, tested, strict=True)
        ]
    )


def _champion_auc(test: pd.DataFrame) -> float | None:
    if CHAMPION_PROPENSITY not in test:
        return None
    return auc_with_interval(test["label"].to_numpy(), test[CHAMPION_PROPENSITY].to_numpy()).value


def _differences(tested: Sequence[pd.DataFrame]) -> pd.DataFrame:
    rows = []
    for name, other in (
        ("baseline", "baseline"),
        ("heuristic", HEURISTIC),
        ("best single feature", FEATURE),
        ("logistic regression", LOGISTIC),
        ("champion", CHAMPION_PROPENSITY),
    ):
        parts = [
            (t["customer_id"].to_numpy(), t["label"].to_numpy(), t["propensity"].to_numpy(), t[other].to_numpy())
            for t in tested
            if other in t
        ]
        if parts:
            found = mean_auc_difference(parts)
            rows.append((name, len(parts), found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["compared_with", "cutoffs", "difference", "low", "high"])


def _drivers(results: Sequence[TrainingResult]) -> pd.DataFrame:
    shares = {}
    for result in results:
        strength = driver_contributions(result.model, result.contributions).abs().mean()
        shares[str(result.plan.test)] = strength / max(float(strength.sum()), 1e-12)
    table = pd.DataFrame(shares).fillna(0.0)
    ordered = table.sort_values(table.columns[-1], ascending=False, kind="stable")
    return ordered.rename_axis("driver").reset_index()

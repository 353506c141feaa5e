"""How good a model is, each number with its interval and next to what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.core.auc import CONFIDENCE, STANDARD_ERRORS, Auc, auc_difference, auc_with_interval
from tenure.models.resampling import BINS, metric_intervals

# The baselines, the simplest first: what a team would rank by, the best single feature, a logistic regression on all.
BASELINES = HEURISTIC, FEATURE, LOGISTIC = "heuristic", "feature", "logistic"


@dataclass(frozen=True)
class Evaluation:
    """A model at one test cutoff, next to its baselines and the base rate.

    ``differences``: AUC of the model less that of each baseline, paired. A heuristic that tells nobody apart is in none
    of the figures.
    ``deciles``: decile, customers, positives, label_rate, lift, mean_propensity. ``reliability``: the same ten bins of
    equal count, from the lowest propensity, with the interval of the label rate.
    """

    rows: int
    positives: int
    metrics: dict[str, float]
    differences: dict[str, Auc]
    deciles: pd.DataFrame
    reliability: pd.DataFrame


# Published metrics: former name => name.
FORMER_NAMES = {
    "auc_rule": "auc_heuristic",
    "auc_rule_low": "auc_heuristic_low",
    "auc_rule_high": "auc_heuristic_high",
    "average_precision_rule": "average_precision_heuristic",
    "lift_top_decile_rule": "lift_top_decile_heuristic",
}


def as_ranking(heuristic_scores: np.ndarray | pd.Series) -> np.ndarray:
    """Rank every customer by a heuristic; a customer it knows nothing about stands in its middle.

    >>> as_ranking(np.array([3.0, np.nan, 1.0]))
    array([3., 2., 1.])
    """
    scores = np.asarray(heuristic_scores, dtype=float)
    known = scores[~np.isnan(scores)]
    return np.where(np.isnan(scores), np.median(known) if len(known) else 0.0, scores)


def evaluate(
    labels: np.ndarray,
    propensities: np.ndarray,
    baselines: Mapping[str, np.ndarray | pd.Series],
    *,
    baseline: str = LOGISTIC,
    capacity: int = 0,
) -> Evaluation:
    """Evaluate propensities on labels, one row per customer at one test cutoff.

    ``baselines``: scores of the heuristic, propensities of feature and logistic, as far as there are any; ``baseline``
    names the one that was the best in the fitting block. ``capacity``: how many customers can be contacted; 0 means a tenth of them.

    Raises
    ------
    NotEnoughDataError : fewer than two positives or negatives.
    """
    from sklearn.metrics import brier_score_loss, log_loss

    labels = np.asarray(labels).astype(int)
    rankings = {name: as_ranking(scores) for name, scores in baselines.items()}
    if HEURISTIC in rankings and not np.ptp(rankings[HEURISTIC]):
        del rankings[HEURISTIC]
    base_rate = float(labels.mean())
    deciles = lift_by_decile(labels, propensities)
    reliability = reliability_bins(labels, propensities)
    gaps = (reliability["label_rate"] - reliability["mean_propensity"]).abs()
    clipped = np.clip(propensities, 1e-6, 1 - 1e-6)
    line = calibration_line(labels, clipped)
    contacts = min(capacity or -(-len(labels) // BINS), len(labels))
    order = np.argsort(-np.asarray(propensities), kind="stable")
    metrics = {
        **_of_ranking(labels, propensities),
        "log_loss": float(log_loss(labels, clipped)),
        "log_loss_base_rate": float(log_loss(labels, np.full(len(labels), base_rate))),
        "brier": float(brier_score_loss(labels, clipped)),
        "ece": float((reliability["customers"] * gaps).sum() / len(labels)),
        **line,
        "ece_by_chance": ece_by_chance(clipped),
        "capacity": contacts,
        "lift_at_capacity": float(labels[order[:contacts]].mean()) / base_rate,
        "base_rate": base_rate,
    }
    metrics |= metric_intervals(labels, propensities, contacts / len(labels))
    for name, ranking in rankings.items():
        metrics |= _of_ranking(labels, ranking, f"_{name}")
        if name != HEURISTIC:
            metrics[f"log_loss_{name}"] = float(log_loss(labels, np.clip(ranking, 1e-6, 1 - 1e-6)))
    if baseline in rankings:
        metrics |= {f"auc_baseline{end}": metrics[f"auc_{baseline}{end}"] for end in ("", "_low", "_high")}
    # Under their former names for one more version.
    metrics |= {former: metrics[name] for former, name in FORMER_NAMES.items() if name in metrics}
    differences = {name: auc_difference(labels, propensities, ranking) for name, ranking in rankings.items()}
    return Evaluation(len(labels), int(labels.sum()), metrics, differences, deciles, reliability)


def _of_ranking(labels: np.ndarray, scores: np.ndarray, of: str = "") -> dict[str, float]:
    """Return what a ranking alone is worth: auc with its ends, average_precision, lift_top_decile."""
    from sklearn.metrics import average_precision_score

    auc = auc_with_interval(labels, scores)
    return {
        f"auc{of}": auc.value,
        f"auc{of}_low": auc.low,
        f"auc{of}_high": auc.high,
        f"average_precision{of}": float(average_precision_score(labels, scores)),
        f"lift_top_decile{of}": float(lift_by_decile(labels, scores)["lift"].iloc[0]),
    }


def calibration_line(
    labels: np.ndarray, propensities: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return slope and intercept of the label's log-odds on the propensity's: 1 and 0 when every promise is kept.

    => calibration_slope, calibration_intercept, each with _low and _high (95 %, Wald).
    Source: Cox (1958). A slope below 1 promises too extremely, above 1 too timidly. With ``weights`` (how many
    customers each row stands for) the ends say too little: they are those of rows that count once.
    """
    from scipy.special import expit, logit
    from sklearn.linear_model import LogisticRegression

    odds = logit(propensities)
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(odds.reshape(-1, 1), labels, weights)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    design = np.column_stack([odds, np.ones(len(odds))])
    expected = expit(slope * odds + intercept)
    information = design.T @ (design * (expected * (1 - expected))[:, None])
    errors = np.sqrt(np.diag(np.linalg.pinv(information))) * STANDARD_ERRORS
    found = {"calibration_slope": (slope, errors[0]), "calibration_intercept": (intercept, errors[1])}
    ends = ("", 0), ("_low", -1), ("_high", 1)
    return {name + end: float(value + side * half) for name, (value, half) in found.items() for end, side in ends}


def ece_by_chance(propensities: np.ndarray, draws: int = 200, seed: int = 0) -> float:
    """Return the mean calibration error (ten equal-count bins) that a perfect model of this size shows by chance."""
    bins = np.array_split(np.argsort(propensities, kind="stable"), min(BINS, len(propensities)))
    generator = np.random.default_rng(seed)
    drawn = generator.random((draws, len(propensities))) < propensities
    gaps = [np.abs(drawn[:, b].mean(axis=1) - propensities[b].mean()) * len(b) for b in bins]
    return float(np.sum(gaps, axis=0).mean() / len(propensities))


def decile_of(propensities: np.ndarray) -> np.ndarray:
    """Return each row's decile: 1 = highest propensity ... 10; equal propensities are ordered as given.

    >>> decile_of(np.array([0.1, 0.9, 0.5]))
    array([7, 1, 4])
    """
    order = np.argsort(-np.asarray(propensities), kind="stable")
    deciles = np.empty(len(order), dtype=int)
    deciles[order] = np.arange(len(order)) * BINS // max(len(order), 1) + 1
    return deciles


def lift_by_decile(labels: np.ndarray, propensities: np.ndarray) -> pd.DataFrame:
    """Compare each propensity decile's label rate with the base rate.

    => decile, customers, positives, label_rate, lift (ratio, 1.0 = chance), mean_propensity
    """
    table = pd.DataFrame({"decile": decile_of(propensities), "label": np.asarray(labels), "propensity": propensities})
    grouped = table.groupby("decile").agg(
        customers=("label", "size"),
        positives=("label", "sum"),
        label_rate=("label", "mean"),
        mean_propensity=("propensity", "mean"),
    )
    grouped["lift"] = grouped["label_rate"] / table["label"].mean()
    return grouped.reset_index()


def reliability_bins(labels: np.ndarray, propensities: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Compare promised with realised rates in bins of equal count, lowest propensity first.

    => bin, customers, mean_propensity, label_rate, low, high (95 % Wilson interval of the rate)
    """
    from scipy.stats import binomtest

    order = np.argsort(np.asarray(propensities), kind="stable")
    labels, propensities = np.asarray(labels), np.asarray(propensities)
    rows = []
    for number, chunk in enumerate(np.array_split(order, min(bins, len(order))), start=1):
        positives = int(labels[chunk].sum())
        ends = binomtest(positives, len(chunk)).proportion_ci(CONFIDENCE, method="wilson")
        rate = positives / len(chunk)
        rows.append((number, len(chunk), float(propensities[chunk].mean()), rate, ends.low, ends.high))
    return pd.DataFrame(rows, columns=["bin", "customers", "mean_propensity", "label_rate", "low", "high"])


def gain_curve(labels: np.ndarray, scores: np.ndarray, points: int = 101) -> pd.DataFrame:
    """Share of all positives reached when contacting the highest scores first. => share_contacted, share_reached"""
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(np.asarray(labels)[order]) / max(np.sum(labels), 1)])
    contacted = np.linspace(0, 1, points)
    return pd.DataFrame(
        {"share_contacted": contacted, "share_reached": reached[np.round(contacted * len(order)).astype(int)]}
    )


def value_curve(ranking: np.ndarray, gains: np.ndarray, *, points: int = 101) -> pd.DataFrame:
    """Add up what contacting the first n of a ranking brings; ``gains``: what each contact does. => contacts, value"""
    order = np.argsort(-np.asarray(ranking, dtype=float), kind="stable")
    total = np.concatenate([[0.0], np.cumsum(np.asarray(gains, dtype=float)[order])])
    contacts = np.unique(np.round(np.linspace(0, len(order), points)).astype(int))
    return pd.DataFrame({"contacts": contacts, "value": total[contacts]})

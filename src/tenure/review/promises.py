"""Promised against realised: scores of the ledger whose outcomes have matured, joined with what came true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tenure.alerts import Alert
from tenure.engines.known_customers import contacted_customers
from tenure.models.evaluate import Auc, as_ranking, auc_difference, auc_with_interval, calibration_line
from tenure.snapshots import Snapshots
from tenure.targets.definition import Target

# What counts as a promise: what was acted on, else what a backfill says would have been.
PROMISING = ("scheduled", "backfill")
# As-ofs nearer than this share most of their outcomes: two of them in a row are one observation.
INDEPENDENT_DAYS = 28
FEWEST = 30


@dataclass(frozen=True)
class Promise:
    """One target's scores of one as-of, next to what came true.

    ``contacted`` customers are left out; None where the source does not say who was. ``auc`` and ``to_rule`` (AUC minus the
    rule's, paired) are None with fewer than two of either outcome. ``deciles``: decile, customers, expected, low, high, realised, lift.
    """

    target: str
    as_of: date
    run_kind: str
    version: str
    customers: int
    contacted: int | None
    expected: float
    expected_low: float
    expected_high: float
    realised: int
    realised_low: float
    realised_high: float
    auc: Auc | None
    to_rule: Auc | None
    calibration_slope: float | None
    deciles: pd.DataFrame

    @property
    def is_kept(self) -> bool:
        """Whether as many came true as the propensities allow, 95 times in 100 if each is right."""
        return self.expected_low <= self.realised <= self.expected_high

    @property
    def is_too_high(self) -> bool:
        return self.realised < self.expected_low


def find_promises(snapshots: Snapshots) -> list[Promise]:
    """Compare each matured as-of's first scheduled scores with its outcomes, oldest first, target by target."""
    found = []
    for name, target in snapshots.targets.items():
        folder = snapshots.workspace.scores / f"source={snapshots.staged.source.name}" / f"target={name}"
        partitions = {
            date.fromisoformat(path.name.removeprefix("as_of=")): path for path in sorted(folder.glob("as_of=*"))
        }
        matured = {day: path for day, path in partitions.items() if target.window.is_matured(day, snapshots.as_of)}
        promised = {day: first for day, path in matured.items() if (first := _first_scores(path)) is not None}
        # All at once: a year of daily scores has hundreds, and the engine opens once.
        snapshots.build_labels(target, promised)
        compared = (_compare(snapshots, target, day, first) for day, first in promised.items())
        found += [promise for promise in compared if promise]
    return found


def _first_scores(partition: Path) -> pd.DataFrame | None:
    """Read the first scores of an as-of: later ones may already know more, or were never acted on."""
    for kind in PROMISING:
        parts = [_read(path) for path in sorted(partition.glob(f"{kind}-*.parquet"))]
        parts = [part for part in parts if not part["is_hindsight"].any()]
        if parts:
            return min(parts, key=lambda part: part["scored_at"].min())
    return None


def _read(path: Path) -> pd.DataFrame:
    # Thousands of probabilities are multiplied: the ledger's short numbers would not do.
    return pd.read_parquet(path).astype({"propensity": "float64", "rule_score": "float64"})


def _compare(snapshots: Snapshots, target: Target, scored_at: date, scores: pd.DataFrame) -> Promise | None:
    from scipy.stats import binomtest

    joined = scores.merge(pd.read_parquet(snapshots.labels_path(target, scored_at)), on="customer_id")
    treated = contacted_customers(snapshots.staged, snapshots.as_of, scored_at, target.window.end(scored_at))
    if treated is not None:
        joined = joined[~joined["customer_id"].isin(treated)]
    if len(joined) < FEWEST:
        return None
    labels, propensities = joined["label"].to_numpy(), joined["propensity"].to_numpy()
    realised = int(labels.sum())
    low, high = expected_interval(propensities)
    share = binomtest(realised, len(labels)).proportion_ci(0.95, method="wilson")
    has_both = 2 <= realised <= len(labels) - 2
    return Promise(
        target=target.name, as_of=scored_at, run_kind=str(joined["run_kind"].iloc[0]), version=str(joined["model_version"].iloc[0]),
        customers=len(joined), contacted=None if treated is None else int(scores["customer_id"].isin(treated).sum()),
        expected=float(propensities.sum()), expected_low=low, expected_high=high,
        realised=realised, realised_low=float(share.low), realised_high=float(share.high),
        auc=auc_with_interval(labels, propensities) if has_both else None,
        to_rule=auc_difference(labels, propensities, as_ranking(joined["rule_score"])) if has_both else None,
        calibration_slope=calibration_line(labels, propensities)["calibration_slope"] if has_both else None,
        deciles=_by_decile(joined),
    )  # fmt: skip


def expected_interval(propensities: np.ndarray) -> tuple[float, float]:
    """Give the 95 % interval of the count that comes true if every propensity is right: Poisson binomial, customers independent."""
    from scipy.signal import convolve

    parts = [np.array([1 - p, p]) for p in propensities] or [np.ones(1)]
    while len(parts) > 1:
        # Adding two independent counts convolves their distributions; by pairs, so that long ones are few.
        odd = parts[len(parts) // 2 * 2 :]
        parts = [convolve(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)] + odd
    low, high = np.searchsorted(parts[0].cumsum(), [0.025, 0.975])
    return float(low), float(high)


def _by_decile(joined: pd.DataFrame) -> pd.DataFrame:
    rate = joined["label"].mean()
    rows = []
    for decile, group in joined.groupby("decile"):
        low, high = expected_interval(group["propensity"].to_numpy())
        rows.append(
            {
                "decile": int(str(decile)), "customers": len(group), "expected": group["propensity"].sum(), "low": low, "high": high,
                "realised": int(group["label"].sum()), "lift": group["label"].mean() / rate if rate else float("nan"),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def promise_table(promises: Sequence[Promise]) -> pd.DataFrame:
    """Show promises, one row each. => target, as_of, run_kind, version, customers, contacted, expected, low, high, realised, kept, auc, auc_low, auc_high"""
    return pd.DataFrame(
        [
            {
                "target": p.target, "as_of": p.as_of, "run_kind": p.run_kind, "version": p.version, "customers": p.customers,
                "contacted": p.contacted, "expected": round(p.expected, 1), "low": p.expected_low, "high": p.expected_high,
                "realised": p.realised, "kept": p.is_kept, "auc": p.auc and p.auc.value, "auc_low": p.auc and p.auc.low,
                "auc_high": p.auc and p.auc.high,
            }
            for p in promises
        ]
    )  # fmt: skip


def promise_alerts(promises: Sequence[Promise]) -> list[Alert]:
    """Say which champions should be retrained: two independent promises missed the same way, or a ranking below the rule's."""
    return [alert for target in dict.fromkeys(p.target for p in promises) for alert in _alerts_of(promises, target)]


def _alerts_of(promises: Sequence[Promise], target: str) -> Iterator[Alert]:
    own = [promise for promise in promises if promise.target == target]
    last = own[-1]
    former = [p for p in own if p.as_of <= last.as_of - timedelta(days=INDEPENDENT_DAYS)]
    if former and not last.is_kept and not former[-1].is_kept and last.is_too_high == former[-1].is_too_high:
        yield Alert(
            "warning", target,
            f"promised {'too much' if last.is_too_high else 'too little'} at {former[-1].as_of} and at {last.as_of}: {last.expected:.0f} expected "
            f"({last.expected_low:.0f}-{last.expected_high:.0f}), {last.realised} came true. Retrain with 'tenure run'.",
        )  # fmt: skip
    if last.to_rule and last.to_rule.high < 0:
        yield Alert(
            "error", target,
            f"ranked worse than its rule at {last.as_of} (AUC {last.to_rule.value:+.3f}, {last.to_rule.low:+.3f} to {last.to_rule.high:+.3f}). "
            "Do not act on its list; retrain with 'tenure run', or roll back.",
        )  # fmt: skip

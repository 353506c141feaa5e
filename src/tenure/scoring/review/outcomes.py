"""Promised against realised: scores of the ledger whose outcomes have matured, joined with what came true."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.alerts import Alert
from tenure.core.errors import DefinitionError
from tenure.models.evaluate import Auc, as_ranking, auc_difference, auc_with_interval, calibration_line
from tenure.scoring.ledger import (
    BACKFILL,
    SCHEDULED,
    TYPES,
    Entry,
    entries,
    of_each_day,
    read_definition,
    scored_targets,
)
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import contacted_customers
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.targets.catalogue import missing_tables
from tenure.targets.definition import WINDOW, Target, answers

# What counts as a promise: what was acted on, else what a backfill says would have been.
PROMISING = (SCHEDULED, BACKFILL)
# As-ofs nearer than this share most of their outcomes: two of them in a row are one observation.
INDEPENDENT_DAYS = 28
FEWEST = 30
# What is known of the model of a target, by its version and the kind of run it scored in: its ``about``, or None.
AboutOf = Callable[[str, str, str], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Promise:
    """One target's scores of one as-of, next to what came true.

    ``contacted`` customers are left out; None where the source does not say who was. ``auc`` and ``to_heuristic`` (AUC minus the
    heuristic's, paired) are None with fewer than two of either outcome. ``deciles``: decile, customers, expected, low, high, realised, lift.
    ``is_current``: the target still asks what it asked then, by its ``definition``.
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
    to_heuristic: Auc | None
    calibration_slope: float | None
    deciles: pd.DataFrame
    definition: str
    horizon_days: int
    is_current: bool

    @property
    def is_kept(self) -> bool:
        """Whether as many came true as the propensities allow, 95 times in 100 if each is right."""
        return self.expected_low <= self.realised <= self.expected_high

    @property
    def is_too_high(self) -> bool:
        return self.realised < self.expected_low


def find_promises(snapshots: Snapshots, about_of: AboutOf) -> tuple[list[Promise], list[Alert]]:
    """Compare each matured as-of's first scheduled scores with its outcomes, oldest first, target by target; warn of those that cannot be.

    Scores are held to the definition they were made under: its window, its outcome, the customers it asked. Those older than
    definitions are held to what ``about_of`` knows of their model.
    """
    found, alerts = [], []
    for name, target in snapshots.targets.items():
        scored: dict[str, tuple[Target, list[Entry]]] = {}
        unknown = []
        asked_then = cache(partial(_asked_then, snapshots, target, about_of))
        for entry in entries(snapshots.workspace, snapshots.staged.source.name, name):
            if entry.as_of >= snapshots.as_of or entry.run_kind not in PROMISING or entry.is_hindsight:
                continue
            if then := asked_then(entry.definition, entry.model_version, entry.run_kind):
                scored.setdefault(then.fingerprint, (then, []))[1].append(entry)
            else:
                unknown.append(entry)
        own = [
            p for then, group in scored.values() for p in _promises(snapshots, then, group, is_current=then is target)
        ]
        found += sorted(own, key=lambda promise: (promise.as_of, promise.is_current))
        alerts += [_not_reviewed(name, unknown)] if unknown else []
    return found, [*alerts, *_undefined(snapshots)]


def _undefined(snapshots: Snapshots) -> Iterator[Alert]:
    """Name the targets of the ledger that nobody defines any more: what came true of their scores stays unknown."""
    source, known = snapshots.staged.source.name, {*snapshots.targets, *snapshots.unavailable_targets}
    for name in scored_targets(snapshots.workspace, source):
        days = [e.as_of for e in entries(snapshots.workspace, source, name) if e.as_of < snapshots.as_of]
        if days and name not in known:
            yield Alert(
                "warning", name,
                f"{len(days)} earlier scores ({min(days)} to {max(days)}) cannot be compared with their outcomes: nobody defines this target "
                "any more. Bring back the file or package that did.",
            )  # fmt: skip


def _asked_then(
    snapshots: Snapshots, target: Target, about_of: AboutOf, definition: str, version: str, run_kind: str
) -> Target | None:
    """Return the target as it was asked when it was scored: today's own where nothing changed, None where nobody can tell."""
    about = {"definition": definition} if definition else about_of(target.name, version, run_kind) or {}
    if answers(about, target):
        return target
    source = snapshots.staged.source.name
    document = read_definition(snapshots.workspace, source, about.get("definition", ""))
    try:
        days: dict[str, Any] = {name: about[name] for name in WINDOW if name in about}
        then = target.under(document) if document else replace(target, **days)
    except DefinitionError:
        return None  # it names what this Tenure no longer knows
    lacking = missing_tables(then, tables_with_rows(snapshots.staged, snapshots.as_of))
    return then if answers(about, then) and not lacking else None


def _not_reviewed(target: str, unknown: Sequence[Entry]) -> Alert:
    days, versions = [entry.as_of for entry in unknown], {entry.model_version for entry in unknown}
    return Alert(
        "warning", target,
        f"{len(unknown)} earlier scores ({min(days)} to {max(days)}) cannot be compared with their outcomes: the definition behind version "
        f"{', '.join(sorted(versions))} is not known any more, or needs a table that is gone. Restore the version in the registry, or the table.",
    )  # fmt: skip


def _promises(snapshots: Snapshots, asked: Target, scored: Sequence[Entry], *, is_current: bool) -> Iterator[Promise]:
    """Compare the scores of one definition with what it counts; of an as-of the first: later ones may know more, or were never acted on."""
    first = {e.as_of: e for e in of_each_day(scored, PROMISING, 0) if asked.window.is_matured(e.as_of, snapshots.as_of)}
    # Thousands of probabilities are multiplied: the ledger's short numbers would not do.
    promised = {day: entry.read().astype(dict.fromkeys(TYPES, "float64")) for day, entry in first.items()}
    for day, labels in snapshots.label(asked, {day: scores["customer_id"] for day, scores in promised.items()}):
        if promise := _compare(snapshots, asked, day, promised[day], labels, is_current=is_current):
            yield promise


def _compare(
    snapshots: Snapshots,
    target: Target,
    scored_at: date,
    scores: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    is_current: bool,
) -> Promise | None:
    from scipy.stats import binomtest

    joined = scores.merge(labels, on="customer_id")
    treated = contacted_customers(snapshots.staged, snapshots.as_of, scored_at, target.window.end(scored_at))
    if treated is not None:
        joined = joined[~joined["customer_id"].isin(treated)]
    if len(joined) < FEWEST:
        return None
    outcomes, propensities = joined["label"].to_numpy(), joined["propensity"].to_numpy()
    realised = int(outcomes.sum())
    low, high = expected_interval(propensities)
    share = binomtest(realised, len(outcomes)).proportion_ci(0.95, method="wilson")
    has_both = 2 <= realised <= len(outcomes) - 2
    return Promise(
        target=target.name, as_of=scored_at, run_kind=str(joined["run_kind"].iloc[0]), version=str(joined["model_version"].iloc[0]),
        customers=len(joined), contacted=None if treated is None else int(scores["customer_id"].isin(treated).sum()),
        expected=float(propensities.sum()), expected_low=low, expected_high=high,
        realised=realised, realised_low=float(share.low), realised_high=float(share.high),
        auc=auc_with_interval(outcomes, propensities) if has_both else None,
        to_heuristic=auc_difference(outcomes, propensities, as_ranking(joined["heuristic_score"])) if has_both else None,
        calibration_slope=calibration_line(outcomes, propensities)["calibration_slope"] if has_both else None,
        deciles=_by_decile(joined),
        definition=target.fingerprint, horizon_days=target.horizon_days, is_current=is_current,
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
    """Show promises, one row each. => target, as_of, run_kind, version, horizon_days, customers, contacted, expected, low, high, realised, kept, auc, auc_low, auc_high"""
    return pd.DataFrame(
        [
            {
                "target": p.target, "as_of": p.as_of, "run_kind": p.run_kind, "version": p.version, "horizon_days": p.horizon_days,
                "customers": p.customers, "contacted": p.contacted, "expected": round(p.expected, 1), "low": p.expected_low, "high": p.expected_high,
                "realised": p.realised, "kept": p.is_kept, "auc": p.auc and p.auc.value, "auc_low": p.auc and p.auc.low,
                "auc_high": p.auc and p.auc.high,
            }
            for p in promises
        ]
    )  # fmt: skip


def promise_alerts(promises: Sequence[Promise]) -> list[Alert]:
    """Say which champions should be retrained: two independent promises missed the same way, or a ranking below the heuristic's.

    Those of an earlier definition accuse no champion of today's.
    """
    current = [promise for promise in promises if promise.is_current]
    return [alert for target in dict.fromkeys(p.target for p in current) for alert in _alerts_of(current, target)]


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
    if last.to_heuristic and last.to_heuristic.high < 0:
        yield Alert(
            "error", target,
            f"ranked worse than its heuristic at {last.as_of} (AUC {last.to_heuristic.value:+.3f}, {last.to_heuristic.low:+.3f} to {last.to_heuristic.high:+.3f}). "
            "Do not act on its list; retrain with 'tenure run', or roll back.",
        )  # fmt: skip

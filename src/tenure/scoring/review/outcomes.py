"""Forecast vs. outcome: scores of the ledger whose outcomes have matured, joined with what came true."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from tenure.core.auc import Auc, auc_difference, auc_with_interval
from tenure.core.errors import DefinitionError
from tenure.core.problems import Problem
from tenure.models.evaluate import as_ranking, calibration_line
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
from tenure.scoring.review.expected import by_decile, expected_interval
from tenure.snapshots.build import Snapshots
from tenure.snapshots.engines.known_customers import contacted_customers
from tenure.snapshots.engines.staged_facts import tables_with_rows
from tenure.targets.catalogue import missing_tables
from tenure.targets.definition import WINDOW, Target, answers

# Which scores count: those that were acted on, else what a backfill says they would have been.
COUNTED = (SCHEDULED, BACKFILL)
# As-ofs nearer than this share most of their outcomes: two of them in a row are one observation.
INDEPENDENT_DAYS = 28
FEWEST = 30
# Columns of the table of outcomes that are fields of each.
SHOWN = [
    "target", "as_of", "run_kind", "version", "horizon_days", "customers", "contacted",
    "expected", "expected_low", "expected_high", "realised",
]  # fmt: skip
# What is known of the model of a target, by its version and the kind of run it scored in: its ``about``, or None.
AboutOf = Callable[[str, str, str], Mapping[str, Any] | None]
# Of an as-of whose customers were decided on here, until the end of an outcome window: those to whom nothing was sent by
# chance, by hold-out or because nothing was open (customer_id, weight = 1 / chance); None where nobody was decided on.
UntouchedOf = Callable[[date, date], pd.DataFrame | None]


@dataclass(frozen=True)
class Outcome:
    """One target's matured scores of one as-of, next to what came true.

    ``contacted`` customers are left out; None where the source does not say who was. Where it was decided here who was,
    the others are weighted by 1 / chance, and counts are of all who were scored; ``effective``: how many drawn at random
    would say as much, None without weights. ``auc`` and ``to_heuristic`` (AUC
    minus the heuristic's, paired) are None with fewer than two of either label,
    the latter also where the heuristic is none. ``is_current``: the target still has
    the ``definition`` it had then. ``deciles``: decile, customers, expected, low, high, realised, lift.
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
    realised: float
    realised_low: float
    realised_high: float
    auc: Auc | None
    to_heuristic: Auc | None
    calibration_slope: float | None
    deciles: pd.DataFrame
    definition: str
    horizon_days: int
    is_current: bool
    effective: float | None = None

    @property
    def is_as_expected(self) -> bool:
        """Whether as many came true as the propensities allow, 95 times in 100 if each is right."""
        return not self.missed

    @property
    def missed(self) -> Literal["", "too high", "too low"]:
        """How the forecast missed; empty where the outcome lies in its interval."""
        if self.realised < self.expected_low:
            return "too high"
        return "too low" if self.realised > self.expected_high else ""


def find_outcomes(
    snapshots: Snapshots, about_of: AboutOf, untouched_of: UntouchedOf = lambda as_of, end: None
) -> tuple[list[Outcome], list[Problem]]:
    """Compare each matured as-of's first scheduled scores with its outcomes; warn of those that cannot be compared.

    Scores are held to the definition they were made under: its window, its outcome, the customers it asked. Scores
    older than definitions are held to what ``about_of`` knows of their model. Whom an action may have moved stands aside:
    where ``untouched_of`` knows by which chance, the others stand for them too.
    => outcomes target by target, oldest first; problems
    """
    found, problems = [], []
    for name, target in snapshots.targets.items():
        scored: dict[str, tuple[Target, list[Entry]]] = {}
        unknown = []
        asked_then = cache(partial(_asked_then, snapshots, target, about_of))
        for entry in entries(snapshots.workspace, snapshots.staged.source.name, name):
            if entry.as_of >= snapshots.as_of or entry.run_kind not in COUNTED or entry.is_hindsight:
                continue
            if then := asked_then(entry.definition, entry.model_version, entry.run_kind):
                scored.setdefault(then.fingerprint, (then, []))[1].append(entry)
            else:
                unknown.append(entry)
        own = [
            o
            for then, group in scored.values()
            for o in _outcomes(snapshots, then, group, untouched_of, is_current=then is target)
        ]
        found += sorted(own, key=lambda outcome: (outcome.as_of, outcome.is_current))
        problems += [_not_comparable(name, unknown)] if unknown else []
    return found, [*problems, *_undefined(snapshots)]


def _undefined(snapshots: Snapshots) -> Iterator[Problem]:
    """Name the targets of the ledger that nobody defines any more: what came true of their scores stays unknown."""
    source, known = snapshots.staged.source.name, {*snapshots.targets, *snapshots.unavailable_targets}
    for name in scored_targets(snapshots.workspace, source):
        days = [e.as_of for e in entries(snapshots.workspace, source, name) if e.as_of < snapshots.as_of]
        if days and name not in known:
            yield Problem(
                "warning",
                name,
                f"{len(days)} earlier scores ({min(days)} to {max(days)}) cannot be compared with their outcomes: "
                "nobody defines this target any more. Bring back the file or package that did.",
                "undefined_target",
            )


def _asked_then(
    snapshots: Snapshots, target: Target, about_of: AboutOf, definition: str, version: str, run_kind: str
) -> Target | None:
    """Return a target as it was when it scored: today's own where nothing changed, None where that is not known."""
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


def _not_comparable(target: str, unknown: Sequence[Entry]) -> Problem:
    days = [entry.as_of for entry in unknown]
    versions = ", ".join(sorted({entry.model_version for entry in unknown}))
    text = (
        f"{len(unknown)} earlier scores ({min(days)} to {max(days)}) cannot be compared with their outcomes: "
        f"the definition behind version {versions} is not known any more, or needs a table that is gone. "
        "Restore the version in the registry, or the table."
    )
    return Problem("warning", target, text, "not_comparable")


def _outcomes(
    snapshots: Snapshots, asked: Target, scored: Sequence[Entry], untouched_of: UntouchedOf, *, is_current: bool
) -> Iterator[Outcome]:
    """Compare the first scores of each as-of with their outcomes: later ones may know more, or were never acted on."""
    first = {e.as_of: e for e in of_each_day(scored, COUNTED, 0) if asked.window.is_matured(e.as_of, snapshots.as_of)}
    # Thousands of probabilities are multiplied: the ledger's short numbers would not do.
    scores = {day: entry.read().astype(dict.fromkeys(TYPES, "float64")) for day, entry in first.items()}
    for day, labels in snapshots.label(asked, {day: table["customer_id"] for day, table in scores.items()}):
        kept, left_out, is_weighted = _not_moved(snapshots, asked, day, scores[day], untouched_of)
        if outcome := _compare(
            asked, day, kept, labels, left_out=left_out, is_weighted=is_weighted, is_current=is_current
        ):
            yield outcome


def _not_moved(
    snapshots: Snapshots, target: Target, scored_at: date, scores: pd.DataFrame, untouched_of: UntouchedOf
) -> tuple[pd.DataFrame, int | None, bool]:
    """Keep the scores of who was not acted on. => the scores with a weight, how many are left out, are they weighted"""
    end = target.window.end(scored_at)
    if (untouched := untouched_of(scored_at, end)) is not None:
        kept = scores.merge(untouched[["customer_id", "weight"]], on="customer_id")
        return kept, len(scores) - len(kept), True
    treated = contacted_customers(snapshots.staged, snapshots.as_of, scored_at, end)
    kept = scores[~scores["customer_id"].isin(treated or ())].assign(weight=1.0)
    return kept, None if treated is None else len(scores) - len(kept), False


def _compare(
    target: Target,
    scored_at: date,
    kept: pd.DataFrame,
    labels: pd.DataFrame,
    *,
    left_out: int | None,
    is_weighted: bool,
    is_current: bool,
) -> Outcome | None:
    from scipy.stats import binomtest

    joined = kept.merge(labels, on="customer_id")
    if len(joined) < FEWEST:
        return None
    labels_seen, propensities = joined["label"].to_numpy(), joined["propensity"].to_numpy()
    ranking, weights = as_ranking(joined["heuristic_score"]), joined["weight"].to_numpy(dtype=float)
    low, high = expected_interval(propensities, weights)
    # Source: Kish (1965), the effective size of a weighted sample.
    realised, effective = float(weights @ labels_seen), float(weights.sum() ** 2 / (weights**2).sum())
    share = binomtest(round(effective * realised / weights.sum()), round(effective)).proportion_ci(0.95, "wilson")
    has_both = 2 <= labels_seen.sum() <= len(joined) - 2
    return Outcome(
        target=target.name,
        as_of=scored_at,
        run_kind=str(joined["run_kind"].iloc[0]),
        version=str(joined["model_version"].iloc[0]),
        customers=len(joined),
        contacted=left_out,
        expected=float(weights @ propensities),
        expected_low=low,
        expected_high=high,
        realised=realised,
        realised_low=float(share.low),
        realised_high=float(share.high),
        auc=auc_with_interval(labels_seen, propensities, weights) if has_both else None,
        # A heuristic that tells nobody apart is none.
        to_heuristic=auc_difference(labels_seen, propensities, ranking, weights=weights)
        if has_both and np.ptp(ranking)
        else None,
        calibration_slope=calibration_line(labels_seen, propensities, weights)["calibration_slope"]
        if has_both
        else None,
        deciles=by_decile(joined),
        definition=target.fingerprint,
        horizon_days=target.horizon_days,
        is_current=is_current,
        effective=effective if is_weighted else None,
    )


def outcome_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Show outcomes, one row each.

    => target, as_of, run_kind, version, horizon_days, customers, contacted, expected, expected_low, expected_high,
       realised, as_expected, auc, auc_low, auc_high
    """
    of_auc = {"auc": "value", "auc_low": "low", "auc_high": "high"}
    return pd.DataFrame(
        [
            {name: getattr(outcome, name) for name in SHOWN}
            | {name: round(getattr(outcome, name), 1) for name in ("expected", "realised")}
            | {"as_expected": outcome.is_as_expected}
            | {name: getattr(outcome.auc, end, None) for name, end in of_auc.items()}
            for outcome in outcomes
        ]
    )


def outcome_problems(outcomes: Sequence[Outcome]) -> Iterator[Problem]:
    """Name the champions to retrain: two independent forecasts off the same way, or a ranking below the heuristic's.

    Scores of an earlier definition say nothing about today's champion.
    """
    current = [outcome for outcome in outcomes if outcome.is_current]
    for target in dict.fromkeys(outcome.target for outcome in current):
        yield from _problems_of(target, [outcome for outcome in current if outcome.target == target])


def _problems_of(target: str, own: Sequence[Outcome]) -> Iterator[Problem]:
    last = own[-1]
    independent = [o for o in own if o.as_of <= last.as_of - timedelta(days=INDEPENDENT_DAYS)]
    if independent and last.missed and last.missed == independent[-1].missed:
        yield Problem(
            "warning",
            target,
            f"the forecasts of {independent[-1].as_of} and {last.as_of} were {last.missed}: "
            f"{last.expected:.0f} expected ({last.expected_low:.0f}-{last.expected_high:.0f}), "
            f"{last.realised:.0f} came true. Retrain with 'tenure run'.",
            f"forecast_{last.missed.replace(' ', '_')}",
        )
    if (difference := last.to_heuristic) and difference.high < 0:
        yield Problem(
            "error",
            target,
            f"ranked worse than its heuristic at {last.as_of} "
            f"(AUC {difference.value:+.3f}, {difference.low:+.3f} to {difference.high:+.3f}). "
            "Do not act on its list; retrain with 'tenure run', or roll back.",
            "below_heuristic",
        )

"""Which model is taken, and which baseline it must beat: both settled out of fold, inside the fitting block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from tenure.core.auc import Auc, auc_difference, auc_with_interval
from tenure.models.evaluate import BASELINES, FEATURE, HEURISTIC, LOGISTIC, as_ranking
from tenure.models.explain import labels_of
from tenure.models.train import TrainedModel


@dataclass(frozen=True)
class Choice:
    """The model taken: ``fits[taken]``; ``fits`` by name, the simplest first.

    ``baseline`` is the best of heuristic, feature and logistic. ``differences``: AUC of the model taken less that of
    each other one. ``instead`` is the choice among what is simpler, for where the test cutoff finds but a tie; ``tie`` is
    that tie, of the fit ``tied``, in the choice that came in. ``is_asked_for``: the source's settings name the estimator, which is taken
    whatever the differences.
    """

    fits: Mapping[str, TrainedModel]
    taken: str
    baseline: str
    differences: Mapping[str, Auc]
    is_asked_for: bool = False
    instead: Choice | None = None
    tie: Auc | None = None
    tied: str = ""

    @property
    def trained(self) -> TrainedModel:
        return self.fits[self.taken]

    @property
    def words(self) -> dict[str, str]:
        """Name the heuristic and each fit for readers; the best single feature in its own words."""
        named = {HEURISTIC: HEURISTIC} | {name: fit.model.estimator.describe() for name, fit in self.fits.items()}
        alone = labels_of(self.fits[FEATURE].model.meanings) if FEATURE in self.fits else []
        return named | {FEATURE: " ".join(["best single feature", *(f"“{label}”" for label in alone)])}

    @property
    def reason(self) -> str:
        """Say in one sentence what was taken, and why."""
        words, features = self.words, len(self.trained.model.feature_names)
        form = words[self.taken] + (f" on {features} features" if self.taken == LOGISTIC else "")
        found = "its AUC, out of fold and inside the fitting block, differs " + " and ".join(
            f"from that of the {words[name]} by {_signed(d)}" for name, d in self.differences.items()
        )
        if not self.differences:
            return f"The {form} was taken: there is nothing else to fit."
        if self.is_asked_for:
            return f"The source's settings ask for this estimator: {form}; {found}."
        if self.tie:
            ties = "ties with the heuristic" if self.tied in BASELINES else "tie with the baseline"
            return f"The {form} was taken, for the {words[self.tied]}, better out of fold, only {ties} at the test cutoff: their AUC differs by {_signed(self.tie)}; {found}."
        if self.taken in BASELINES:
            return f"The {form} was taken, for nothing more complex is better beyond noise: {found}."
        return f"The {form} was taken over what is simpler: {found}."

    def confirmed(self, labels: np.ndarray, propensities: Mapping[str, np.ndarray]) -> Choice:
        """Return what is left of the choice at the test cutoff: a tie gives the place to a simpler fit.

        Beyond noise trees must beat the baseline, and a logistic regression the heuristic where there is one. The order
        was settled before; the test cutoff only says yes or no.
        """
        rival = HEURISTIC if self.taken in BASELINES else self.baseline
        if self.instead is None or rival not in propensities or not np.ptp(propensities[rival]):
            return self
        found = auc_difference(labels, propensities[self.taken], propensities[rival])
        if found.low > 0:
            return self
        return replace(self.instead, tie=found, tied=self.taken).confirmed(labels, propensities)


def choose_model(
    fits: Mapping[str, TrainedModel],
    heuristic: np.ndarray,
    labels: np.ndarray,
    customers: np.ndarray,
    *,
    is_asked_for: bool = False,
) -> Choice:
    """Take the simplest fit that no more complex one beats beyond noise, out of fold on the same fitting rows.

    ``fits``, by name and the simplest first, end with the estimator; it is taken anyway where it ``is_asked_for``.
    ``heuristic``, ``labels`` and ``customers``: one per row; a heuristic that is constant is none; the intervals count a
    customer's rows as one. What has no feature to go by is taken only where nothing else is there.
    """
    telling = {name: fit.out_of_fold for name, fit in fits.items() if fit.model.feature_names}
    rankings = {HEURISTIC: as_ranking(heuristic)} | {n: raw for n, raw in telling.items() if n in BASELINES}
    aucs = {name: auc_with_interval(labels, ranking).value for name, ranking in rankings.items() if np.ptp(ranking)}
    # Of equals the simplest: it comes first.
    baseline = max(aucs, key=aucs.__getitem__, default=LOGISTIC)
    pairs = {
        (simple, other): auc_difference(labels, telling[other], telling[simple], customers)
        for simple, other in combinations(telling, 2)
    }

    def unbeaten(*names: str) -> Choice:
        beaten = {simple for (simple, other), d in pairs.items() if other in names and d.low > 0}
        taken = next((name for name in names if name not in beaten), LOGISTIC)
        return Choice(fits, taken, baseline, _differences(taken, pairs))

    if is_asked_for:
        *_, asked = fits
        return Choice(fits, asked, baseline, _differences(asked, pairs), is_asked_for)
    found, baselines = unbeaten(*telling), [name for name in telling if name in BASELINES]
    simplest = unbeaten(FEATURE) if FEATURE in telling else None

    def with_simpler(choice: Choice) -> Choice:
        return replace(choice, instead=simplest) if choice.taken == LOGISTIC else choice

    if found.taken not in BASELINES and baselines:
        return replace(found, instead=with_simpler(unbeaten(*baselines)))
    return with_simpler(found)


def _differences(taken: str, pairs: Mapping[tuple[str, str], Auc]) -> dict[str, Auc]:
    ahead = {simple: d for (simple, other), d in pairs.items() if other == taken}
    return ahead | {other: Auc(-d.value, -d.high, -d.low) for (simple, other), d in pairs.items() if simple == taken}


def _signed(d: Auc) -> str:
    return f"{d.value:+.3f} (95 % interval {d.low:+.3f} to {d.high:+.3f})"

"""Drift before outcomes mature: what a model is asked about today, next to what it was tested on."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.problems import Problem

BINS = 10
# The customary limit of a population stability index; below .1 nothing has happened.
LIMIT = 0.25
MISSING, MISSING_SHARE = "(missing)", 0.10
MANY = 0.10
HALF_AS_MUCH_AGAIN = 1.5
SHOWN = 3


@dataclass(frozen=True)
class Drift:
    """What moved since the test cutoff of a model, ``since``; both tables as ``drift_table`` returns them."""

    since: str
    features: pd.DataFrame
    scores: pd.DataFrame


def stability_index(reference: pd.Series, current: pd.Series) -> tuple[float, float]:
    """Return the population stability index, and what chance alone exceeds once in a hundred.

    Numbers are cut at the reference's deciles, texts by value; missing is a bin of its own. Half a customer is added to
    each bin. Chance: the index times nm/(n + m) is chi-squared with bins - 1 degrees of freedom.
    Source: Yurdakul and Naranjo (2020), Statistical properties of the population stability index.
    """
    from scipy.stats import chi2

    binned = [_binned(reference, values) for values in (reference, current)]
    names = sorted({*binned[0], *binned[1]})
    counts = np.array([[bins.get(name, 0) + 0.5 for name in names] for bins in binned])
    shares = counts / counts.sum(axis=1, keepdims=True)
    index = float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())
    chance = chi2.ppf(0.99, max(len(names) - 1, 1)) * (1 / max(len(reference), 1) + 1 / max(len(current), 1))
    return index, float(chance)


def _binned(reference: pd.Series, values: pd.Series) -> dict[str, int]:
    if not pd.api.types.is_numeric_dtype(reference):
        return dict(values.fillna(MISSING).astype(str).value_counts())
    known = reference.dropna().to_numpy(dtype=float)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else known
    numbers = values.to_numpy(dtype=float)
    is_missing = np.isnan(numbers)
    counts = np.bincount(np.searchsorted(edges, numbers[~is_missing], side="left"))
    bins = {str(place): int(count) for place, count in enumerate(counts) if count}
    return bins | ({MISSING: int(is_missing.sum())} if is_missing.any() else {})


def drift_table(
    reference: pd.DataFrame, current: pd.DataFrame, names: Sequence[str], former: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Compare columns, the most drifted first.

    ``former`` is as long before the reference as ``current`` is after it: a customer's age moves of itself, so drifted
    is what moved half as much again as it did then.
    => name, psi, chance, usual (the index from former to reference; NaN without one), missing_before, missing_now,
       new_values, has_drifted
    """
    rows = []
    for name in names:
        before, now = reference[name], current[name]
        index, chance = stability_index(before, now)
        usual = float("nan") if former is None else stability_index(former[name], before)[0]
        limit = max(LIMIT, chance, 0.0 if former is None else HALF_AS_MUCH_AGAIN * usual)
        texts = not pd.api.types.is_numeric_dtype(before)
        new = sorted({*now.dropna().astype(str)} - {*before.dropna().astype(str)}) if texts else []
        missing = float(before.isna().mean()), float(now.isna().mean())
        has_drifted = index > limit or missing[1] - missing[0] > MISSING_SHARE
        rows.append((name, index, chance, usual, *missing, ", ".join(new[:5]), has_drifted))
    columns = ["name", "psi", "chance", "usual", "missing_before", "missing_now", "new_values", "has_drifted"]
    ordered = ["has_drifted", "psi", "name"]
    return pd.DataFrame(rows, columns=columns).sort_values(ordered, ascending=[False, False, True], ignore_index=True)


def drift_problems(target: str, features: pd.DataFrame, scores: pd.DataFrame, since: object) -> Iterator[Problem]:
    """Warn of inputs or propensities that moved since the test cutoff, and say what to do.

    A column ``label`` names features in a reader's words. A few drifted features of many are for the page: a warning
    needs a tenth of them, values gone missing, values never seen, or propensities that moved.
    """
    warning = partial(Problem, "warning", target)
    drifted = features[features["has_drifted"]]
    shown = drifted.head(SHOWN).to_dict("records")
    most = "most " + ", ".join(f"{_named(row)} (PSI {row['psi']:.2f})" for row in shown)
    names = tuple(row["name"] for row in shown)
    if scores["has_drifted"].any():
        what = f"{len(drifted)} of {len(features)} features drifted, {most}. " if names else ""
        yield warning(
            f"propensities moved since {since} (PSI {scores['psi'].iloc[0]:.2f}). {what}Find out why before acting on "
            "the list; if the change is to stay, retrain with 'tenure run'.",
            "scores_moved",
            names,
        )
    elif len(drifted) >= max(1, MANY * len(features)):
        yield warning(
            f"{len(drifted)} of {len(features)} features drifted since {since}, {most}; propensities are steady. "
            "Find out why; the list can be acted on.",
            "features_drifted",
            names,
        )
    for row in features.to_dict("records"):
        if row["missing_now"] - row["missing_before"] > MISSING_SHARE:
            yield warning(
                f"{_named(row)} is missing for {row['missing_now']:.0%}, for {row['missing_before']:.0%} at {since}. "
                "Ask what became of its table before acting on the list.",
                "feature_missing",
                (row["name"],),
            )
        if row["new_values"]:
            yield warning(
                f"{_named(row)} has values the model has never seen: {row['new_values']}. "
                "It reads them as any rare value until it is retrained.",
                "unseen_values",
                (row["name"], row["new_values"]),
            )


def _named(row: Mapping[Hashable, Any]) -> str:
    """Name a feature by its column, and in a reader's words where the table has them."""
    return f"{row['label']} [{row['name']}]" if row.get("label") else str(row["name"])

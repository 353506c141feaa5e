"""Forecasts of what a shop's customers will buy: several models of one form, so that they can be compared.

Each takes the purchases, the day they are known until and the days ahead, and gives per customer (index customer_id)
the expected purchases and revenue, and p_alive where the model has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.customers.value_models.bg_nbd import BgNbd
from tenure.customers.value_models.comparison import PLAIN, Forecaster
from tenure.customers.value_models.gamma_gamma import GammaGamma
from tenure.customers.value_models.likelihood import BuyingProcess
from tenure.customers.value_models.pareto_nbd import ParetoNbd
from tenure.customers.value_models.purchases import DAYS_PER_WEEK, Repetition, known_before, summarise
from tenure.customers.value_models.two_stage import TwoStage, training_cutoffs

# A process is fitted on at most so many customers, drawn with a seed, and applied to all.
MAX_FITTED = 5_000
RECENT_DAYS = (28, 91, 182, 365)
# A rate is not estimated from less: who first bought yesterday would buy every day.
MIN_OBSERVED_DAYS = 28


def past_average(purchases: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
    """Let everything go on as it went so far: the plain average that any model must beat."""
    summary = summarise(purchases, end)
    per_day = (summary["repeats"] + 1) / np.maximum(summary["observed"] * DAYS_PER_WEEK, MIN_OBSERVED_DAYS)
    return pd.DataFrame({"purchases": per_day * days, "revenue": per_day * days * summary["amount"]})


def _process(kind: type[BuyingProcess]) -> Forecaster:
    def forecast(purchases: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
        summary = summarise(purchases, end)
        fitted = kind.fit(Repetition.distinct(_sampled(summary)))
        customers = Repetition.of(summary)
        expected = customers.in_chunks(lambda some: fitted.expected_purchases(some, days / DAYS_PER_WEEK))
        found = {"purchases": expected, "revenue": expected * expected_amounts(summary)}
        if kind is ParetoNbd:  # to BG/NBD whoever bought but once is alive for certain, however long ago it was
            found["p_alive"] = customers.in_chunks(fitted.p_alive)
        return pd.DataFrame(found, index=summary.index)

    return forecast


def _sampled(summary: pd.DataFrame) -> pd.DataFrame:
    return summary if len(summary) <= MAX_FITTED else summary.sample(MAX_FITTED, random_state=7)


def expected_amounts(summary: pd.DataFrame) -> np.ndarray:
    """Return the expected amount of a purchase by Gamma-Gamma; where it cannot be fitted, the customer's mean."""
    counts, means = (summary["repeats"] + 1).to_numpy(dtype=float), summary["amount"].to_numpy(dtype=float)
    worth = means > 0  # who returned all says nothing of amounts and counts as anybody
    sample = _sampled(summary[worth])
    try:
        fitted = GammaGamma.fit((sample["repeats"] + 1).to_numpy(dtype=float), sample["amount"].to_numpy(dtype=float))
    except NotEnoughDataError:
        return np.asarray(np.maximum(means, 0.0))
    if fitted.q <= 1:  # the mean over customers does not exist
        return np.asarray(np.maximum(means, 0.0))
    return fitted.expected_amount(np.where(worth, counts, 0.0), np.where(worth, means, 0.0))


def two_stage(purchases: pd.DataFrame, end: int, days: int) -> pd.DataFrame:
    """Learn from up to three earlier days what came within the horizon after them, and ask the same of now.

    Where the history is shorter than twice the horizon, a shorter one is learnt, and scaled up as Pareto/NBD's total.
    """
    start, known = int(purchases["day"].min()), known_before(purchases, end)
    learnt, cutoffs = training_cutoffs(start, end, days)
    tables = [_columns(purchases, cutoff, start) for cutoff in cutoffs]
    outcome = pd.concat([outcomes(known, t.index, c, c + learnt) for t, c in zip(tables, cutoffs, strict=True)])
    table, now = pd.concat(tables), _columns(purchases, end, start)
    stretch = _stretch(purchases, end, learnt, days)
    found = {name: TwoStage.fit(table, outcome[name].to_numpy()).expected(now) * stretch for name in outcome.columns}
    return pd.DataFrame(found, index=now.index)


def _stretch(purchases: pd.DataFrame, end: int, learnt: int, days: int) -> float:
    """Return how much more comes in ``days`` than in ``learnt``: less than in proportion, for customers stop."""
    if learnt == days:
        return 1.0
    summary = summarise(purchases, end)
    try:
        fitted = ParetoNbd.fit(Repetition.distinct(_sampled(summary)))
    except NotEnoughDataError:
        return days / learnt
    customers = Repetition.of(summary)

    def total(horizon: int) -> float:
        return float(customers.in_chunks(lambda some: fitted.expected_purchases(some, horizon / DAYS_PER_WEEK)).sum())

    return total(days) / total(learnt)


def outcomes(purchases: pd.DataFrame, customers: pd.Index, start: int, end: int) -> pd.DataFrame:
    """Add up what came in the days ``[start, end)``. => index customers: purchases, revenue (less returns)"""
    window = purchases[(purchases["day"] >= start) & (purchases["day"] < end)].groupby("customer_id")
    table = pd.DataFrame({"purchases": window["is_purchase"].sum(), "revenue": window["amount"].sum()})
    return table.reindex(customers).fillna(0.0).astype(float)


def _columns(purchases: pd.DataFrame, end: int, start: int) -> pd.DataFrame:
    """Describe each customer known at a day in a few plain columns."""
    summary, known = summarise(purchases, end), known_before(purchases, end)
    table = summary[["repeats", "recency", "observed", "amount"]].copy()
    table["silent"] = end - summary["last"]
    table["usual_gap"] = (summary["last"] - summary["first"]) / summary["repeats"].where(summary["repeats"] > 0)
    table["silence_ratio"] = table["silent"] / table["usual_gap"].clip(lower=1)
    for days in RECENT_DAYS:
        recent = outcomes(known, summary.index, end - days, end)
        # A window longer than the history means something else at every cutoff.
        if days <= (end - start):
            table[f"purchases_{days}"], table[f"revenue_{days}"] = recent["purchases"], recent["revenue"]
        else:
            table[f"purchases_{days}"] = table[f"revenue_{days}"] = np.nan
    return table


FORECASTERS: Mapping[str, Forecaster] = MappingProxyType(
    {
        "BG/NBD with Gamma-Gamma": _process(BgNbd),
        "Pareto/NBD with Gamma-Gamma": _process(ParetoNbd),
        "two-stage LightGBM": two_stage,
        PLAIN: past_average,
    }
)

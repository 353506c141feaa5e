"""The value of a policy that never ran, from decisions that were drawn with logged chances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tenure.core.errors import DataContractError, NotEnoughDataError
from tenure.effects.estimate import Array, Estimate, mean_of

FEWEST_EFFECTIVE = 100
ALARM = 1e-6  # chance to refuse an honest log as one that lacks what the new policy does


@dataclass(frozen=True)
class PolicyValue:
    """Reward per decision under a policy, weighted and, where rewards were predicted, doubly robust.

    ``effective``: as many decisions, had the policy run, would tell as much. ``scores``: of each row; two policies over
    the same rows are compared by ``mean_of(a.scores - b.scores, customers)``.
    """

    weighted: Estimate
    doubly_robust: Estimate | None
    effective: float
    scores: Array

    @property
    def best(self) -> Estimate:
        return self.doubly_robust or self.weighted


def value_of_policy(logged: pd.DataFrame, new: pd.DataFrame, *, expected: pd.DataFrame | None = None) -> PolicyValue:
    """Value a new policy from the log of another: one row per decision in each table  =>  PolicyValue.

    logged: ``customer_id, action, chance`` (with which that action was drawn), ``reward``. ``new``: the new policy's
    chance of each action, a column per action, rows adding up to 1. ``expected``: each action's reward by a model that
    did not see the row, same columns.

    Source: Hajek (1971); Dudik, Langford, Li (2011), doubly robust; effective sample: Kish (1965), by customer.

    Raises
    ------
    DataContractError : a chance is none, or the tables do not fit each other.
    NotEnoughDataError : fewer than 100 effective decisions, or the new policy does what the log never could.
    """
    actions = _check(logged, new, expected)
    rows, customers = np.arange(len(logged)), logged["customer_id"]
    weights = new.to_numpy(float)[rows, actions] / logged["chance"].to_numpy(float)
    by_customer = np.bincount(pd.factorize(customers)[0], weights)
    effective = float(by_customer.sum() ** 2 / max((by_customer**2).sum(), 1e-300))
    if effective < FEWEST_EFFECTIVE:
        raise NotEnoughDataError(
            f"Policy value: {len(logged):,} logged decisions are worth {effective:.0f} effective ones for this policy. "
            f"Expected at least {FEWEST_EFFECTIVE}: the log rarely did what the policy would do. Log more decisions, "
            "explore more, or value a policy nearer to it."
        )
    reach = mean_of(weights, customers, error=ALARM)
    if not reach.low <= 1 <= reach.high:
        raise NotEnoughDataError(
            f"Policy value: the weights new/logged average {reach}, expected 1. The log never drew some of what the "
            "policy would do, or its chances are not those it was drawn with. Leave out decisions that were not drawn, "
            "and value only what had a chance."
        )
    weights, reward = weights / weights.mean(), logged["reward"].to_numpy(float)
    plain = _scores(weights, reward, np.zeros(len(rows)))
    if expected is None:
        return PolicyValue(mean_of(plain, customers), None, effective, plain)
    predicted = expected[new.columns].to_numpy(float)
    robust = _scores(weights, reward - predicted[rows, actions], (new.to_numpy(float) * predicted).sum(axis=1))
    return PolicyValue(mean_of(plain, customers), mean_of(robust, customers), effective, robust)


def _scores(weights: Array, errors: Array, direct: Array) -> Array:
    """Score each row so that the mean is the policy's value: what was predicted, and the weighted errors on top."""
    correction = float((weights * errors).mean())
    return direct + weights * (errors - correction) + correction


def _check(logged: pd.DataFrame, new: pd.DataFrame, expected: pd.DataFrame | None) -> np.ndarray:
    """Refuse tables from which no value follows; return the place of each logged action among the new policy's."""
    missing = {"customer_id", "action", "chance", "reward"} - set(logged.columns)
    if missing:
        raise DataContractError(f"Policy value: the log has no column {', '.join(sorted(missing))}.")
    places = new.columns.get_indexer(pd.Index(logged["action"]))
    lengths = {len(one) for one in (logged, new, expected) if one is not None}
    counted = {
        "tables of another length": len(lengths) - 1,
        "logged actions without a column in the new policy": int((places < 0).sum()),
        "logged chances that are not above 0 and at most 1": int((~logged["chance"].between(0, 1, "right")).sum()),
        "rows of the new policy that do not add up to 1": int(
            ((new < 0).any(axis=1) | ((new.sum(axis=1) - 1).abs() > 1e-6)).sum()
        ),
        "unknown rewards": int(logged["reward"].isna().sum()),
    }
    problems = [f"{count:,} {what}" for what, count in counted.items() if count]
    if problems:
        raise DataContractError(
            f"Policy value: {'; '.join(problems)}. Expected one row per decision in each table and a column per action."
        )
    return np.asarray(places)

"""What was learnt of one action: whether customers differ, by how much, which ones, and whether acting on it pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.effects.arms import Unit
from tenure.effects.estimate import mean_of
from tenure.effects.gate import Gate as Judged
from tenure.effects.gate import judge
from tenure.effects.learner import EffectFit, fit_effect
from tenure.models.explain import labels_of
from tenure.models.model import FeatureMeaning
from tenure.models.verdict import Gate

GROUPS, DRIVERS, MOST_EXPLAINED = 5, 6, 20_000
# Of each interval of the gate. Every one must lie above 0, so a false opening has at most half of this chance.
ERROR = 0.1


@dataclass(frozen=True)
class Learnt:
    """An action's effect on one outcome. ``reason``: why nothing was learnt; else ``fit`` and ``judged`` are there.

    ``groups``: fifths of the rows by the effect predicted out of fold: group, rows, promised, realised, low, high.
    ``drivers``: what sets customers apart: feature, words, spread (of its part of the effect), rises (with its value).
    """

    action: str
    outcome: str
    words: str
    unit: Unit
    rows: int
    treated: int
    first_day: str
    last_day: str
    horizon_days: int
    reason: str = ""
    fit: EffectFit | None = None
    judged: Judged | None = None
    groups: pd.DataFrame | None = None
    drivers: pd.DataFrame | None = None

    @property
    def gates(self) -> list[Gate]:
        """Each comparison of the personal policy as a gate of its version."""
        if self.judged is None:
            return []
        form = "{:+.4f} ({:+.4f} to {:+.4f}) per assignment"
        return [
            Gate(
                f"worth more than {row.against}", row.low > 0, form.format(row.difference, row.low, row.high), "effect"
            )
            for row in self.judged.table.itertuples()
        ] + [Gate("customers differ", self.judged.passes, self.judged.says, "differs")]

    @property
    def differs(self) -> bool:
        """Whether a policy that knows each customer's effect was worth more than those that do not."""
        return self.judged is not None and self.judged.passes


def learn(
    rows: pd.DataFrame,
    meanings: Sequence[FeatureMeaning],
    about: dict[str, Any],
    *,
    cost: float,
    sign: int,
    budget: float | None = None,
) -> Learnt:
    """Learn an action's effect by customer, and judge it; too few rows are a reason, not an error.

    rows: customer_id, assigned_at, is_treated, chance, outcome, the features that ``meanings`` describe. ``about``: as
    ``Learnt`` begins; ``cost``: of a contact, in the outcome's unit; ``sign``: -1 where fewer of the outcome are better;
    ``budget``: the share of customers that can get the action, where not all can.
    """
    days = rows["assigned_at"].dt.date
    about = about | {
        "rows": len(rows), "treated": int(rows["is_treated"].sum()), "first_day": str(days.min()), "last_day": str(days.max()),
    }  # fmt: skip
    try:
        fit = fit_effect(rows, [meaning.name for meaning in meanings], unit=about["unit"])
        judged = judge(fit, rows, cost=cost, sign=sign, budget=budget, error=ERROR)
    except NotEnoughDataError as error:
        return Learnt(**about, reason=str(error))
    return Learnt(
        **about, fit=fit, judged=judged, groups=_groups(fit, rows["customer_id"]), drivers=_drivers(fit, rows, meanings)
    )


def _groups(fit: EffectFit, customers: pd.Series) -> pd.DataFrame:
    """Compare what was promised to fifths of the customers with what came true, both out of fold."""
    group = pd.qcut(pd.Series(fit.raw).rank(method="first"), GROUPS, labels=False).to_numpy()
    promised, found = fit.calibrated(fit.raw), []
    for number in range(GROUPS):
        at = group == number
        came = mean_of(fit.pseudo[at], customers.to_numpy()[at])
        found.append((number + 1, int(at.sum()), float(promised[at].mean()), came.value, came.low, came.high))
    return pd.DataFrame(found, columns=["group", "rows", "promised", "realised", "low", "high"])


def _drivers(fit: EffectFit, rows: pd.DataFrame, meanings: Sequence[FeatureMeaning]) -> pd.DataFrame:
    """Rank features by how far their parts of the effect lie apart; ``rises``: with the feature's value, or not."""
    sample = rows.iloc[:: -(-len(rows) // MOST_EXPLAINED)]
    parts = fit.contributions(sample)
    names = [meaning.name for meaning in meanings]
    spread = parts[names].std().to_numpy()
    numbers = sample[names].apply(pd.to_numeric, errors="coerce").rank()
    rises = [numbers[name].corr(parts[name]) for name in names]
    table = pd.DataFrame({"feature": names, "words": labels_of(meanings), "spread": spread, "rises": np.sign(rises)})
    return table.nlargest(DRIVERS, "spread").reset_index(drop=True)

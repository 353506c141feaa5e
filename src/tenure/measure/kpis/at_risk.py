"""At risk: how many customers the scores of the day expected to lose."""

from __future__ import annotations

import pandas as pd

from tenure.core.errors import NotEnoughDataError
from tenure.measure.kpis.kpi import Asked, Kpi, Value
from tenure.scoring.ledger import BACKFILL, MANUAL, SCHEDULED, entries, of_each_day

RISKS = ("churn", "lapse")  # the first that was scored in enough weeks
FEWEST_WEEKS = 12


def measure(asked: Asked) -> pd.DataFrame:
    """Take the mean propensity to leave of the scores given as of a day of each period, the last ones of it.

    Raises
    ------
    NotEnoughDataError : too few weeks were scored.
    """
    weeks = 0
    for target in RISKS:
        own = entries(asked.workspace, asked.facts.source.name, target)
        # Scores of a day know the facts before it: they stand at the end of the period before.
        scored = {
            max(begun): entry
            for entry in of_each_day(own, (SCHEDULED, BACKFILL, MANUAL))
            if entry.as_of <= asked.facts.as_of
            and (begun := [day for day in asked.periods if asked.until(day) <= entry.as_of])
        }
        weeks = max(weeks, len(scored))
        if len(scored) >= FEWEST_WEEKS:
            shares = {day: float(entry.read()["propensity"].mean()) for day, entry in scored.items()}
            return pd.DataFrame({"at_risk": shares}, index=asked.periods, dtype=object)
    raise NotEnoughDataError(f"needs scores of {' or '.join(RISKS)} of {FEWEST_WEEKS} weeks; the ledger holds {weeks}")


KPI = Kpi(
    name="at_risk",
    meaning="The mean propensity to churn (else to lapse) of the last scores of the week: the share expected to leave.",
    values=(Value("at_risk", "share", "customers expected to leave"),),
    tables=(),
    any_of=("subscription_events", "order_lines"),
    measure=measure,
    is_leading=True,
)

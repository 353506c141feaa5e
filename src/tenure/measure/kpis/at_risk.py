"""At risk: how many customers the scores of the week expected to lose."""

from tenure.measure.kpis.kpi import Kpi, per_period

AT_RISK = "coalesce(avg(propensity) FILTER (target = 'churn'), avg(propensity) FILTER (target = 'lapse'))"

KPI = Kpi(
    "at_risk",
    "customers expected to leave",
    "share",
    "The mean propensity to churn (in a week without scores of it, to lapse) of the scores given as of the week's days.",
    per_period("scores", "at_risk", AT_RISK),
    tables=("scores",),
    is_leading=True,
)

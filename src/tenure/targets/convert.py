"""Convert: a registered or trial customer starts to pay."""

from tenure.targets.definition import Condition, Heuristic, Target

TARGET = Target(
    name="convert",
    question=(
        "Will a registered or trial customer who has never paid start a paid subscription "
        "in the next {horizon_days} days?"
    ),
    eligible_in_words=(
        "was registered in the {eligible_days} days before the cutoff and has never had a paid subscription"
    ),
    eligible=(
        Condition("customers", "max(age_days) <= {eligible_days}"),
        Condition("subscriptions", "not bool_or(has_paid)", when_no_rows=True),
    ),
    outcome=Condition(
        "customer_states",
        "count(*) filter (where state = 'paying' and days_ahead between 0 and {horizon_days} - 1) > 0",
    ),
    positive="started to pay",
    horizon_days=30,
    eligible_days=90,
    contact_cost=0.5,
    stake="first_year",
    heuristic=(
        Heuristic("coalesce(usage_30d, 0)", "usage in the last 30 days"),
        Heuristic("coalesce(count_acts_30d, 0)", "activities on any channel in the last 30 days"),
        Heuristic("-days_since_registered", "the fewest days since the registration"),
        Heuristic("-first_subscription_days", "the fewest days since the trial began"),
    ),
)

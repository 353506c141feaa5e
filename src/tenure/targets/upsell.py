"""Upsell: a subscriber moves to a higher tier or buys an add-on."""

from tenure.targets.definition import Condition, Heuristic, Target

TARGET = Target(
    name="upsell",
    question=(
        "Will a live subscriber below the top plan move to a higher plan or buy an add-on "
        "in the next {horizon_days} days?"
    ),
    eligible_in_words="has a paid subscription running at the cutoff, on a plan below the top one ({top_plan})",
    eligible=(
        Condition("subscriptions", "count(*) filter (where state = 'paid' and coalesce(plan <> {top_plan}, true)) > 0"),
    ),
    outcome=Condition("subscription_events", "count(*) filter (where event in ('upgraded', 'addon_bought')) > 0"),
    positive="bought more",
    horizon_days=60,
    options={"top_plan": ""},
    save_rate=0.1,
    contact_cost=1.0,
    heuristic=(
        Heuristic("usage_of_allowance_30d", "share of the month's allowance used in the last 30 days"),
        Heuristic("coalesce(usage_30d, 0)", "usage in the last 30 days"),
        Heuristic("-subscription_tenure_days", "the fewest days since the subscription began"),
    ),
    revenue="paid_amount_365d",
    stake="added",
)

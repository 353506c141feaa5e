"""Churn: a subscription ends."""

from tenure.targets.definition import Condition, Heuristic, Target

# Of each subscription: running and paid for, no cancellation pending, and due in the outcome window (or without term).
LIVE = """
coalesce(latest(event) filter (where event in
         ('trial_started', 'started', 'renewed', 'upgraded', 'downgraded', 'resumed', 'ended'))
         not in ('trial_started', 'ended'), false)"""
NOT_CANCELLING = """
coalesce(latest(event) filter (where event in
         ('started', 'renewed', 'resumed', 'upgraded', 'downgraded', 'cancel_requested'))
         <> 'cancel_requested', true)"""
RENEWAL_DUE = """
coalesce(latest(term_days - age_days) filter (where event in ('started', 'renewed')
         or (event = 'upgraded' and term_days is not null))
         between {lead_days} and {lead_days} + {horizon_days} - 1, true)"""
# Days are counted from the first of the outcome window.
LAST_END = "max(days_ahead) filter (where event = 'ended' and days_ahead < {horizon_days})"
IN_GRACE = f"between {LAST_END} and {LAST_END} + {{grace_days}}"
# The last sign of life, or the first start: who came back within the grace may renew after it.
RESTARTED = f"""
(max(days_ahead) filter (where event in ('started', 'resumed', 'renewed', 'upgraded')) {IN_GRACE}
 or min(days_ahead) filter (where event in ('started', 'resumed')) {IN_GRACE})"""

TARGET = Target(
    name="churn",
    question=(
        "Will the subscription of a live subscriber end in the next {horizon_days} days, "
        "without a restart within {grace_days} days of it?"
    ),
    eligible_in_words=(
        "has a paid subscription running at the cutoff, has not asked to cancel it, and, for a fixed term, "
        "is due to renew in the {horizon_days} days of the outcome window"
    ),
    eligible=(
        Condition("subscription_events", f"{LIVE} and {NOT_CANCELLING} and {RENEWAL_DUE}", per="subscription_id"),
    ),
    # The rows reach the grace beyond the horizon, to see a restart; an end counts only inside the horizon.
    outcome=Condition(
        "subscription_events",
        f"coalesce({LAST_END}, -1) >= 0 and not coalesce({RESTARTED}, false)",
        days="horizon_days + grace_days",
    ),
    positive="churned",
    horizon_days=30,
    label_lag_days=14,
    options={"grace_days": 14},
    contact_cost=2.0,
    heuristic=(
        Heuristic(
            "30 * coalesce(count_failed_payments_30d, 0) + coalesce(days_since_usage_90d, 90)",
            "thirty for each failed payment of the last 30 days, plus the days since the last usage",
        ),
        Heuristic("coalesce(days_since_usage_90d, 90)", "days since the last usage"),
        Heuristic("-subscription_tenure_days", "the fewest days since the subscription began"),
        Heuristic("-count_renewals_365d", "the fewest renewals in the last year"),
    ),
    revenue="paid_amount_365d",
    monotone={"count_failed_payments": 1, "share_failed_payments": 1},
)
